"""No test here has a deadline: the machine may be busy."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, max_examples=1500)
settings.load_profile("unhurried")
