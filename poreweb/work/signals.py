"""What other apps may do now and then."""

from django.dispatch import Signal

# Sent by every worker every few seconds, when lost tasks have been returned. Many workers send it at
# once, so receivers look cheaply and lock what they change; one that raises is logged.
housekeeping = Signal()
