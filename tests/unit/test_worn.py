"""What is written of a worn soul is what it was when a lesson had ended."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

import torch

from sould.bridge import Wear
from sould.engine.kernel.selftest import SPEC, random_soul
from sould.engine.soul.tensors import all_tensors, soul_of
from sould.engine.soul.weights import RANKS, wide_open
from sould.engine.soul.worn import Wearer, WornSoul
from sould.engine.soul.writer import Writer, Written
from sould.errors import SouldError
from sould.soulfile.layout import is_scope
from sould.soulfile.opening import open_soul

WEARER = Wearer.of(SPEC, {}, name="tiny", fingerprint="ab" * 32)


class Writing:
    """A writer, and its news handed on when a test asks for it."""

    def __init__(self) -> None:
        self._news: SimpleQueue[Written] = SimpleQueue()
        self.writer = Writer(self._news.put)

    def await_news(self) -> None:
        news = self._news.get(timeout=10)
        news.then(news.outcome)


def learn(worn: WornSoul, seed: int) -> None:
    """Change the weights, as a step of a lesson does."""
    generator = torch.Generator().manual_seed(seed)

    def step() -> None:
        for weight in worn.soul.tensors("fast").values():
            weight += 0.01 * torch.randn(weight.shape, generator=generator)

    assert worn.soul.change(step) is None


def on_disk(folder: Path) -> tuple[int, float]:
    """Return level and a sum over the weights, which any other weights would not have."""
    opened = open_soul(folder, WEARER.shape)
    assert opened is not None
    tensors = opened.record.tensors
    return opened.record.meta.level, sum(float(t.sum(dtype="f8")) for t in tensors.values())


def test_a_save_in_the_middle_of_a_lesson_holds_what_was_learned_before(tmp_path: Path) -> None:
    writing, errors = Writing(), list[SouldError | None]()
    worn = WornSoul(
        Wear(name="mika", folder=str(tmp_path), inner_lr=1e-3, keep=9), WEARER, writing.writer
    )
    learn(worn, seed=1)
    worn.learned("one", 5, errors.append)
    writing.await_news()
    journaled = on_disk(tmp_path)
    assert journaled[0] == 5 and journaled[1] != 0
    learn(worn, seed=2)
    worn.save("timer", errors.append)
    writing.await_news()
    assert on_disk(tmp_path) == journaled and not worn.is_unsaved
    worn.learned("two", 7, errors.append)
    writing.await_news()
    level, sum_ = on_disk(tmp_path)
    assert level == 12 and sum_ != journaled[1]
    worn.save("timer", errors.append)
    writing.await_news()
    assert on_disk(tmp_path) == (level, sum_)
    assert errors == [None] * 4


def test_a_lesson_that_was_undone_leaves_what_was_learned_before(tmp_path: Path) -> None:
    writing, errors = Writing(), list[SouldError | None]()
    worn = WornSoul(
        Wear(name="mika", folder=str(tmp_path), inner_lr=1e-3, keep=9), WEARER, writing.writer
    )
    for taught in ((), ("one",)):
        for id_ in taught:
            learn(worn, seed=1)
            worn.learned(id_, 5, errors.append)
            writing.await_news()
        known = all_tensors(worn.soul)
        state = worn.soul.state
        learn(worn, seed=2)
        worn.soul.change(lambda: worn.soul.scope.mul_(0.5))
        worn.undo_lesson()
        assert worn.soul.state != state or not taught, "keys and values of the lesson are not used"
        now = all_tensors(worn.soul)
        assert now.keys() == known.keys()
        assert all((now[name] == known[name]).all() for name in known)


def test_weights_come_back_with_their_scopes_and_without_are_open_to_everything() -> None:
    soul = random_soul(SPEC, seed=1, ranks=RANKS, parts=tuple(RANKS))
    tensors = all_tensors(soul)
    again = soul_of(SPEC, tensors, limits={}, seed=2)
    assert torch.equal(again.scope, soul.scope) and torch.equal(again.a["up"], soul.a["up"])
    old = {name: array for name, array in tensors.items() if not is_scope(name)}
    assert torch.equal(
        soul_of(SPEC, old, limits={}, seed=2).scope, wide_open(sum(RANKS.values()), SPEC.d_model)
    )
