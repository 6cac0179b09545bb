"""Call hooks: every implementation by itself, so that one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from sould.pluginhost.budget import Budget, Outcome, Unfit
from sould.pluginhost.loading import Plugin, called_in_order, load, make_manager
from sould.pluginhost.mark import Mark
from sould.pluginhost.messages import Answer, Answered, Call, Failure, Load, Loaded, Ready
from sould.pluginhost.table import ARGUMENTS, DECODERS, HOOKS, LOADING_S, QUICK

MOST_RETURNED_BYTES = 1 << 20
_encoder = msgspec.msgpack.Encoder()
DECLARING = ("register_jobs", "register_frontends")


class Plugins:
    """The plugins of this process. ``is_out_of_memory``: one of them used it up."""

    def __init__(self, order: Load, mark: Mark) -> None:
        self.is_out_of_memory = False
        self._order = order
        self._mark = mark
        self._budget = Budget()
        self._index = {wanted.name: n for n, wanted in enumerate(order.plugins)}
        self._manager = make_manager()
        self._plugins: dict[str, Plugin] = {}
        self._callers: dict[str, list[Plugin]] = {}

    def load(self) -> Ready:
        """Load all that can be, and ask what they declare."""
        problems: dict[str, str] = {}
        for wanted in reversed(self._order.plugins):  # pluggy calls the last one first
            work = partial(load, wanted, self._manager)
            outcome = self._run(wanted.name, "loading", work, LOADING_S)
            if outcome.what:
                problems[wanted.name] = _problem(outcome)
            else:
                self._plugins[wanted.name] = outcome.value
        for hook in HOOKS[1:]:
            names = called_in_order(self._manager, hook)
            self._callers[hook] = [self._plugins[name] for name in names if name in self._plugins]
        return self._declared(problems)

    def call(self, call: Call) -> Answered:
        """Call a hook of every plugin that has it."""
        args = {name: msgspec.convert(value, ARGUMENTS[name]) for name, value in call.args.items()}
        answers: list[Answer] = []
        failures: list[Failure] = []
        for name, found in self._each(call.hook, args):
            if isinstance(found, Failure):
                failures.append(found)
            elif found is not None:
                answers.append(Answer(plugin=name, value=found))
        return Answered(id=call.id, answers=answers, failures=failures)

    def drop(self, name: str) -> None:
        """Call a plugin no more."""
        for plugins in self._callers.values():
            plugins[:] = [plugin for plugin in plugins if plugin.name != name]

    def _each(self, hook: str, args: dict[str, Any]) -> Iterator[tuple[str, Raw | Failure | None]]:
        budget_s = self._order.budget_s if hook in QUICK else self._order.patient_s
        for plugin in list(self._callers[hook]):
            call = partial(_call, plugin, hook, {"settings": plugin.settings, **args})
            outcome = self._run(plugin.name, hook, call, budget_s)
            if outcome.what:
                yield (
                    plugin.name,
                    Failure(
                        plugin=plugin.name, hook=hook, what=outcome.what, detail=outcome.detail
                    ),
                )
            else:
                yield plugin.name, outcome.value

    def _run(self, name: str, hook: str, work: Callable[[], Any], budget_s: float) -> Outcome:
        self._mark.set(self._index[name], HOOKS.index(hook), budget_s)
        outcome = self._budget.run(work, budget_s)
        self._mark.clear()
        self.is_out_of_memory = self.is_out_of_memory or outcome.is_out_of_memory
        return outcome

    def _declared(self, problems: dict[str, str]) -> Ready:
        declared: dict[str, dict[str, Any]] = {name: {} for name in self._plugins}
        failures: list[Failure] = []
        for hook in DECLARING:
            for name, found in self._each(hook, {"home": self._order.home}):
                if isinstance(found, Failure):
                    failures.append(found)
                elif found is not None:
                    declared[name][hook] = DECODERS[hook].decode(found)
        plugins = [
            Loaded(
                name=name,
                hooks=sorted(self._plugins[name].hooks),
                jobs=declared[name].get("register_jobs", []),
                frontends=declared[name].get("register_frontends", []),
            )
            if name in self._plugins
            else Loaded(name=name, problem=problems[name])
            for name in self._index
        ]
        return Ready(plugins=plugins, failures=failures)


def _call(plugin: Plugin, hook: str, given: dict[str, Any]) -> Raw | None:
    """Return what an implementation returns, encoded, if it is what it may return."""
    function, names = plugin.hooks[hook]
    value = function(*[given[name] for name in names])
    if value is None:
        return None
    try:
        data = _encoder.encode(value)
        DECODERS[hook].decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise Unfit(f"returned what it may not: {e}") from e
    if len(data) > MOST_RETURNED_BYTES:
        raise Unfit(f"returned {len(data):,} bytes, at most {MOST_RETURNED_BYTES:,} may be")
    return Raw(data)


def _problem(outcome: Outcome) -> str:
    """Say why a plugin could not be loaded; nobody has said anything to it yet."""
    if outcome.detail and outcome.detail != outcome.what:
        return f"{outcome.what}: {outcome.detail}"
    return outcome.what
