"""For every test: hypothesis sets no deadlines, as a busy machine, or a first compilation, breaks any."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.register_profile("wide", deadline=None, max_examples=2_000)  # pytest --hypothesis-profile=wide
settings.load_profile("no-deadline")
