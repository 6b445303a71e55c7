"""What other apps may want to hear about."""

from django.dispatch import Signal

# Sent with ``run`` in the transaction that marks the run done.
run_done = Signal()

# Sent with ``run`` in the transaction that marks the run failed or cancelled.
run_stopped = Signal()
