"""How each enabled plugin stands: what it can do, its failures, and whether it is still asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field

from sould.plugin.declared import Frontend, Job
from sould.pluginhost.messages import Loaded

MOST_STRIKES = 3

State = Literal["off", "starting", "on", "failed", "disabled"]


class Standing(Struct, kw_only=True):
    """One plugin. ``failed``: it could not be loaded; ``disabled``: it failed too often."""

    state: State = "starting"
    strikes: int = 0
    hooks: frozenset[str] = frozenset()
    jobs: list[Job] = field(default_factory=list)
    frontends: list[Frontend] = field(default_factory=list)
    problem: str = ""


class Standings:
    """All enabled plugins, by name, in the order they are called in."""

    def __init__(self, names: Iterable[str]) -> None:
        self._all = {name: Standing() for name in names}
        self._look()

    def __getitem__(self, name: str) -> Standing:
        return self._all[name]

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def items(self) -> list[tuple[str, Standing]]:
        """Return names and standings."""
        return list(self._all.items())

    @property
    def usable(self) -> list[str]:
        """Names of those that are not given up."""
        return [name for name, one in self._all.items() if one.state in ("starting", "on")]

    def may_have(self, hook: str) -> bool:
        """Tell whether a plugin implements a hook, or may turn out to once it is loaded."""
        return self._is_unknown or hook in self._hooks

    def loaded(self, loaded: Loaded) -> None:
        """Take note of how loading went."""
        one = self._all[loaded.name]
        if one.state == "disabled":
            return
        one.state = "failed" if loaded.problem else "on"
        one.problem = loaded.problem or one.problem
        one.hooks = frozenset(loaded.hooks)
        one.jobs, one.frontends = loaded.jobs, loaded.frontends
        self._look()

    def fail(self, name: str, problem: str) -> None:
        """Give up a plugin that cannot be used."""
        self._all[name].state, self._all[name].problem = "failed", problem
        self._look()

    def strike(self, name: str, what: str) -> Standing:
        """Count a failure; the third one disables the plugin until the daemon starts anew."""
        one = self._all[name]
        one.strikes += 1
        one.problem = what
        if one.strikes >= MOST_STRIKES:
            one.state = "disabled"
            self._look()
        return one

    def _look(self) -> None:
        """See what may be asked: every event wants to know it, and there are many."""
        ones = self._all.values()
        self._is_unknown = any(one.state == "starting" for one in ones)
        self._hooks = frozenset().union(*(one.hooks for one in ones if one.state == "on"))
