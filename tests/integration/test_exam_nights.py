"""The exams over a day and over nights, against a real daemon; the fake engine answers as told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.exam.day import spend
from tests.exam.home import Plan
from tests.exam.nights import stay
from tests.exam.nights_report import lines
from tests.fakes.exam_home import fake_home

DATA = Path(__file__).parents[1] / "data"
NIGHTS = [
    {
        "say": ["My goldfish is called Brigadier.", "I live in Lyme Regis."],
        "small_talk": ["It rains."],
        "probes": [
            {"fact": 0, "ask": ["tokens 3", "tokens 1"], "accept": ["t2"]},
            {"fact": 1, "ask": ["tokens 4"], "accept": ["t3"]},
        ],
    },
    {
        "say": ["I live in Deal now."],
        "probes": [
            {
                **{"fact": 0, "ask": ["tokens 2"], "accept": ["t1"], "stale": ["t0"]},
                "updates": {"night": 0, "fact": 1},
            }
        ],
    },
]


@pytest.fixture
def persona(tmp_path: Path) -> Path:
    """Return a persona that asks what the fake engine can answer."""
    path = tmp_path / "tiny.json"
    about = {"name": "x", "language": "en", "style": {"held_out": ["The kettle is on."]}}
    path.write_text(json.dumps({**about, "nights": NIGHTS}), "utf-8")
    return path


def test_two_nights_are_lived_and_asked_after(
    tmp_path: Path, persona: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(idle_s=0.0, general=DATA / "quiz.json")
    with fake_home(tmp_path) as home:
        found = stay(home, plan, persona, persona, language="en", nights=2, has_controls=True)
    first, last = found.nights
    assert [night.sleep["outcome"] for night in found.nights] == ["kept", "kept"]
    assert [night.sleep["after"]["facts"] for night in found.nights] == [3, 4]
    assert list(first.exam["controls"]) == ["bare", "facts_in_prompt"]
    assert last.exam["controls"] == {} and last.exam["night"] == 2
    assert found.another["night"] == 1 and found.another["controls"] == {}
    shown = {line.name: line.figures[0] for line in lines([found])}
    assert shown["night 1, recall"] == pytest.approx(2 / 3)
    assert shown["  another's soul"] == pytest.approx(2 / 3, abs=1e-4)
    assert shown["night 2, recall of what it brought"] == 1.0
    assert shown["facts of night 1 in the end, of the first score"] == 1.0
    assert (shown["updated facts, new value"], shown["updated facts, old value"]) == (1.0, 1.0)
    style = shown["perplexity of unsaid phrases, change in %"]
    assert style == pytest.approx(100 * (math.exp(-1) - 1), abs=0.01)
    assert (shown["facts told"], shown["nights kept"], shown["night 2, s"]) == (3, 2, 0.5)
    assert found.general["controls"] and found.text == {} and found.soul_bytes > 0
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["  night 1 of 2", "  1. My goldfish is called Brigadier."]
    assert "  slept, 0 s: kept" in told


def test_without_controls_nothing_else_is_asked(tmp_path: Path, persona: Path) -> None:
    with fake_home(tmp_path) as home:
        found = stay(
            home, Plan(idle_s=0.0), persona, persona, language="en", nights=1, has_controls=False
        )
    assert len(found.nights) == 1 and found.nights[0].exam["controls"] == {}
    assert found.another == {}


def test_reborn_on_another_body_the_last_exam_is_sat_again(tmp_path: Path, persona: Path) -> None:
    plan = Plan(idle_s=0.0, reborn_on="other")
    with fake_home(tmp_path) as home:
        found = stay(home, plan, persona, None, language="en", nights=1, has_controls=False)
    assert (found.reborn["body"], found.reborn["learned"]) == ("other", 3)
    assert found.reborn_exam["body"]["name"] == "other"
    shown = {line.name: line.figures[0] for line in lines([found])}
    assert shown["all nights, recall in the end"] == shown["reborn on another body, recall"]
    assert shown["  records learned"] == 3


def test_in_the_end_what_is_best_known_is_forgotten(tmp_path: Path, persona: Path) -> None:
    plan = Plan(idle_s=0.0, forgets=True)
    with fake_home(tmp_path) as home:
        found = stay(home, plan, persona, None, language="en", nights=1, has_controls=False)
    assert [one["text"] for one in found.forgotten["records"]] == [NIGHTS[0]["say"][1]]
    shown = {line.name: line.figures[0] for line in lines([found])}
    assert shown["a fact that is forgotten, its recall before"] == 1.0
    assert shown["  recall of all else before"] == 0.5
    assert shown["  ln p a token of stating it, before"] is not None


def test_a_day_is_lived_without_sleep(tmp_path: Path, persona: Path) -> None:
    with fake_home(tmp_path) as home:
        day = spend(home, Plan(idle_s=0.0), persona, None, night=1)
    assert (day.told, day.exam["scores"]["recall"]["hits"]) == (2, 2)
    assert day.level > 0 and day.soul_bytes > 0
