"""Teams in the staff pages."""

from django.contrib import admin

from poreweb.people.forms import StaffSignInForm
from poreweb.people.models import Membership, Team

admin.site.login_form = StaffSignInForm


class MembershipInline(admin.TabularInline):
    """Members of the team at hand."""

    model = Membership
    extra = 1


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """A team and its members."""

    inlines = [MembershipInline]
