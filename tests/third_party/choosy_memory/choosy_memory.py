"""A memory policy: what is said in jest is not learned, and a night goes over little."""

from __future__ import annotations

from sould import plugin
from sould.plugin import Night, Told, Turn, hookimpl


class Settings(plugin.Settings, frozen=True, kw_only=True):
    """``jests``: words that mark one. ``most``: what a night may go over, the newest first."""

    jests: tuple[str, ...] = ("just kidding",)
    most: int = 32


@hookimpl
def memory_write_policy(turn: Turn, settings: Settings) -> bool:
    """Tell whether a turn may be learned."""
    return not any(word in turn.text.casefold() for word in settings.jests)


@hookimpl
def select_replay(night: Night, told: list[Told], settings: Settings) -> list[str]:
    """Choose the newest of what was told."""
    return [one.id for one in told][-settings.most :]
