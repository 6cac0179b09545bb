"""How forgetting is shown: what would go, and what the soul says of it before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.wire import Forgotten

SHOWN_CHARS = 100
"""Of a message; it is only to be recognised."""


def plan_lines(texts: Texts, found: Forgotten) -> list[str]:
    """Return what would be forgotten, and what that takes."""
    count, replies = len(found.records) + found.more, found.replies
    lines = [texts("forget.found", name=found.soul, count=count, replies=replies)]
    for record in found.records:
        text = output.for_terminal(" ".join(record.text.split()))
        shown = text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
        lines.append(f"  {output.moment(record.ts)}  {shown}  ({record.id})")
    if found.more:
        lines.append(texts("forget.more", count=found.more))
    if found.generations:
        lines.append(texts("forget.generations", count=found.generations))
    if found.relearned:
        lines.append(texts("forget.relearned", count=found.relearned))
    if found.lost:
        lines.append(texts("forget.lost", count=found.lost))
    return [*lines, *_others(texts, found)]


def done_lines(texts: Texts, done: Forgotten) -> list[str]:
    """Return what was forgotten, and how well the soul knew it, and knows it now."""
    count = len(done.records) + done.more
    lines = [texts("forget.done", name=done.soul, count=count, replies=done.replies)]
    if not done.asked:
        lines.append(texts("forget.not_asked"))
    elif done.before is None or done.never is None:
        lines.append(texts("forget.no_fact"))
    elif done.after is None:
        lines.append(texts("forget.not_measured"))
    else:
        known = (done.before, done.after, done.never)
        says = [texts("forget.of", count=one.recalled, facts=one.facts) for one in known]
        log_p = [f"{one.log_p:.1f}" for one in known]
        names = [texts(f"forget.{when}") for when in ("before", "after", "never")]
        rows = [(texts("forget.says"), *says), (texts("forget.log_p"), *log_p)]
        lines += output.columns(rows, ["", *names])
    if done.relearned:
        lines.append(texts("forget.relearning", count=done.relearned))
    return [*lines, *_others(texts, done)]


def _others(texts: Texts, found: Forgotten) -> list[str]:
    both = (("forget.reborn", found.reborn), ("forget.others", found.others))
    return [texts(key, names=", ".join(names)) for key, names in both if names]
