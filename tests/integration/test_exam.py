"""``soul exam`` and ``soul rehearse`` against a real daemon; the fake engine answers as told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon_process import DaemonProcess, diary_of, running
from tests.fakes.kernel_cache import lend_kernels
from tests.fakes.soul_process import Soul
from tests.fakes.tiny_body import write_tiny_body

DATA = Path(__file__).parents[1] / "data"
PERSONA = DATA / "persona-en.json"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("x"), "chat: {system_prompt: Be brief.}") as (process, _):
        yield process


@pytest.fixture
def soul(daemon: DaemonProcess) -> Soul:
    return Soul(daemon.config)


def persona_with(folder: Path, *probes: dict[str, Any], say: list[str] | None = None) -> Path:
    """Write a persona of one night; its questions are orders to the fake engine."""
    facts = say or [f"fact {n}" for n in range(len(probes))]
    nights = [{"say": facts, "probes": [{"fact": n, **p} for n, p in enumerate(probes)]}]
    path = folder / "persona.json"
    path.write_text(json.dumps({"name": "x", "language": "en", "nights": nights}), "utf-8")
    return path


def test_every_answer_is_shown_and_scored(soul: Soul, tmp_path: Path) -> None:
    path = persona_with(
        tmp_path,
        {"ask": ["tokens 3", "unicode"], "accept": ["T2", "nothing"]},
        {"ask": ["tokens 1", "tokens 2"], "accept": ["t1"]},
    )
    done = soul("exam", str(path), "--no-controls")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[2:6] == [
        "hit 1.1 direct tokens 3 t0 t1 t2",
        "miss 1.1 indirect unicode 縁側の 🐈‍⬛ naïve 👩🏽‍🚀 café",
        "miss 1.2 direct tokens 1 t0",
        "hit 1.2 indirect tokens 2 t0 t1",
    ]
    assert lines[7:] == ["recall 2 / 4 0.50", "direct 1 / 2 0.50", "indirect 1 / 2 0.50"]


def test_every_question_is_alone_greedy_and_off_the_record(
    soul: Soul, daemon: DaemonProcess, tmp_path: Path
) -> None:
    before = diary_of(daemon)
    path = persona_with(tmp_path, {"ask": ["messages", "sampling"], "accept": ["q"]})
    told = soul.json("exam", str(path), "--max-tokens", "9", "--no-controls")["answers"]
    messages, sampling = (json.loads(one["text"]) for one in told)
    assert messages["messages"] == [["system", "Be brief."], ["user", "messages"]]
    chosen = ("temperature", "repetition_penalty", "max_tokens")
    assert [sampling[name] for name in chosen] == [0.0, 1.0, 9]
    assert diary_of(daemon) == before


def test_an_answer_in_the_prompt_is_not_scored(soul: Soul, tmp_path: Path) -> None:
    path = persona_with(tmp_path, {"ask": ["tokens 3"], "accept": ["bRIEf"]})
    done = soul("exam", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "not scored: the prompt of 'tokens 3' has the answer 'bRIEf' in it" in done.stderr
    assert "chat.system_prompt" in done.stderr


def test_the_control_has_all_facts_in_the_prompt_and_says_so(soul: Soul, tmp_path: Path) -> None:
    probe = {"ask": ["messages"], "accept": ["gherkin"]}
    path = persona_with(tmp_path, probe, say=["My tortoise is called Gherkin."])
    result = soul.json("exam", str(path))
    assert result["scores"]["recall"] == {"hits": 0, "asked": 1, "share": 0.0}
    assert result["controls"]["bare"]["scores"] == result["scores"]
    control = result["controls"]["facts_in_prompt"]
    assert control["scores"]["recall"]["share"] == 1.0
    prompt = json.loads(control["answers"][0]["text"])["messages"]
    assert prompt[0] == ["system", "The user told you:\n- My tortoise is called Gherkin."]
    shown = soul("exam", str(path)).stdout
    assert "control: without the soul\n" in shown
    assert "the answers are in it on purpose, so it is not checked" in shown


def test_never_told_and_updated_facts(soul: Soul) -> None:
    result = soul.json("exam", str(PERSONA))
    assert result["night"] == 2 and result["body"]["fingerprint"]
    asked = {name: one["asked"] for name, one in result["scores"].items()}
    assert asked == {
        **{"recall": 8, "direct": 4, "indirect": 4, "updated": 2, "stale": 2},
        **{"invented": 2, "admitted": 2},
    }
    assert soul.json("exam", str(PERSONA), "--night", "1")["scores"]["recall"]["asked"] == 6


def test_a_general_quiz(soul: Soul) -> None:
    result = soul.json("exam", str(DATA / "quiz.json"))
    assert result["scores"] == {"quiz": {"hits": 0, "asked": 2, "share": 0.0}}
    assert (result["night"], result["kept"]) == (0, None)
    assert result["controls"]["bare"]["scores"] == result["scores"]
    assert "一般知識" in soul("exam", str(DATA / "quiz.json"), "--lang", "ja").stdout


@pytest.mark.parametrize(
    ("args", "message", "code"),
    [
        (["exam", str(PERSONA), "--night", "3"], "there is no night 3: the persona has 2", 2),
        (["exam", str(DATA / "quiz.json"), "--night", "1"], "only a persona has nights", 2),
        (["rehearse", str(DATA / "quiz.json"), "--night", "1"], "nothing in it to say", 2),
        (["rehearse", str(PERSONA)], "--night", 2),
        (["exam", str(DATA / "labelled_secrets.py")], "is no persona and no quiz", 1),
        (["exam", str(DATA / "missing.json")], "No such file", 1),
    ],
)
def test_what_cannot_be_done_is_said(soul: Soul, args: list[str], message: str, code: int) -> None:
    done = soul(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_a_rehearsal_is_real_turns_of_one_session(soul: Soul, daemon: DaemonProcess) -> None:
    before = len(diary_of(daemon))
    done = soul("rehearse", str(DATA / "persona-ja.json"), "--night", "1", "--idle", "0")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "[1/3] こんにちは、紬といいます。"
    records = diary_of(daemon)[before:]
    assert [r["text"] for r in records if r["role"] == "user"] == [
        "こんにちは、紬といいます。",
        "今日は風が強いですね。",
        "うちの亀の名前は「ごましお」です。",
    ]
    assert len({r["session"] for r in records}) == 1
    assert all(r["learn"] for r in records)


def test_a_rehearsal_waits_and_can_go_on_in_a_session(soul: Soul) -> None:
    begun = time.monotonic()
    args = ["--night", "2", "--idle", "0.4", "--session", "stage", "--json"]
    lines = soul("rehearse", str(PERSONA), *args).stdout.splitlines()
    assert time.monotonic() - begun > 3 * 0.4
    said = [json.loads(line) for line in lines]
    assert [(one["n"], one["kind"]) for one in said] == [
        *((1, "fact"), (2, "small_talk"), (3, "fact"))
    ]
    assert {one["done"]["session"] for one in said} == {"stage"}
    assert all(one["done"]["recorded"] for one in said)


def test_nothing_is_rehearsed_where_memory_is_off(tmp_path: Path) -> None:
    with running(tmp_path, "memory: off") as (daemon, _):
        done = Soul(daemon.config)("rehearse", str(PERSONA), "--night", "1")
        assert done.returncode == 2 and "memory is off" in done.stderr
        assert diary_of(daemon) == []


def test_with_a_real_engine_the_prompt_is_checked(tmp_path: Path, kernels: Path) -> None:
    lend_kernels(kernels, tmp_path / "workspace" / "cache")
    write_tiny_body(tmp_path / "models" / "tiny")
    config = tmp_path / "config.yaml"
    text = "bit_ttt: 1\nruntime_dir: {0}/run\nbody: {{name: tiny, device: cpu, threads: 1}}\n"
    config.write_text(text.format(tmp_path), "utf-8")
    soul = Soul(config)
    try:
        result = soul.json("exam", str(PERSONA), "--max-tokens", "4")
        assert result["scores"]["recall"]["asked"] == 8
        assert result["body"]["name"] == "tiny"
        leaky = persona_with(tmp_path, {"ask": ["Who?"], "accept": ["im_start"]})
        assert "has the answer 'im_start' in it" in soul("exam", str(leaky)).stderr
    finally:
        soul("down")
