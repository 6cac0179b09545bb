"""What the exams over a day and over nights show: figures, medians, bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_client import exam
from soul_client.exam import Persona, Question
from tests.exam import day_report, nights_report
from tests.exam.day import Day
from tests.exam.nights import Night, Stay
from tests.exam.table import Bar, Line, save, show

DATA = Path(__file__).parents[1] / "data"
WRONG = "Bananas."


def sat(questions: list[Question], known: set[str], **more: Any) -> dict[str, Any]:
    """Return an exam as the command has it; ``known``: what is said of anything that fits."""
    answers = [
        exam.mark(one, exam.holds(" ".join(known), [*one.accept, *one.stale]) or WRONG)
        for one in questions
    ]
    scores = {
        name: {"hits": one.hits, "asked": one.asked, "share": one.share}
        for name, one in exam.score(answers).items()
    }
    return {
        **{"scores": scores, "answers": msgspec.to_builtins(answers), "controls": {}},
        **{"soul": {"level": 7}, "style": None, **more},
    }


def lived(*nights: set[str], persona: str = "p", language: str = "en", **more: Any) -> Stay:
    """Return a stay in which after each night so much was known of the tiny persona."""
    loaded = exam.load(DATA / "persona-en.json")
    assert isinstance(loaded, Persona)
    return Stay(
        persona=persona,
        language=language,
        nights=[
            Night(
                told=["a", "b", "c"],
                sleep={"outcome": "kept", "seconds": 100.0 * n},
                pending=0,
                exam=sat(exam.questions_of(loaded, n), known),
            )
            for n, known in enumerate(nights, start=1)
        ],
        **more,
    )


def shown(*stays: Stay) -> dict[str, Line]:
    return {line.name.strip(): line for line in nights_report.lines(stays)}


ALL = {"tamsin", "brigadier", "lighthouse"}


def test_recall_is_of_the_night_just_slept() -> None:
    found = shown(lived({"tamsin", "brigadier"}, {"piano"}))
    first, second = found["night 1, recall"], found["night 2, recall of what it brought"]
    assert first.median == pytest.approx(4 / 6) and first.ok is False
    assert second.median == 0.5 and second.ok is None
    assert found["night 2, s"].figures == [200.0]


def test_what_is_left_of_night_1_is_of_facts_that_hold_to_the_end() -> None:
    name = "facts of night 1 in the end, of the first score"
    assert shown(lived(ALL, {"tamsin", "brigadier"}))[name].median == 1.0
    half = shown(lived(ALL, {"tamsin"}))[name]
    assert (half.median, half.ok) == (0.5, False)
    assert shown(lived({"tamsin"}, {"tamsin", "brigadier"}))[name].median == 2.0
    for nothing in (lived({"lighthouse"}, ALL), lived(ALL)):
        assert shown(nothing)[name].median is None


def test_updated_facts_count_by_new_value_and_old() -> None:
    found = shown(lived(ALL, {"piano"}))
    new, old = found["updated facts, new value"], found["updated facts, old value"]
    assert (new.median, new.ok, old.median, old.ok) == (1.0, True, 0.0, True)
    found = shown(lived(ALL, {"lighthouse"}))
    new, old = found["updated facts, new value"], found["updated facts, old value"]
    assert (new.median, new.ok, old.median, old.ok) == (0.0, False, 1.0, False)


def test_medians_are_over_the_english_personas() -> None:
    stays = [lived(ALL), lived(ALL), lived(set(), persona="ja", language="ja")]
    line = shown(*stays)["night 1, recall"]
    assert (line.figures, line.median, line.ok) == ([1.0, 1.0, 0.0], 1.0, True)
    alone = shown(stays[2])["night 1, recall"]
    assert (alone.figures, alone.median, alone.ok) == ([0.0], None, None)


def test_a_night_that_one_persona_has_and_another_has_not() -> None:
    found = shown(lived(ALL, ALL), lived(ALL))
    assert found["night 2, s"].figures == [200.0, None]
    assert found["nights kept"].figures == [2, 1]


def test_what_the_end_is_asked() -> None:
    stay = lived(
        ALL,
        text={"change_percent": 1.5},
        general={"kept": {"hits": 9, "asked": 10, "share": 0.9}},
    )
    stay.nights[-1].exam["style"] = {"change_percent": -12.0}
    found = shown(stay)
    names = ("perplexity, change in %", "general knowledge, kept")
    assert [(found[name].median, found[name].ok) for name in names] == [(1.5, False), (0.9, False)]
    style = found["perplexity of unsaid phrases, change in %"]
    assert (style.median, style.ok, style.bar) == (-12.0, True, "≤ -10")


@pytest.mark.parametrize("is_whole", [True, False])
def test_anothers_soul_is_found_by_the_file_it_was_asked(is_whole: bool) -> None:
    asked = {"file": "/x/b.json", "scores": {"recall": {"share": 0.25}}}
    a, b = lived(ALL, persona="a", another=asked), lived(ALL, persona="b")
    line = shown(*([a, b] if is_whole else [a]))["another's soul"]
    assert line.figures == ([None, 0.25] if is_whole else [None])
    days = [Day(persona="a", another=asked), Day(persona="b")]
    assert day_report.lines(days)[5].figures == [None, 0.25]


def test_bars() -> None:
    assert Bar("≥", 0.4).holds(0.4) and not Bar("≥", 0.4).holds(0.39)
    assert Bar("≤", 1).holds(1) and not Bar("≤", 1).holds(1.01)


def test_a_table_is_shown_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = {"date": "2026-01-02T03:04:05+00:00", "machine": "m"}
    stays = [lived(ALL, persona="tiny-en")]
    found = nights_report.lines(stays)
    path = save(tmp_path / "new", "nights", about, found, stays)
    assert path.name == "exam-nights-2026-01-02T030405.json"
    record = json.loads(path.read_text("utf-8"))
    assert record["rows"][0]["median"] == 1.0 and record["machine"] == "m"
    assert record["nights"][0]["nights"][0]["exam"]["answers"][0]["verdict"] == "hit"
    show(about, ["tiny-en"], found)
    out = capsys.readouterr().out
    assert "tiny-en" in out and "≥ 0.85" in out and "ok" in out
