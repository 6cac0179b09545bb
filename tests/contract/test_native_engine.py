"""A real engine process with a body of TTT layers: it talks, reads, sleeps, remembers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from soul_client.wire import ErrorCode, Sampling, SoulDiff, TextScore
from sould.bridge import Examine, Imprint, Save, Sleep, Told, Trace, Wear
from sould.soulfile.home import SoulHome
from sould.soulfile.record import read
from tests.fakes.engine_client import EngineClient, talk
from tests.fakes.native_body import write_native_body

FACT = Told(id="20260102T030405-9a0bcafeu", text="I live in Bath, near the station.")
OTHER = Told(id="20260102T030405-aaaacafeu", text="My cat is called Biscuit.")
TEXT = TextScore(texts=["I live in Bath."])


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_native_body(tmp_path_factory.mktemp("bodies") / "tiny")


@pytest.fixture
def engine(tmp_path: Path, body: Path) -> Iterator[EngineClient]:
    with EngineClient(tmp_path) as client:
        client.load(body)
        yield client


@pytest.fixture
def home(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def nats(engine: EngineClient, *, bare: bool = False) -> float:
    return float(engine.ask("text.score", replace(TEXT, bare=bare)).nats[0])


def test_it_talks_and_says_how_it_runs(tmp_path: Path, engine: EngineClient, body: Path) -> None:
    loaded = engine.load(body, kernel="torch")
    assert (loaded.family, loaded.device, loaded.kernel) == ("bit_ttt", "cpu", "torch")
    assert any("weights in float32" in reason for reason in loaded.reasons)
    first = engine.generate(talk("Hello!", sampling=Sampling(temperature=0, max_tokens=6)))
    assert first.usage.reply_tokens == 6 or first.finish == "stop"
    again = engine.generate(talk("Hello!", sampling=Sampling(temperature=0, max_tokens=6)))
    assert again.text == first.text, "a text begins with what the soul has, not the last talk"
    more = engine.generate(talk("Hello!", first.text, "And now?"))
    assert more.usage.cached_tokens > 0, "a conversation goes on from its states"
    refused = engine.call("load", engine.load_request(body, device="cuda"))
    assert refused.error is not None and refused.error.code is ErrorCode.DEVICE_UNAVAILABLE
    assert "set body.device to auto" in refused.error.hint


def test_what_was_read_is_in_the_states_and_outlives_a_kill(
    tmp_path: Path, engine: EngineClient, body: Path, home: SoulHome
) -> None:
    assert engine.wear(home).level == 0
    bare = nats(engine)
    assert bare == nats(engine, bare=True)
    done = engine.ask("imprint", Imprint(record=FACT))
    assert (done.tokens, done.is_durable, done.fault) == (len(FACT.text), True, "")
    worn = nats(engine)
    assert worn != bare and nats(engine, bare=True) == bare
    engine.process.kill()
    engine.process.wait()
    (tmp_path / "second").mkdir()
    with EngineClient(tmp_path / "second") as second:
        second.load(body)
        again = second.wear(home)
        assert (again.taught, again.level, again.is_unsaved) == ([FACT.id], done.level, True)
        assert nats(second) == worn
        assert second.ask("soul.save", Save(why="timer")).generation == 2
        assert nats(second) == worn
    newest, _ = home.newest()
    assert newest is not None and newest.meta is not None
    assert newest.meta.dims.has_states
    tensors = read(newest.path).tensors
    assert {name: array.shape for name, array in tensors.items()} == {
        "w_state.0": (32, 16),
        "w_state.1": (32, 16),
    }
    assert all(np.isfinite(array).all() for array in tensors.values())


def test_a_night_reads_again_and_is_kept_or_not(engine: EngineClient, home: SoulHome) -> None:
    engine.wear(home)
    engine.ask("imprint", Imprint(record=FACT))
    evening = nats(engine)
    slept = engine.ask("soul.sleep", Sleep(records=[FACT, OTHER]))
    report = slept.report
    assert report.steps == 6 and report.before is not None and report.after is not None
    assert [fact.id for fact in report.facts] == [FACT.id, OTHER.id]
    newest, _ = home.newest()
    assert newest is not None and newest.meta is not None
    if report.outcome == "kept":
        assert nats(engine) != evening and newest.meta.config["why"] == "sleep"
        assert sorted(slept.worn.taught) == [FACT.id, OTHER.id]
    else:
        assert report.outcome == "rolled_back" and "drifted" in report.why
        assert nats(engine) == evening


def learning_too_much(folder: Path, times: float) -> Path:
    """Return a body whose layers' values are ``times`` too large, and so are its steps."""
    path = write_native_body(folder) / "model.safetensors"
    weights = load_file(path)
    save_file({k: v * times if "value" in k else v for k, v in weights.items()}, path)
    return folder


def test_a_night_that_diverges_is_rolled_back_with_its_reason(
    engine: EngineClient, tmp_path: Path, home: SoulHome
) -> None:
    engine.load(learning_too_much(tmp_path / "body", 400.0))
    engine.wear(home)
    evening = nats(engine)
    report = engine.ask("soul.sleep", Sleep(records=[FACT, OTHER])).report
    assert (report.outcome, report.steps, report.telling_nothing) == ("rolled_back", 0, [])
    assert "diverge: layer 0: state is over the cap: its norm is" in report.why
    assert report.before is not None and report.before == report.after
    assert report.before.facts == 2
    assert nats(engine) == evening


def test_a_body_that_diverges_awake_learns_nothing_and_says_so(
    engine: EngineClient, tmp_path: Path, home: SoulHome
) -> None:
    engine.load(learning_too_much(tmp_path / "body", 1000.0))
    engine.wear(home)
    done = engine.ask("imprint", Imprint(record=FACT))
    assert done.fault == "a step was undone: layer 0: state is over the cap"
    examined = engine.ask("soul.diff", SoulDiff(a=str(home.number(1).path), b=""))
    assert [layer.a for layer in examined.layers] == [[0.0], [0.0]]
    report = engine.ask("soul.sleep", Sleep(records=[FACT])).report
    assert report.outcome == "rolled_back" and "over the cap" in report.why
    assert [fact.id for fact in report.facts] == [FACT.id]


def test_souls_of_states_are_compared_examined_and_traced(
    engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    engine.ask("imprint", Imprint(record=FACT))
    engine.ask("soul.save", Save(why="timer"))
    path = str(home.number(2).path)
    found = engine.ask("soul.diff", SoulDiff(a=path, b=""))
    assert [len(layer.a) for layer in found.layers] == [1, 1]
    for layer in found.layers:
        assert layer.a[0] > 0 and layer.b == [0.0]
        assert layer.change == pytest.approx(layer.a)
    examined = engine.ask("soul.examine", Examine(records=[FACT]))
    (probe,) = examined.probes
    assert (probe.question, probe.answer) == ("I live in", "Bath, near the station.")
    assert examined.worn != examined.bare
    order = Trace(question="Where?", answer="Bath.", souls=["", path])
    bare, worn = engine.ask("soul.why", order).souls
    assert bare != worn


def test_a_soul_of_states_fits_no_other_body(
    tmp_path: Path, engine: EngineClient, home: SoulHome
) -> None:
    engine.wear(home)
    engine.load(write_native_body(tmp_path / "other", seed=5))
    params = Wear(name="mika", folder=str(home.folder), inner_lr=2e-3)
    error = engine.call("soul.wear", params).error
    assert error is not None and error.code is ErrorCode.SOUL_MISMATCH
