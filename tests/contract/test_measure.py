"""What a body foretells of a text: against a plain computation, and with its states still."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.weights import read_model
from sould.engine.read_weights import read_weights
from sould.engine.runner import Runner
from sould.training.measure import measure
from tests.fakes.native_body import write_native_body
from tests.fakes.tiny_body import write_tiny_body

WINDOW, MOST = 96, 3


def runner_of(folder: Path, kind: str) -> Runner:
    if kind == "llama":
        body = open_body(write_tiny_body(folder, "llama"))
        return Decoder(body.spec, read_weights(body))
    return NativeDecoder(read_model(open_body(write_native_body(folder))).freeze())


def some_ids(runner: Runner, size: int = 400) -> np.ndarray:
    return np.random.default_rng(0).integers(0, runner.spec.vocab_size, size).astype(np.uint32)


@pytest.mark.parametrize("kind", ["llama", "bit_ttt"])
def test_the_marks_are_those_of_whole_windows(tmp_path: Path, kind: str) -> None:
    runner = runner_of(tmp_path / "body", kind)
    ids, told = some_ids(runner), list[tuple[int, int]]()
    marks = measure(
        runner, ids, window=WINDOW, most=MOST, on_window=lambda *done: told.append(done)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    nats, again, first = [], [], []
    for start in (0, 152, 303):
        cut = ids[start : start + WINDOW + 1].tolist()
        nats.append(F.cross_entropy(logits(runner, cut), torch.tensor(cut[1:])))
        passage = cut[: WINDOW // 2]
        right = logits(runner, passage * 2).argmax(-1) == torch.tensor((passage * 2)[1:])
        first.append(right[: len(passage) - 1])
        again.append(right[len(passage) :])
    assert marks.nats == pytest.approx(float(torch.stack(nats).mean()), rel=1e-5)
    assert marks.perplexity == pytest.approx(math.exp(marks.nats))
    assert len(marks.by_position) == 8
    assert marks.recall == pytest.approx(float(torch.cat(again).float().mean()))
    assert marks.first == pytest.approx(float(torch.cat(first).float().mean()))


def logits(runner: Runner, ids: list[int]) -> torch.Tensor:
    """Return (T - 1, V), of all tokens at once."""
    found = runner.forward(ids[:-1], runner.new_cache(len(ids)), want="all")
    assert found is not None
    return found


def test_still_states_are_another_body(tmp_path: Path) -> None:
    runner = runner_of(tmp_path / "body", "bit_ttt")
    ids = some_ids(runner)
    live, still = (
        measure(runner, ids, window=WINDOW, most=MOST, is_still=is_still)
        for is_still in (False, True)
    )
    assert still.nats != pytest.approx(live.nats, rel=1e-6)
