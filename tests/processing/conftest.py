"""Property tests have no deadline for an example: a busy machine is not a wrong result."""

from hypothesis import settings

settings.register_profile("science", deadline=None, database=None)
settings.load_profile("science")
