"""Every slot of a soul is for some facts, and is open where these are told and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sould.engine.kernel.selftest import SPEC
from sould.engine.soul.scope import Moments
from sould.engine.soul.slots import Heard, scopes, shared_out
from sould.engine.soul.weights import Slot, Soul, opening
from tests.fakes.finished import finished

D = SPEC.d_model
FACTS, LENGTH, ASKED = 6, 7, 5
QUESTION = 2 * torch.randn(D, generator=torch.Generator().manual_seed(11))


def dreams(fact: int, seed: int, count: int = 12) -> list[Heard]:
    """Return what is read at answers that tell a fact: near one point where they begin, and near
    another after that; and at their questions, whose words are partly the answer's. A negative one
    was never told, and every answer is of something else.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for n in range(count):
        x_TD = torch.randn(LENGTH, D, generator=generator)
        where = fact if fact >= 0 else 100 + n
        begin, rest = 2 * torch.randn(2, D, generator=torch.Generator().manual_seed(where))
        asked = torch.randn(ASKED, D, generator=generator) + QUESTION + 0.7 * begin
        found.append(Heard(asked, x_TD + torch.cat([begin[None], rest.expand(LENGTH - 1, D)])))
    return found


def answers(some: Sequence[Heard], part: slice = slice(None)) -> Tensor:
    return torch.cat([dream.answer_TD[part] for dream in some])


def outside() -> Moments:
    seen = Moments.none(D)
    seen.see(torch.randn(4000, D, generator=torch.Generator().manual_seed(9)))
    return seen


def taught() -> tuple[Soul, list[list[Heard]]]:
    """Return a soul that has a slot for each fact, and what it heard of them."""
    soul, heard = Soul(SPEC), [dreams(fact, seed=fact) for fact in range(FACTS)]
    by_slot = shared_out(soul, soul.slots, heard)
    found = finished(scopes(by_slot, dreams(-1, seed=50, count=60), outside(), outside()))

    def open_up() -> None:
        for slot, (begin, rest) in found.items():
            soul.scope[slot.begin], soul.scope[slot.rest] = begin, rest
            soul.b["up"][-1, slot.rest] = 0.1

    assert soul.change(open_up) is None
    return soul, heard


def slots_of(soul: Soul, heard: list[list[Heard]]) -> list[Slot]:
    """Return the slot of each fact."""
    by_slot = shared_out(soul, soul.slots, heard)
    return [next(s for s, some in by_slot.items() if any(a is one for a in some)) for one in heard]


def test_the_ranks_of_the_slow_part_are_wide_or_in_one_slot_or_the_voices() -> None:
    soul = Soul(SPEC)
    ranks = [*range(soul.wide.start, soul.wide.stop), *range(soul.voice.start, soul.voice.stop)]
    for slot in soul.slots:
        ranks += [slot.begin, slot.rest]
    assert sorted(ranks) == list(range(soul.ranks["slow"]))
    assert len(soul.slots) >= 10  # as many facts as a day mostly has
    small = Soul(SPEC, ranks={"slow": 3, "fast": 1})
    assert not small.slots and small.wide == slice(0, 3)


def test_new_facts_get_slots_of_their_own_and_keep_them() -> None:
    soul, heard = taught()
    chosen = slots_of(soul, heard)
    assert len(set(chosen)) == FACTS
    again = [dreams(fact, seed=20 + fact) for fact in reversed(range(FACTS))]
    assert slots_of(soul, again) == chosen[::-1]


def test_a_slot_is_shared_only_when_none_is_free() -> None:
    soul, heard = taught()
    more = [dreams(fact, seed=fact) for fact in range(FACTS, 2 * len(soul.slots))]
    chosen = slots_of(soul, [*more, *heard])
    assert {slot: chosen.count(slot) for slot in chosen} == dict.fromkeys(soul.slots, 2)
    assert shared_out(soul, [], heard) == {}


def test_a_slot_is_open_where_its_fact_is_told_and_shut_elsewhere() -> None:
    soul, heard = taught()
    chosen = slots_of(soul, heard)
    for kind, where in (("begin", slice(1)), ("rest", slice(1, None))):
        scope = soul.scope[[getattr(slot, kind) for slot in chosen]]
        for fact in range(FACTS):
            some = dreams(fact, seed=70 + fact)
            open_TF = opening(answers(some, where), scope)
            assert float(open_TF[:, fact].mean()) > 0.8
            assert float(open_TF.sum(1).mean() - open_TF[:, fact].mean()) < 0.2
            asked = torch.cat([dream.asked_TD for dream in some])
            assert float(opening(asked, scope).sum(1).mean()) < 0.1
        untold = answers(dreams(-1, seed=80), where)
        assert float(opening(untold, scope).mean()) < 0.1


def test_one_fact_alone_and_nothing_untold() -> None:
    heard = {Slot(0, 1): [dreams(0, seed=0)]}
    ((begin, rest),) = finished(scopes(heard, [], outside(), outside())).values()
    x_TD = answers(dreams(0, seed=1))
    assert bool(begin.isfinite().all()) and float(opening(x_TD, rest[None]).mean()) > 0.7
