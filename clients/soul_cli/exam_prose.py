"""An exam of a text: its perplexity with the soul and without, and what that shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from soul_cli import output
from soul_cli.settings import Settings
from soul_cli.waiting import watched
from soul_client import exam as paper
from soul_client.exam import Reading

if TYPE_CHECKING:
    from soul_client.client import Client


@dataclass(frozen=True, kw_only=True)
class Passage:
    """How likely each paragraph is, with the soul and, if it was measured, to the bare body."""

    readings: list[Reading]
    bare: list[Reading] | None

    @property
    def tokens(self) -> int:
        """How many tokens were predicted."""
        return sum(one.tokens for one in self.readings)

    @property
    def change_percent(self) -> float | None:
        """How much higher the perplexity is with the soul."""
        if self.bare is None:
            return None
        return paper.change_percent(paper.perplexity(self.bare), paper.perplexity(self.readings))

    def report(self) -> dict[str, Any]:
        """Return the measures and every paragraph's as builtins."""
        change = self.change_percent
        return {
            **_report(self.readings),
            "controls": {} if self.bare is None else {"bare": _report(self.bare)},
            "change_percent": None if change is None else round(change, 4),
        }

    def show(self, settings: Settings, about: dict[str, Any]) -> None:
        """Print both perplexities and the change."""
        print(settings.texts("exam.prose", file=about["file"], tokens=f"{self.tokens:,}"))
        print()
        self.show_table(settings, about)

    def show_table(self, settings: Settings, about: dict[str, Any]) -> None:
        """Print both perplexities and the change, without a heading."""
        texts = settings.texts
        name = about["soul"]["name"] if about["soul"] else ""
        with_soul = texts("exam.with_soul", name=name).rstrip()
        rows = [(with_soul, f"{paper.perplexity(self.readings):.3f}")]
        if self.bare is not None:
            rows.append((texts("exam.bare"), f"{paper.perplexity(self.bare):.3f}"))
            rows.append((texts("exam.change"), f"{self.change_percent:+.2f} %"))
        output.table(rows, ["", texts("exam.perplexity")])


def read(
    settings: Settings, client: Client, paragraphs: Sequence[str], *, has_controls: bool
) -> Passage:
    """Have a text read with the soul, then without."""
    texts, count = settings.texts, len(paragraphs)
    every = paper.read_all(client, paragraphs)
    readings = watched(texts, "stage.scoring", every, count)
    if not has_controls:
        return Passage(readings=readings, bare=None)
    every = paper.read_all(client, paragraphs, bare=True)
    return Passage(readings=readings, bare=watched(texts, "stage.scoring_bare", every, count))


def _report(readings: list[Reading]) -> dict[str, Any]:
    return {
        "perplexity": round(paper.perplexity(readings), 4),
        "tokens": sum(one.tokens for one in readings),
        "paragraphs": msgspec.to_builtins(readings),
    }
