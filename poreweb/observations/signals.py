"""What other apps may want to hear about."""

from django.dispatch import Signal

# Sent with ``ingest`` in the transaction that closes a delivery which brought something new.
ingest_done = Signal()
