"""The comparison of ``make native-body``, in small: all of it, on a body of a few steps."""

from __future__ import annotations

import random
import time
import zipfile
from pathlib import Path

import pytest
import torch

from sould.engine.native.model import NativeModel
from sould.training.corpus import Corpus
from sould.training.presets import Preset
from sould.training.tokens import Data, prepare
from sould.training.trainer import Trainer
from tests.bench.native_body.attention import AttentionRunner, attention_body, count
from tests.bench.native_body.pace import WARM_UP, paces, spec_of
from tests.bench.native_body.plain import PlainLoop, train_plainly
from tests.bench.native_body.report import compare, rows_of
from tests.bench.native_body.text import MODULE, text_of

SMALL = Preset(
    hidden=32, layers=2, heads=2, d_ff=48, vocabulary=300,
    window=48, batch=4, steps=12, lr=3e-3, mini_batch=8,
)  # fmt: skip
STEPS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("run")
    draw = random.Random(0)
    lines = (f"{draw.choice('ABCDEFGH')}nn has {draw.randrange(50)} kites.\n" for _ in range(5000))
    (folder / "story.txt").write_text("".join(lines), "utf-8")
    corpus = Corpus(folder / "story.txt")
    return prepare(folder / "tokens", corpus, SMALL.vocabulary, lambda stage, done, total: None)


@pytest.mark.parametrize("has_conv", [False, True])
def test_a_control_is_of_equal_size_and_sees_nothing_of_what_comes(
    data: Data, has_conv: bool
) -> None:
    spec = spec_of(data, SMALL)
    control = attention_body(spec, seed=0, has_conv=has_conv)
    assert count(control) == pytest.approx(count(NativeModel(spec)), rel=0.01)
    ids = [int(one) for one in data.valid[:40]]
    runner = AttentionRunner(control.freeze())
    whole_TV = runner.forward(ids, runner.new_cache(40))
    cache = runner.new_cache(40)
    parts_TV = torch.cat([runner.forward(ids[:7], cache), runner.forward(ids[7:], cache)])
    torch.testing.assert_close(parts_TV, whole_TV, rtol=0, atol=1e-5)
    other_TV = runner.forward([*ids[:30], *ids[:10]], runner.new_cache(40))
    torch.testing.assert_close(other_TV[:30], whole_TV[:30], rtol=0, atol=1e-5)
    moved_TV = runner.forward([ids[1], ids[0], *ids[2:]], runner.new_cache(40))
    assert not torch.allclose(moved_TV[-1], whole_TV[-1]), "positions are seen"


def test_a_plain_loop_comes_to_the_losses_of_the_trainer(data: Data) -> None:
    pace = paces(data, SMALL, steps=STEPS, clock=time.perf_counter)
    assert len(pace.ours_s) == len(pace.plain_s) == STEPS > WARM_UP
    assert pace.ours_loss == pytest.approx(pace.plain_loss, rel=1e-4)
    assert pace.ours_per_s > 0 and pace.plain_per_s > 0


def test_a_plain_training_is_kept_and_gone_on_with(data: Data, tmp_path: Path) -> None:
    told: list[int] = []
    for _ in range(2):
        model = attention_body(spec_of(data, SMALL), seed=0, has_conv=True)
        loop = PlainLoop(model, data, SMALL, steps=3)
        train_plainly(loop, tmp_path, lambda step, total, loss: told.append(step))
    assert told == [1, 2, 3], "what is trained is not trained again"


def test_both_bodies_are_measured_on_the_same_text(data: Data, tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, data, SMALL, steps=24)
    native = trainer.train(lambda: False, lambda report: None).model.freeze()
    untrained = attention_body(spec_of(data, SMALL), seed=0, has_conv=False).freeze()
    controls = {"attention": untrained}
    found = compare(native, controls, data, SMALL.window, most=4)
    still, attention = found.others["still"], found.others["attention"]
    assert found.on != still and found.on.perplexity < 0.8 * attention.perplexity
    far = compare(native, controls, data, 4 * SMALL.window, most=1)
    pace = paces(data, SMALL, steps=4, clock=time.perf_counter)
    rows = {row.name: row for row in rows_of(found, far, pace, data, {"native": 5, "attention": 6})}
    gain = rows["the same, against states still"]
    assert gain.value == pytest.approx(100 * (1 - found.on.perplexity / still.perplexity))
    assert gain.ok is (gain.value is not None and gain.value >= 10)
    assert f"still {still.perplexity:.1f}, attention {attention.perplexity:.1f}" in {
        row.note for row in rows.values()
    }
    positions = [name for name in rows if name.startswith("perplexity, tokens")]
    assert positions[0].endswith("1 to 6") and positions[7].endswith("43 to 48")
    assert positions[8:] == ["perplexity, tokens 169 to 192"]
    assert rows["perplexity, windows of 192 tokens"].value == far.on.perplexity


def test_the_text_is_read_out_of_a_wheel_and_not_run(tmp_path: Path) -> None:
    source = 'raise SystemExit("run")\nbible = Bible("x", """\nIn [the] beginning\n""", 1)\n'
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(MODULE, source)
    assert text_of(tmp_path / "a.whl") == "In the beginning\n"
