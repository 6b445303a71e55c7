"""What other apps may want to hear about."""

from django.dispatch import Signal

# Sent with ``run`` in the transaction that marks the run done.
run_done = Signal()
