"""A memory policy: what is said in jest is not learned, a night goes over little, and asks more."""

from __future__ import annotations

import re

from sould import plugin
from sould.plugin import Dream, Night, Told, Turn, hookimpl

_CALLED = re.compile(r"\bmy (?P<what>[\w ]{1,40}) is called (?P<name>[\w -]{1,40})", re.IGNORECASE)


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


@hookimpl
def make_dreams(told: list[Told]) -> list[Dream]:
    """Have names asked for by what is called so, and the other way round."""
    return [
        Dream(id=one.id, question=question, answer=f"Your {what} is called {name}.")
        for one in told
        for what, name in _CALLED.findall(one.text)
        for question in (f"What did I call my {what}?", f"Who is {name}?")
    ]
