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
LOADING = 0
"""Its index in ``HOOKS``."""


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
            outcome = self._run(wanted.name, LOADING, work, LOADING_S)
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
        for name, outcome in self._each(call.hook, args):
            if outcome.what:
                failures.append(_failure(name, call.hook, outcome))
            elif outcome.value is not None:
                answers.append(Answer(plugin=name, value=outcome.value))
        return Answered(id=call.id, answers=answers, failures=failures)

    def drop(self, name: str) -> None:
        """Call a plugin no more."""
        for plugins in self._callers.values():
            plugins[:] = [plugin for plugin in plugins if plugin.name != name]

    def _each(self, hook: str, args: dict[str, Any]) -> Iterator[tuple[str, Outcome]]:
        """Call a hook of each plugin; a value is encoded. It is kept short: a turn waits for it."""
        budget_s = self._order.budget_s if hook in QUICK else self._order.patient_s
        number, decoder = HOOKS.index(hook), DECODERS[hook]
        for plugin in list(self._callers[hook]):
            function, names = plugin.hooks[hook]
            given = [plugin.settings if name == "settings" else args[name] for name in names]
            yield (
                plugin.name,
                self._run(plugin.name, number, partial(_call, function, given, decoder), budget_s),
            )

    def _run(self, name: str, hook: int, work: Callable[[], Any], budget_s: float) -> Outcome:
        self._mark.set(self._index[name], hook, budget_s)
        outcome = self._budget.run(work, budget_s)
        self._mark.clear()
        if outcome.is_out_of_memory:
            self.is_out_of_memory = True
        return outcome

    def _declared(self, problems: dict[str, str]) -> Ready:
        declared: dict[str, dict[str, Any]] = {name: {} for name in self._plugins}
        failures: list[Failure] = []
        for hook in DECLARING:
            for name, outcome in self._each(hook, {"home": self._order.home}):
                if outcome.what:
                    failures.append(_failure(name, hook, outcome))
                elif outcome.value is not None:
                    declared[name][hook] = DECODERS[hook].decode(outcome.value)
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


def _call(
    function: Callable[..., Any], given: list[Any], decoder: msgspec.msgpack.Decoder[Any]
) -> Raw | None:
    """Return what an implementation returns, encoded, if it is what it may return."""
    value = function(*given)
    if value is None:
        return None
    try:
        data = _encoder.encode(value)
        decoder.decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise Unfit(f"returned what it may not: {e}") from e
    if len(data) > MOST_RETURNED_BYTES:
        raise Unfit(f"returned {len(data):,} bytes, at most {MOST_RETURNED_BYTES:,} may be")
    return Raw(data)


def _failure(name: str, hook: str, outcome: Outcome) -> Failure:
    return Failure(plugin=name, hook=hook, what=outcome.what, detail=outcome.detail)


def _problem(outcome: Outcome) -> str:
    """Say why a plugin could not be loaded; nobody has said anything to it yet."""
    if outcome.detail and outcome.detail != outcome.what:
        return f"{outcome.what}: {outcome.detail}"
    return outcome.what
