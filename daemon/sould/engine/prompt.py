"""Choose what of a conversation the body gets to see.

The system message always stays and the last user message too; in between, the oldest turns
leave. A cut goes down to three quarters of what is allowed, so that the next turns fit
without another: each cut moves the beginning of the prompt, and with it the whole prefix
cache is lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soul_client.wire import ChatMessage
from sould.errors import PromptTooLong

# No conversation averages more characters a token; what lies further back is not even tried.
_MOST_CHARS_PER_TOKEN = 32


@dataclass(frozen=True)
class Prompt:
    """A rendered conversation. ``keep_from``: index of the oldest message in it, system aside."""

    ids: list[int]
    keep_from: int


def reply_room(max_tokens: int, context_tokens: int) -> int:
    """Return the tokens of the context that a prompt leaves to its reply."""
    return min(max_tokens, context_tokens // 4)


def fit(
    messages: Sequence[ChatMessage],
    *,
    keep_from: int,
    context_tokens: int,
    room: int,
    render: Callable[[Sequence[ChatMessage]], list[int]],
) -> Prompt:
    """Render ``messages`` from ``keep_from`` on, or from later where that is too long.

    ``messages``: perhaps a system message, then turns, a user message last. ``room`` tokens
    of the context stay free. ``render`` turns messages into ids.

    Raises:
        PromptTooLong: the system message and the last user message alone do not fit.
    """
    is_led = bool(messages) and messages[0].role == "system"
    system, turns = list(messages[:is_led]), messages[is_led:]

    def prompt_from(start: int) -> Prompt:
        return Prompt(render([*system, *turns[start:]]), start)

    allowed = context_tokens - room
    starts = _starts(turns, keep_from)
    near = [s for s in starts if s >= _horizon(turns, allowed)] or starts[-1:]
    if near == starts:
        whole = prompt_from(starts[0])
        if len(whole.ids) <= allowed:
            return whole
    target = allowed * 3 // 4
    at = bisect_left(near, True, key=lambda start: len(prompt_from(start).ids) <= target)
    cut = prompt_from(near[min(at, len(near) - 1)])
    if len(cut.ids) > allowed:
        raise PromptTooLong(
            f"the message makes a prompt of {len(cut.ids)} tokens, "
            f"a context of {context_tokens} leaves {allowed} for it",
            "say it in fewer words, or raise body.context_tokens",
        )
    return cut


def _starts(turns: Sequence[ChatMessage], keep_from: int) -> list[int]:
    """Return where a prompt may begin: with a user message, or with the very first one."""
    starts = sorted({0, *(i for i, m in enumerate(turns) if m.role == "user")})
    return [s for s in starts if s >= keep_from] or starts[-1:]


def _horizon(turns: Sequence[ChatMessage], allowed: int) -> int:
    """Return the oldest message that has any hope to fit, judged by characters alone."""
    chars = 0
    for i in reversed(range(len(turns))):
        chars += len(turns[i].text)
        if chars > allowed * _MOST_CHARS_PER_TOKEN:
            return i + 1
    return 0
