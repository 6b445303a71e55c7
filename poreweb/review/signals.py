"""What other apps may want to know."""

from django.dispatch import Signal

# With ``run``, in the transaction of the act: what is settled for the run's lineage has changed.
settlement_changed = Signal()
