"""What is shown of days, and the bars of the project."""

from __future__ import annotations

from collections.abc import Sequence

from tests.exam.day import Day
from tests.exam.table import Bar, Line, Sheet, change, control, crossed, kept, share


def lines(days: Sequence[Day]) -> list[Line]:
    """Return everything that is shown of some days."""
    row = Sheet(days).row
    return [
        row("recall", lambda day: share(day.exam, "recall"), Bar("≥", 0.4)),
        row("  direct", lambda day: share(day.exam, "direct")),
        row("  indirect", lambda day: share(day.exam, "indirect")),
        row("  no soul", lambda day: control(day.exam, "bare", "recall")),
        row("  facts in the prompt", lambda day: control(day.exam, "facts_in_prompt", "recall")),
        row("  another's soul", lambda day: crossed(days, day.persona)),
        row("never told, invented", lambda day: share(day.exam, "invented")),
        row("  no soul", lambda day: control(day.exam, "bare", "invented")),
        row("perplexity, change in %", lambda day: change(day.text), Bar("≤", 1), "+.2f"),
        row("general knowledge, kept", lambda day: kept(day.general), Bar("≥", 0.95)),
        row("facts told", lambda day: day.told, format=".0f"),
        row("waiting at the restart", lambda day: day.pending, format=".0f"),
        row("lessons", lambda day: day.lessons, format=".0f"),
        row("steps", lambda day: day.steps, format=".0f"),
        row("learning, s", lambda day: day.learning_s, format=".0f"),
        row("level", lambda day: day.level, format=".0f"),
        row("soul file, MB", lambda day: day.soul_bytes / 1e6, Bar("≤", 16), ".1f"),
    ]
