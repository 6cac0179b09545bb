"""Run a body's chat template: Jinja as Hugging Face sets it up, in a sandbox, within limits.

A template comes with the model file, so it is hostile input. It gets no attributes beyond
its arguments (jinja2's immutable sandbox), a time limit checked at every line it runs, a
limit on what it puts out, and no arithmetic that explodes. It can still waste memory inside
one operation; then the engine process dies of it, which the supervisor survives.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE_CHARS = 1 << 20
MAX_OUTPUT_CHARS = 1 << 24
MAX_INT_BITS = 4096
MAX_REPEATED_ITEMS = 1 << 16
RENDER_LIMIT_S = 5.0


class TemplateFault(Exception):
    """The template does not compile, broke a limit, or failed on the messages it got."""


class SandboxedTemplate:
    """A compiled chat template."""

    def __init__(
        self,
        source: str,
        *,
        now: Callable[[], datetime] = datetime.now,
        limit_s: float = RENDER_LIMIT_S,
    ) -> None:
        """Compile ``source``; ``now`` is what ``strftime_now`` formats.

        Raises:
            TemplateFault: it is too long or does not compile.
        """
        if len(source) > MAX_SOURCE_CHARS:
            raise TemplateFault(f"is {len(source)} characters, at most {MAX_SOURCE_CHARS} are read")
        environment = _Environment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
        )
        self._limit_s = limit_s
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda form: now().strftime(form)
        try:
            self._template = environment.from_string(source)
        except (TemplateError, RecursionError, MemoryError, ValueError, SyntaxError) as e:
            raise TemplateFault(f"does not compile ({e or type(e).__name__})") from e

    def render(self, **variables: Any) -> str:
        """Return the output for ``variables``.

        Raises:
            TemplateFault: it says so itself, breaks a limit, or fails in any other way.
        """
        parts: list[str] = []
        size = 0
        try:
            with _deadline(self._limit_s):
                for part in self._template.generate(**variables):
                    parts.append(part)
                    size += len(part)
                    if size > MAX_OUTPUT_CHARS:
                        raise TemplateFault(f"puts out more than {MAX_OUTPUT_CHARS} characters")
        except TemplateFault:
            raise
        except Exception as e:  # whatever its code runs into is its fault
            raise TemplateFault(f"fails: {e or type(e).__name__}") from e
        return "".join(parts)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if _explodes(operator, left, right):
            raise TemplateFault(f"computes something too large with '{operator}'")
        return super().call_binop(context, operator, left, right)


class _GenerationTag(Extension):
    """``{% generation %}…{% endgeneration %}`` marks what to train on; here it is plain text."""

    tags = {"generation"}  # noqa: RUF012 (declared so by the base class)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _explodes(operator: str, left: Any, right: Any) -> bool:
    match left, right:
        case int(), int():
            factor = abs(right) if operator == "**" else 1
            return left.bit_length() * factor + right.bit_length() > MAX_INT_BITS
        case (int() as times, items) | (items, int() as times) if hasattr(items, "__len__"):
            return len(items) * times > MAX_REPEATED_ITEMS
    return False


@contextmanager
def _deadline(limit_s: float) -> Iterator[None]:
    """Raise ``TemplateFault`` from the Python line that runs when the time is over."""
    end = time.monotonic() + limit_s

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if time.monotonic() > end:
            raise TemplateFault(f"takes longer than {limit_s:g} s")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _raise_exception(message: str) -> None:
    raise TemplateFault(f"refuses: {message}")


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON without HTML escapes, unlike Jinja's own filter."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
