"""A table of days, one persona a column, with medians and the bars of the project."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.exam.day import Day

Figure = Callable[[int], float | None]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measure of all days. ``bar``: what the median is held to, in words."""

    name: str
    figures: list[float | None]
    format: str = ".2f"
    bar: str = ""
    ok: bool | None = None

    @property
    def median(self) -> float | None:
        return _median(self.figures)


def lines(days: Sequence[Day]) -> list[Line]:
    """Return everything that is shown of some days."""

    def every(figure: Callable[[Day], float | None]) -> list[float | None]:
        return [figure(day) for day in days]

    recall = every(lambda day: _share(day.exam, "recall"))
    change = every(lambda day: day.text.get("change_percent"))
    kept = every(lambda day: (day.general.get("kept") or {}).get("share"))
    size = every(lambda day: day.soul_bytes / 1e6)
    return [
        _judged("recall", recall, "≥ 0.4", lambda x: x >= 0.4),
        Line(name="  direct", figures=every(lambda day: _share(day.exam, "direct"))),
        Line(name="  indirect", figures=every(lambda day: _share(day.exam, "indirect"))),
        Line(name="  no soul", figures=every(lambda day: _control(day, "bare", "recall"))),
        Line(
            name="  facts in the prompt",
            figures=every(lambda day: _control(day, "facts_in_prompt", "recall")),
        ),
        Line(name="  another's soul", figures=_crossed(days)),
        Line(name="never told, invented", figures=every(lambda d: _share(d.exam, "invented"))),
        Line(name="  no soul", figures=every(lambda day: _control(day, "bare", "invented"))),
        _judged("perplexity, change in %", change, "≤ +1", lambda x: x <= 1, "+.2f"),
        _judged("general knowledge, kept", kept, "≥ 0.95", lambda x: x >= 0.95),
        Line(name="facts told", figures=every(lambda day: day.told), format=".0f"),
        Line(name="waiting at the restart", figures=every(lambda d: d.pending), format=".0f"),
        Line(name="lessons", figures=every(lambda day: day.lessons), format=".0f"),
        Line(name="steps", figures=every(lambda day: day.steps), format=".0f"),
        Line(name="learning, s", figures=every(lambda day: day.learning_s), format=".0f"),
        Line(name="level", figures=every(lambda day: day.level), format=".0f"),
        _judged("soul file, MB", size, "≤ 16", lambda x: x <= 16, ".1f"),
    ]


def show(about: dict[str, str], days: Sequence[Day], found: Sequence[Line]) -> None:
    console = Console()
    for key, value in about.items():
        console.print(f"{key:8} {value}", highlight=False, soft_wrap=True)
    table = Table("what", *(day.persona for day in days), "median", "bar", "")
    for line in found:
        verdict = {True: "[green]ok[/]", False: "[red]MISSED[/]", None: ""}[line.ok]
        cells = [_shown(figure, line.format) for figure in [*line.figures, line.median]]
        table.add_row(line.name, *cells, line.bar, verdict)
    console.print(table)


def save(folder: Path, about: dict[str, str], days: Sequence[Day], found: Sequence[Line]) -> Path:
    """Write the days with every answer as JSON, a new file for each run; return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"exam-day-{about['date'][:19].replace(':', '')}.json"
    rows = [{**asdict(line), "median": line.median} for line in found]
    record = {**about, "rows": rows, "days": [asdict(day) for day in days]}
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _judged(
    name: str,
    figures: list[float | None],
    bar: str,
    holds: Callable[[float], bool],
    format: str = ".2f",
) -> Line:
    median = _median(figures)
    ok = None if median is None else holds(median)
    return Line(name=name, figures=figures, bar=bar, ok=ok, format=format)


def _crossed(days: Sequence[Day]) -> list[float | None]:
    """Return of each persona what the soul of the one before answers to its questions."""
    return [_share(days[n - 1].another, "recall") for n in range(len(days))]


def _control(day: Day, control: str, score: str) -> float | None:
    return _share(day.exam.get("controls", {}).get(control, {}), score)


def _share(exam: dict[str, Any], score: str) -> float | None:
    found = exam.get("scores", {}).get(score)
    return None if found is None else float(found["share"])


def _median(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None and math.isfinite(figure)]
    return statistics.median(known) if known else None


def _shown(figure: float | None, format: str) -> str:
    return "–" if figure is None else f"{figure:{format}}"
