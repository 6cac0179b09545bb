"""A night of its own accord: the soul sleeps at a set time, while nobody talks to it."""

from soul_nightly.plugin import Settings, register_jobs

__all__ = ["Settings", "register_jobs"]
