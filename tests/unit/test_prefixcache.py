"""Slots: reused, forked, evicted; never more memory than allowed, never a wrong prefix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sould.engine.kvcache import KVCache
from sould.engine.prefixcache import PrefixCache, Said, Slot, shared_length
from sould.engine.soul.weights import State
from sould.engine.spec import BodySpec
from sould.errors import NoMemory

SPEC = BodySpec(
    family="llama",
    vocab_size=8,
    d_model=4,
    n_layers=2,
    n_heads=1,
    n_kv_heads=1,
    head_dim=4,
    d_ff=4,
    norm_eps=1e-5,
    inv_freq=(1.0, 0.1),
    context_max=64,
)
TOKEN_BYTES = 2 * 2 * 4 * 4
LIMIT = 64


def cache_for(slots: float, state: Callable[[], State | None] = lambda: None) -> PrefixCache:
    return PrefixCache(
        lambda limit: KVCache(SPEC, limit=limit),
        limit=LIMIT,
        token_bytes=TOKEN_BYTES,
        budget_bytes=int(slots * LIMIT * TOKEN_BYTES),
        state=state,
    )


def compute(slot: Slot, ids: list[int]) -> None:
    """Stand in for the body: the key of a token is its id, at every layer."""
    new = ids[slot.kv.length :]
    slot.kv.reserve(len(new))
    for t in (*slot.kv.k, *slot.kv.v):
        t[:, slot.kv.length : len(ids)] = torch.tensor(new, dtype=torch.float32)[None, :, None]
    slot.kv.tokens.extend(new)


def say(cache: PrefixCache, ids: list[int], said: Said | None = None) -> int:
    """Run a whole turn; return how many tokens were in the cache."""
    slot = cache.take(ids, LIMIT)
    cached = slot.kv.length
    assert slot.kv.tokens == ids[:cached]
    compute(slot, ids)
    for t in (*slot.kv.k, *slot.kv.v):
        assert t[0, : len(ids), 0].tolist() == ids
    cache.give_back(slot, said)
    return cached


def test_a_conversation_goes_on_where_it_was() -> None:
    cache = cache_for(2)
    assert say(cache, [1, 2, 3]) == 0
    assert say(cache, [1, 2, 3, 4, 5]) == 3
    assert cache.nbytes == LIMIT * TOKEN_BYTES


def test_the_last_token_is_always_computed() -> None:
    cache = cache_for(2)
    say(cache, [1, 2, 3])
    assert say(cache, [1, 2, 3]) == 2


def test_a_small_difference_at_the_end_is_cut_off() -> None:
    cache = cache_for(2)
    say(cache, [1, 2, 3, 4, 5, 6])
    assert say(cache, [1, 2, 3, 4, 7, 7]) == 4
    assert cache.nbytes == LIMIT * TOKEN_BYTES


def test_a_shared_beginning_is_copied_and_both_stay_warm() -> None:
    cache = cache_for(2)
    a, b = [1, 2, 3, 4, 5, 6, 7], [1, 2, 7, 7, 7, 7, 7]
    say(cache, a)
    assert say(cache, b) == 2
    assert say(cache, [*a, 1]) == 7
    assert say(cache, [*b, 1]) == 7


def test_a_busy_slot_is_not_touched_but_may_be_copied() -> None:
    cache = cache_for(2)
    first = cache.take([1, 2, 3, 4], LIMIT)
    compute(first, [1, 2, 3, 4])
    second = cache.take([1, 2, 3, 5], LIMIT)
    assert second is not first
    assert second.kv.tokens == [1, 2, 3]
    assert first.kv.tokens == [1, 2, 3, 4]


def test_the_slot_idle_longest_leaves() -> None:
    cache = cache_for(2)
    say(cache, [1, 1, 1])
    say(cache, [2, 2, 2])
    say(cache, [1, 1, 1, 1])
    say(cache, [3, 3, 3])
    assert say(cache, [1, 1, 1, 1, 1]) == 4
    assert say(cache, [2, 2, 2, 2]) == 0


def test_without_room_for_a_copy_the_slot_itself_is_cut() -> None:
    cache = cache_for(1)
    say(cache, [1, 2, 3, 4, 5, 6, 7])
    assert say(cache, [1, 2, 7, 7, 7, 7, 7]) == 2


def test_there_is_room_for_one_conversation_at_the_least() -> None:
    assert say(cache_for(0), [1, 2, 3]) == 0


def test_no_room_beside_busy_slots_is_an_error_with_numbers() -> None:
    cache = cache_for(1)
    busy = cache.take([1, 2], LIMIT)
    with pytest.raises(NoMemory, match="4096 bytes"):
        cache.take([3, 4], LIMIT)
    cache.give_back(busy)
    assert say(cache, [3, 4]) == 0


def test_a_dropped_slot_is_forgotten() -> None:
    cache = cache_for(2)
    slot = cache.take([1, 2, 3], LIMIT)
    compute(slot, [1, 2, 3])
    cache.drop(slot)
    assert cache.nbytes == 0
    say(cache, [5, 6])
    cache.drop_idle()
    assert cache.nbytes == 0


END = 9
"""The control token that ends a message."""


def as_said(cache: PrefixCache, ids: list[int]) -> list[int]:
    """Tokens are numbers of letters: 2 is "aa"."""
    return cache.as_said(ids, control={END}, decode=lambda part: "".join("a" * i for i in part))


def test_a_reply_stays_in_the_tokens_it_was_said_in() -> None:
    cache = cache_for(2)
    say(cache, [1, END, 1, 2], Said(prompt=[1, END], text="aaa", ids=[1, END, 1, 2]))
    assert as_said(cache, [1, END, 3, END, 7]) == [1, END, 1, 2, END, 7]
    assert as_said(cache, [1, END, 3]) == [1, END, 1, 2]


def test_a_conversation_keeps_all_its_replies_as_they_were_said() -> None:
    cache = cache_for(2)
    say(cache, [1, END, 1, 2], Said(prompt=[1, END], text="aaa", ids=[1, END, 1, 2]))
    second = [1, END, 3, END, 7, END]
    said = as_said(cache, second)
    say(cache, [*said, 1, 1], Said(prompt=second, text="aa", ids=[*said, 1, 1]))
    third = as_said(cache, [*second, 2, END, 8])
    assert third == [1, END, 1, 2, END, 7, END, 1, 1, END, 8]
    assert say(cache, third) == len(third) - 2


@pytest.mark.parametrize("other", [[1, END, 2, END, 7], [2, END, 3, END, 7], [1], []])
def test_another_conversation_is_left_as_it_is(other: list[int]) -> None:
    cache = cache_for(2)
    say(cache, [1, END, 1, 2], Said(prompt=[1, END], text="aaa", ids=[1, END, 1, 2]))
    say(cache, [5, 5])
    assert as_said(cache, other) == other


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_shared_length_is_that_of_the_common_beginning(a: list[int], b: list[int]) -> None:
    n = shared_length(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 1), min_size=1, max_size=40), st.booleans()), max_size=25
    ),
    st.integers(1, 3),
)
def test_any_order_of_turns_keeps_to_the_budget(
    turns: list[tuple[list[int], bool]], slots: int
) -> None:
    cache = cache_for(slots)
    busy: list[Slot] = []
    for ids, ends_at_once in turns:
        if len(busy) == slots:
            cache.give_back(busy.pop(0))
        slot = cache.take(ids, min(LIMIT, len(ids) + 5))
        assert slot.kv.tokens == ids[: slot.kv.length]
        assert slot.kv.length < len(ids)
        compute(slot, ids)
        assert slot.kv.k[0][0, : len(ids), 0].tolist() == ids
        busy.append(slot)
        if ends_at_once:
            cache.give_back(busy.pop())
        assert cache.nbytes <= slots * LIMIT * TOKEN_BYTES


def test_a_conversation_goes_on_from_what_was_read_before_its_soul_learned() -> None:
    soul = object()
    state: State | None = None
    cache = cache_for(3, lambda: state)
    state = State(soul, 1)
    said = [1, 2, 3, 4]
    assert say(cache, said) == 0
    state = State(soul, 2)
    assert say(cache, [1, 2, 3, 5]) == 0, "another conversation is read anew"
    assert say(cache, [*said, 6, 7]) == 4, "this one is not"
    state = State(object(), 2)
    assert say(cache, [*said, 6, 7, 0]) == 0, "another soul has not read it"
    state = None
    assert say(cache, [*said, 6, 7, 0, 1]) == 0, "nor has the bare body"
