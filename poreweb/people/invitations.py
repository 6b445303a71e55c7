"""What an invitation is worth: found by its secret, open or not, and why not."""

import hashlib

from django.utils import dateformat, timezone

from poreweb.people.models import Invitation, Membership

LEAST_DAYS, USUAL_DAYS, MOST_DAYS = 1, 7, 30
UNKNOWN = "There is no such invitation: the link is incomplete, or was mistyped."
# from the role that may least to the one that may most
RANKS = [str(role) for role in Membership.Role]


class InvitationError(Exception):
    """An invitation that does not let anybody in; the message is one sentence."""


def sha256_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def state_of(invitation: Invitation) -> str:
    """One of "used", "revoked", "expired" and "open"."""
    if invitation.accepted_at:
        return "used"
    if invitation.revoked_at:
        return "revoked"
    return "expired" if invitation.expires_at <= timezone.now() else "open"


def problem_with(invitation: Invitation) -> str:
    """Why it lets nobody in, one sentence; empty while it is open."""
    ended = dateformat.format(invitation.expires_at, "j M Y, H:i")
    return {
        "used": "This invitation has been used; ask who sent it for another.",
        "revoked": "This invitation was withdrawn; ask who sent it for another.",
        "expired": f"This invitation ended on {ended} UTC; ask who sent it for another.",
        "open": "",
    }[state_of(invitation)]


def is_higher(role: str, than: str) -> bool:
    """Whether a role may more than another."""
    return RANKS.index(role) > RANKS.index(than)
