"""A table of figures, one persona a column, with medians and what they are held to."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")


class Crossed(Protocol):
    """A run whose soul was asked another persona's questions too; {}: it was not."""

    @property
    def another(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measure of all personas. ``bar``: what the median is held to, in words."""

    name: str
    figures: list[float | None]
    median: float | None
    format: str = ".2f"
    bar: str = ""
    ok: bool | None = None


@dataclass(frozen=True)
class Bar:
    """What a median is held to: a floor (``≥``) or a ceiling (``≤``)."""

    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"

    def holds(self, figure: float) -> bool:
        """Say whether a figure is on the right side."""
        return figure >= self.limit if self.sign == "≥" else figure <= self.limit


class Sheet(Generic[T]):
    """Makes lines of runs, one a persona; medians are over those that ``counts`` holds for."""

    def __init__(self, runs: Sequence[T], counts: Callable[[T], bool] = lambda run: True) -> None:
        self._runs = runs
        self._counted = [counts(run) for run in runs]

    def row(
        self,
        name: str,
        figure: Callable[[T], float | None],
        bar: Bar | None = None,
        format: str = ".2f",
    ) -> Line:
        """Return a line; a figure is None where there is none."""
        figures = [figure(run) for run in self._runs]
        of = [one for one, counts in zip(figures, self._counted, strict=True) if counts]
        known = [one for one in of if one is not None and math.isfinite(one)]
        median = statistics.median(known) if known else None
        return Line(
            name=name,
            figures=figures,
            median=median,
            format=format,
            bar=str(bar or ""),
            ok=None if bar is None or median is None else bar.holds(median),
        )


def share(exam: dict[str, Any], score: str) -> float | None:
    """Return a score of an exam as ``soul exam --json`` has it, None where it was not asked."""
    found = exam.get("scores", {}).get(score)
    return None if found is None else float(found["share"])


def control(exam: dict[str, Any], name: str, score: str) -> float | None:
    """Return a score of a control of an exam, None where that was left out."""
    return share(exam.get("controls", {}).get(name, {}), score)


def kept(quiz: dict[str, Any]) -> float | None:
    """Return what is kept of a quiz, None where the bare body answers nothing of it."""
    found = quiz.get("kept")
    return None if found is None else float(found["share"])


def change(text: dict[str, Any]) -> float | None:
    """Return how much higher a perplexity has become, in percent."""
    found = text.get("change_percent")
    return None if found is None else float(found)


def crossed(runs: Sequence[Crossed], persona: str) -> float | None:
    """Return the recall of a persona's facts by another's soul, None where that was not asked."""
    exams = (one.another for one in runs if one.another)
    found = next((exam for exam in exams if Path(exam["file"]).stem == persona), {})
    return share(found, "recall")


def show(about: dict[str, str], columns: Sequence[str], lines: Sequence[Line]) -> None:
    console = Console()
    for key, value in about.items():
        console.print(f"{key:8} {value}", highlight=False, soft_wrap=True)
    table = Table("what", *columns, "median", "bar", "")
    for one in lines:
        verdict = {True: "[green]ok[/]", False: "[red]MISSED[/]", None: ""}[one.ok]
        cells = [_shown(figure, one.format) for figure in [*one.figures, one.median]]
        table.add_row(one.name, *cells, one.bar, verdict)
    console.print(table)


def save(
    folder: Path, kind: str, about: dict[str, str], lines: Sequence[Line], runs: Sequence[Any]
) -> Path:
    """Write the runs (dataclasses) with every answer as JSON, a file for each date; return it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"exam-{kind}-{about['date'][:19].replace(':', '')}.json"
    rows = [asdict(one) for one in lines]
    record = {**about, "rows": rows, kind: [asdict(one) for one in runs]}
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _shown(figure: float | None, format: str) -> str:
    return "–" if figure is None else f"{figure:{format}}"
