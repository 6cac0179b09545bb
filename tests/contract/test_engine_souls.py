"""A real engine process and its soul: worn, taught, killed, worn again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from soul_client import codec
from soul_client.wire import (
    Empty,
    ErrorCode,
    Kind,
    Sampling,
    SoulDiff,
    SoulDifference,
    TextScore,
    TextScored,
)
from sould.bridge import (
    Examine,
    Examined,
    Imprint,
    Imprinted,
    Memory,
    Probe,
    Save,
    Sleep,
    Slept,
    Told,
    Trace,
    Traced,
    Wake,
    Wear,
)
from sould.engine.generate import PROBE
from sould.engine.soul.replies import LONGEST
from sould.engine.soul.weights import VOICE, WIDE
from sould.soulfile.history import heard_of
from sould.soulfile.home import SoulHome
from sould.soulfile.layout import is_fast
from sould.soulfile.record import read
from tests.fakes.engine_client import EngineClient, talk
from tests.fakes.tiny_body import write_tiny_body

FACT = Told(id="20260102T030405-9a0bcafeu", text="I live in Bath, near the station.")
OTHER = Told(id="20260102T030405-aaaacafeu", text="My cat is called Biscuit.")
JAPANESE = Told(id="20260102T030405-bbbbcafeu", text="大阪に住んでいます。")
STATEMENTS = [
    Told(
        id="19700101T030405-9a0bcafeu",
        text="The tower stands on a cliff near Vell.",
        source="guide.md",
        heading="Guide",
    ),
    Told(id="19700101T030405-9a0bcaffu", text="塔は古い建物です。", source="guide.md"),
]
SMALL_TALK = Told(id="20260102T030406-9a0bcafeu", text="What is rain?")
TEXT = TextScore(texts=["You live in Bath."])
QUICK = 1e-2
"""A rate of learning at which one lesson is plainly felt by a tiny body."""


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_body(tmp_path_factory.mktemp("bodies") / "tiny")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one engine found out about the body, the next ones need not."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory, body: Path, cache: Path
) -> Iterator[EngineClient]:
    """An engine that the tests share: each wears a soul of its own."""
    with EngineClient(tmp_path_factory.mktemp("engine")) as client:
        client.load(body, cache_dir=str(cache))
        yield client


@pytest.fixture
def own_engine(tmp_path: Path, body: Path, cache: Path) -> Iterator[EngineClient]:
    with EngineClient(tmp_path) as client:
        client.load(body, cache_dir=str(cache))
        yield client


@pytest.fixture
def home(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def nats(engine: EngineClient, *, bare: bool = False) -> float:
    scored = engine.ask("text.score", replace(TEXT, bare=bare))
    assert isinstance(scored, TextScored)
    assert scored.tokens == [len(TEXT.texts[0]) - 1]
    return scored.nats[0]


def imprint(engine: EngineClient, record: Told, *recent: Told) -> Imprinted:
    done = engine.ask("imprint", Imprint(record=record, recent=list(recent)))
    assert isinstance(done, Imprinted)
    return done


def test_what_was_learned_is_the_same_after_a_kill(
    tmp_path: Path, own_engine: EngineClient, body: Path, cache: Path, home: SoulHome
) -> None:
    worn = own_engine.wear(home, inner_lr=QUICK)
    assert (worn.generation, worn.level, worn.taught, worn.is_unsaved) == (1, 0, [], False)
    before = nats(own_engine)
    assert before == nats(own_engine, bare=True), "an empty soul changes nothing"
    done = imprint(own_engine, FACT)
    assert (done.tokens, done.is_durable, done.fault) == (len(FACT.text), True, "")
    assert done.steps > 0
    after = nats(own_engine)
    known = own_engine.ask("soul.examine", Examine(records=[FACT]))
    assert isinstance(known, Examined)
    assert known.worn[0].log_p > known.bare[0].log_p + 0.3 and after != before
    assert nats(own_engine, bare=True) == before
    own_engine.process.kill()
    own_engine.process.wait()
    (tmp_path / "second").mkdir()
    with EngineClient(tmp_path / "second") as second:
        second.load(body, cache_dir=str(cache))
        again = second.wear(home)
        assert (again.taught, again.level, again.is_unsaved) == ([FACT.id], done.level, True)
        assert nats(second) == after
        saved = second.ask("soul.save", Save(why="timer"))
        assert (saved.generation, saved.is_unsaved) == (2, False)
        assert second.wear(home).is_unsaved is False
        assert nats(second) == after


def test_what_tells_nothing_and_what_was_learned_before_is_answered_at_once(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    assert imprint(engine, SMALL_TALK).tokens == 0
    assert imprint(engine, FACT).tokens == len(FACT.text)
    again = imprint(engine, FACT)
    assert (again.tokens, again.level, again.steps) == (0, len(FACT.text), 0)


def test_a_lesson_gives_way_and_can_be_stopped(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home, inner_lr=QUICK)
    imprint(engine, OTHER)
    known = nats(engine)
    lesson = engine.send("imprint", Imprint(record=FACT, recent=[OTHER]))
    while nats(engine) == known:  # until a step of it is felt; asked at once it would take none
        time.sleep(0.1)
    for _ in range(3):
        question = engine.send("memory", Empty())
        header, _ = engine.receive()
        assert header.id == question, "answered in the middle of the lesson"
    engine.cancel(lesson)
    (answer,) = engine.wait(lesson)
    assert answer.error is not None
    assert answer.error.code is ErrorCode.CANCELLED
    assert nats(engine) == known, "what was stopped is as if it had not begun"
    assert engine.ask("soul.save", Save(why="exit")).generation == 2
    newest, _ = home.newest()
    assert newest is not None and read(newest.path).meta.taught == {OTHER.id}


def test_a_night_writes_the_slow_weights_and_clears_the_fast_ones(
    tmp_path: Path, own_engine: EngineClient, body: Path, cache: Path, home: SoulHome
) -> None:
    own_engine.wear(home)
    imprint(own_engine, FACT)
    level = len(FACT.text) + len(OTHER.text)
    told = [FACT, OTHER, SMALL_TALK]
    slept = own_engine.ask("soul.sleep", Sleep(records=told))
    assert isinstance(slept, Slept)
    report = slept.report
    assert (report.outcome, report.why, report.level) == ("kept", "", level), report
    assert report.before is not None and report.after is not None
    assert (report.after.facts, report.before.facts) == (2, 2) and report.steps > 0
    assert sorted(slept.worn.taught) == sorted(one.id for one in told) and not slept.worn.is_unsaved
    morning, bare = nats(own_engine), nats(own_engine, bare=True)
    assert morning != bare
    newest, _ = home.newest()
    assert newest is not None
    record = read(newest.path)
    assert record.meta.config["why"] == "sleep"
    assert record.tensors and not any(map(is_fast, record.tensors))
    wide_R, slots_R, voice_R = np.split(record.tensors["scope.slow"], [WIDE, -VOICE])
    assert (wide_R == wide_R[0]).all() and (voice_R == voice_R[0]).all()
    assert slots_R.any(1).sum() == 4  # of two facts, two ranks each
    assert wide_R[0].any() and voice_R[0].any() and (wide_R[0] != voice_R[0]).any()
    *_, b_OR = (b for name, b in record.tensors.items() if name.endswith("down.slow.B"))
    learned_R = b_OR.any(0)
    assert (
        learned_R[:WIDE].all() and learned_R[-VOICE:].all() and learned_R.sum() == WIDE + VOICE + 4
    )
    assert [fact.id for fact in report.facts] == [FACT.id, OTHER.id]
    for fact in report.facts:
        said = own_engine.generate(talk(fact.question, sampling=replace(PROBE, max_tokens=LONGEST)))
        assert said.text.strip() == fact.said_after and fact.said_after
    again = own_engine.ask("soul.sleep", Sleep(records=told, nights={FACT.id: 1, OTHER.id: 1}))
    assert isinstance(again, Slept) and again.report.outcome == "nothing"
    own_engine.process.kill()
    own_engine.process.wait()
    (tmp_path / "second").mkdir()
    with EngineClient(tmp_path / "second") as second:
        second.load(body, cache_dir=str(cache))
        assert second.wear(home).level == level
        assert nats(second) == morning


@pytest.mark.gpu
@pytest.mark.timeout(300)
def test_on_a_gpu_lessons_and_nights_are_kept_and_worn_again_on_a_cpu(
    own_engine: EngineClient, body: Path, cache: Path, home: SoulHome
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    own_engine.load(body, cache_dir=str(cache), device="cuda", dtype="float32")
    own_engine.wear(home, inner_lr=QUICK)
    before = nats(own_engine)
    assert imprint(own_engine, FACT).is_durable
    assert nats(own_engine) != before
    (answer,) = own_engine.wait(
        own_engine.send("soul.sleep", Sleep(records=[FACT, OTHER])), timeout_s=240
    )
    assert answer.error is None, answer.error
    assert codec.convert(answer.result, Slept).report.outcome == "kept"
    morning = nats(own_engine)
    own_engine.load(body, cache_dir=str(cache), device="cpu")
    own_engine.wear(home)
    assert nats(own_engine) == pytest.approx(morning, abs=1e-2)


def test_a_night_goes_over_every_language(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home)
    slept = engine.ask("soul.sleep", Sleep(records=[FACT, JAPANESE]))
    assert isinstance(slept, Slept) and slept.report.after is not None
    assert slept.report.after.facts == 2


def test_what_others_would_have_asked_is_dreamt_of_too(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    lent = Probe(id=FACT.id, question="Which place comes to mind?", answer="The station, Bath.")
    before = engine.ask("soul.examine", Examine(probes=[lent]))
    slept = engine.ask("soul.sleep", Sleep(records=[FACT], dreams=[lent]))
    assert isinstance(slept, Slept) and slept.report.outcome == "kept"
    after = engine.ask("soul.examine", Examine(probes=[lent]))
    assert after.worn[0].log_p > before.worn[0].log_p + 0.05


def test_a_body_may_write_dreams_of_its_own(engine: EngineClient, home: SoulHome) -> None:
    for dreams, is_written in (("body", True), ("auto", False)):
        engine.wear(home, dreams=dreams)
        order = Sleep(records=[FACT, *STATEMENTS, JAPANESE], is_due=True, resting=[JAPANESE.id])
        (answer,) = engine.wait(engine.send("soul.sleep", order))
        assert answer.error is None, answer.error
        written = [one for one in answer.progress if one.stage == "writing"]
        assert [one.note for one in written] == [FACT.text] * is_written  # none of documents


def test_a_document_is_dreamt_of_beside_the_user_and_examined_apart(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    order = Sleep(records=[FACT, *STATEMENTS], is_all=True)
    before = engine.ask("soul.examine", Examine(records=STATEMENTS))
    assert [probe.answer for probe in before.probes] == [one.text for one in STATEMENTS[::-1]]
    slept = engine.ask("soul.sleep", order)
    assert isinstance(slept, Slept) and slept.report.after is not None
    marks = slept.report.after
    assert (slept.report.outcome, marks.facts, marks.statements) == ("kept", 1, 2)
    assert marks.untold > 0  # what documents say leaves open what the user never told
    assert [fact.id for fact in slept.report.facts] == [one.id for one in order.records]
    assert slept.report.level == sum(len(one.text.encode()) for one in order.records)
    after = engine.ask("soul.examine", Examine(probes=before.probes))
    for old, new in zip(before.worn, after.worn, strict=True):
        assert new.log_p > old.log_p + 0.05
    traced = engine.ask("soul.why", Trace(question="Where?", answer="Vell.", told=STATEMENTS))
    assert [one.text for one in traced.told] == [one.text for one in STATEMENTS]


def test_a_night_that_runs_away_is_rolled_back_with_its_reason(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home, inner_lr=50.0)
    evening = nats(engine)
    slept = engine.ask("soul.sleep", Sleep(records=[FACT, OTHER, SMALL_TALK]))
    report = slept.report
    assert report.outcome == "rolled_back"
    assert "learning had to stop, in step 1 of" in report.why and "is over the cap" in report.why
    assert nats(engine) == evening and slept.worn.taught == []


def test_of_a_night_that_is_woken_what_is_not_known_yet_still_waits(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    night = engine.send("soul.sleep", Sleep(records=[FACT, OTHER, SMALL_TALK]))
    while engine.receive()[1]["stage"] != "dreaming":
        pass
    woken = engine.send("soul.wake", Wake())
    answer, _ = engine.wait(night, woken)
    slept = codec.convert(answer.result, Slept)
    assert slept.report.outcome == "kept"
    known = [fact.id for fact in slept.report.facts if fact.after]
    assert len(slept.report.facts) == 2 and len(known) < 2
    newest, _ = home.newest()
    assert newest is not None and newest.meta is not None
    assert heard_of(newest.meta) == {FACT.id, OTHER.id, SMALL_TALK.id}, "it is in the weights"
    assert sorted(slept.worn.taught) == sorted([*known, SMALL_TALK.id])


def test_a_night_can_be_stopped_and_leaves_no_trace(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home)
    imprint(engine, FACT)
    evening = nats(engine)
    night = engine.send("soul.sleep", Sleep(records=[FACT, OTHER]))
    while True:
        header, raw = engine.receive()
        if header.kind is Kind.PROGRESS and raw["stage"] == "dreaming" and raw["done"]:
            assert raw["loss"] > 0
            if raw["note"]:  # how the user talks comes first, and asks nothing
                break
    score = engine.send("text.score", TEXT)
    engine.cancel(night)
    scored, stopped = engine.wait(score, night)
    assert scored.result["nats"] == [evening], "at night the soul of the evening answers"
    assert stopped.error is not None and stopped.error.code is ErrorCode.CANCELLED
    assert nats(engine) == evening


def test_what_is_known_of_a_record_is_examined(
    own_engine: EngineClient, home: SoulHome, cache: Path
) -> None:
    own_engine.wear(home, inner_lr=QUICK)
    order = Examine(records=[FACT, SMALL_TALK, JAPANESE], beside=[FACT, OTHER])
    empty = own_engine.ask("soul.examine", order)
    assert isinstance(empty, Examined)
    assert [probe.id for probe in empty.probes] == [JAPANESE.id, FACT.id]
    assert empty.probes[1].answer == "You live in Bath." and empty.probes[1].question
    assert empty.worn == empty.bare
    imprint(own_engine, FACT)
    for path in (cache / "teacher").glob("fits-*.json"):
        path.unlink()
    again = own_engine.ask("soul.examine", Examine(probes=empty.probes))
    assert again.probes == empty.probes and again.bare == empty.bare
    assert again.worn[1].log_p > again.bare[1].log_p + 0.3
    assert not list((cache / "teacher").glob("fits-*.json")), "by probes nothing is kept of it"


def test_replies_are_the_soul_s_or_bare(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home)
    drawn = Sampling(temperature=1.0, seed=1, max_tokens=60)
    order = talk("Where do I live?", sampling=drawn)
    before = engine.generate(order).text
    imprint(engine, FACT)
    assert engine.generate(replace(order, bare=True)).text == before
    assert engine.generate(order).text != before


def test_without_a_soul_nothing_is_learned_or_saved(own_engine: EngineClient) -> None:
    for method, params in (("imprint", Imprint(record=FACT)), ("soul.save", Save(why="exit"))):
        error = own_engine.call(method, params).error
        assert error is not None
        assert error.code is ErrorCode.NOT_FOUND


def test_a_soul_of_another_body_is_refused_and_the_body_is_bare(
    tmp_path: Path, own_engine: EngineClient, home: SoulHome, cache: Path
) -> None:
    own_engine.wear(home)
    imprint(own_engine, FACT)
    own_engine.ask("soul.save", Save(why="timer"))
    own_engine.load(write_tiny_body(tmp_path / "other", seed=5), cache_dir=str(cache))
    params = Wear(name="mika", folder=str(home.folder), inner_lr=2e-3)
    error = own_engine.call("soul.wear", params).error
    assert error is not None
    assert error.code is ErrorCode.SOUL_MISMATCH
    assert "reincarnate" in error.hint
    assert nats(own_engine) == nats(own_engine, bare=True)


def test_two_souls_are_compared(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home)
    imprint(engine, FACT)
    engine.ask("soul.save", Save(why="timer"))
    path = str(home.number(2).path)
    found = engine.ask("soul.diff", SoulDiff(a=path, b="", probes=["Where do I live?"]))
    assert isinstance(found, SoulDifference)
    assert [layer.b for layer in found.layers] == [[0.0] * 3] * len(found.layers)
    for layer in found.layers:
        assert layer.change == pytest.approx(layer.a, rel=1e-6, abs=1e-6)
    assert max(found.layers[-1].a) > 0
    (probe,) = found.probes
    order = talk(probe.ask, sampling=PROBE)
    assert probe.a == engine.generate(order).text
    assert probe.b == engine.generate(replace(order, bare=True)).text
    same = engine.ask("soul.diff", SoulDiff(a=path, b=path))
    assert max(n for layer in same.layers for n in layer.change) == pytest.approx(0, abs=1e-5)


def test_an_answer_is_traced_to_the_generation_that_was_taught_it(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    for record, recent in ((OTHER, []), (FACT, [OTHER])):
        imprint(engine, record, *recent)
        engine.ask("soul.save", Save(why="timer"))
    souls = ["", *(str(home.number(n).path) for n in (1, 2, 3))]
    question = "Where do I live?"
    order = Trace(question=question, answer="You live in Bath, near the station.", souls=souls)
    traced = engine.ask("soul.why", order)
    assert isinstance(traced, Traced)
    bare, empty, other, taught = traced.souls
    assert (traced.answer, traced.tokens) == (order.answer, len(order.answer))
    assert empty == pytest.approx(bare, abs=1e-5)
    assert taught - other > max(other - bare, 0.1)
    own = engine.call("soul.why", replace(order, answer="")).result
    assert own.answer == engine.generate(talk(question, sampling=PROBE)).text


def test_a_request_for_a_missing_body_ends_in_an_error(tmp_path: Path) -> None:
    with EngineClient(tmp_path) as engine:
        for method, params in (
            ("text.score", TEXT),
            ("soul.diff", SoulDiff(a="", b="")),
            ("soul.why", Trace(question="Who?", answer="Me.", souls=[""])),
        ):
            error = engine.call(method, params).error
            assert error is not None
            assert error.code is ErrorCode.BODY_MISSING
        assert isinstance(engine.ask("memory", Empty()), Memory)
