"""manage.py add_member: a user in a team."""

from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from poreweb.people.actions import add_member
from poreweb.people.models import Membership, Team


class Command(BaseCommand):
    """Put a user into a team; both are made when they do not exist."""

    help = "Put a user into a team; both are made when they do not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, where, as what."""
        parser.add_argument("username")
        parser.add_argument("team")
        parser.add_argument("--role", choices=Membership.Role.values, default=Membership.Role.REVIEWER.value)

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask for a password when the user is new."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            password = getpass(f"Password for {options['username']}: ")
            try:
                validate_password(password)
            except ValidationError as problem:
                raise CommandError(" ".join(problem.messages)) from problem
            user = User.objects.create_user(options["username"], password=password)
        team, _ = Team.objects.get_or_create(name=options["team"])
        self.stdout.write(f"{add_member(team, user, options['role'])}.")
