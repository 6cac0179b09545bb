"""Notes from the diary: what the user stated before, put before a message that is about it."""

from soul_notes.plugin import Settings, after_turn, before_turn, daemon_ready

__all__ = ["Settings", "after_turn", "before_turn", "daemon_ready"]
