"""The Model Lab: a page of this machine, in any browser."""

from soul_lab.plugin import Settings, register_frontends

__all__ = ["Settings", "register_frontends"]
