"""Long work: tasks mirrored in SQL, the worker, the reconciler, and the processes of one machine."""
