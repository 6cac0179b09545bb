"""Drawing tokens: the filters, the penalty, seeds, bad logits, and how long it takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec.structs import replace

from soul_client.wire import Sampling
from sould.engine.sampling import Logits, NotFinite, Sampler, candidates

PLAIN = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}

logits_V = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-30, 30, width=32))
samplings = st.builds(
    Sampling,
    temperature=st.floats(0, 3),
    top_k=st.integers(0, 70),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    repetition_penalty=st.floats(0.5, 3),
    repetition_window=st.integers(0, 20),
    seed=st.integers(-(2**63), 2**63),
)


def plain(**changes: object) -> Sampling:
    return Sampling(**(PLAIN | changes))  # type: ignore[arg-type]


def array(*values: float) -> Logits:
    return np.array(values, dtype=np.float32)


def draws(sampling: Sampling, logits: Logits, n: int) -> list[int]:
    sampler = Sampler(sampling, vocab_size=logits.size)
    return [sampler.draw(logits, []) for _ in range(n)]


@given(logits_V, samplings)
def test_what_is_drawn_passed_the_filters(logits: Logits, sampling: Sampling) -> None:
    sampler = Sampler(sampling, vocab_size=logits.size)
    token = sampler.draw(logits, [])
    assert 0 <= token < logits.size
    if sampling.temperature > 0:
        assert token in candidates(logits, sampling)


@given(logits_V, samplings)
def test_filters_keep_the_likeliest_and_at_least_one(logits: Logits, sampling: Sampling) -> None:
    ids = candidates(logits, sampling)
    assert ids.size >= 1
    assert logits[ids].max() == logits.max()
    assert len(set(ids.tolist())) == ids.size
    left_out = np.delete(logits, ids)
    assert left_out.size == 0 or left_out.max() <= logits[ids].min()


@given(logits_V, samplings, st.floats(0.01, 0.99))
def test_a_cut_leaves_the_likeliest_first(logits: Logits, sampling: Sampling, top_p: float) -> None:
    scores = logits[candidates(logits, replace(sampling, top_p=top_p))]
    assert (np.diff(scores) <= 0).all()


@given(logits_V, samplings)
def test_a_seed_repeats_a_reply_whatever_others_draw(logits: Logits, sampling: Sampling) -> None:
    alone = draws(sampling, logits, 8)
    sampler, other = (Sampler(sampling, vocab_size=logits.size) for _ in range(2))
    mixed = []
    for _ in range(8):
        mixed.append(sampler.draw(logits, []))
        other.draw(logits, [])
    assert mixed == alone


@given(logits_V, st.integers(1, 70))
def test_top_k_keeps_k(logits: Logits, k: int) -> None:
    ids = candidates(logits, plain(top_k=k))
    assert ids.size == min(k, logits.size)
    assert sorted(logits[ids]) == sorted(np.sort(logits)[-k:])


@given(logits_V, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: Logits, p: float) -> None:
    ids = candidates(logits, plain(top_p=p))
    weights = np.exp(logits.astype(np.float64) - logits.max())
    kept = weights[ids] / weights.sum()
    assert kept.sum() >= p - 1e-9
    assert kept[:-1].sum() < p + 1e-9


@given(logits_V, st.floats(0.01, 1))
def test_min_p_is_relative_to_the_likeliest(logits: Logits, p: float) -> None:
    ids = candidates(logits, plain(min_p=p))
    ratio = np.exp(logits[ids].astype(np.float64) - logits.max())
    assert (ratio >= p * (1 - 1e-6)).all()


def test_temperature_zero_takes_the_likeliest() -> None:
    assert draws(plain(temperature=0.0), array(0, 3, 2), 5) == [1] * 5


def test_draws_follow_the_distribution() -> None:
    p = np.array([0.5, 0.3, 0.2])
    counts = np.bincount(draws(plain(seed=0), np.log(p).astype(np.float32), 20_000)) / 20_000
    assert np.abs(counts - p).max() < 0.015


def test_a_high_temperature_never_lets_the_tail_in() -> None:
    logits = array(5, 4.9, *[-5] * 100)
    assert set(draws(plain(temperature=100.0, min_p=0.05, seed=1), logits, 300)) == {0, 1}


@pytest.mark.parametrize("temperature", [5e-324, 1e-30])
def test_a_tiny_temperature_is_as_good_as_none(temperature: float) -> None:
    assert draws(plain(temperature=temperature), array(1, 2, 1.9), 3) == [1] * 3


def test_different_seeds_differ_and_no_seed_is_fresh() -> None:
    logits = np.zeros(50_000, dtype=np.float32)
    first = [draws(plain(seed=s), logits, 4) for s in (1, 2, None, None)]
    assert len({tuple(f) for f in first}) == 4


def test_the_penalty_lowers_what_was_said_in_the_window() -> None:
    greedy = plain(temperature=0.0, repetition_penalty=2.0, repetition_window=2)
    sampler = Sampler(greedy, vocab_size=3)
    logits = array(4, 3, -1)
    assert sampler.draw(logits, [0]) == 1
    assert sampler.draw(logits, [0, 2, 2]) == 0
    assert logits.tolist() == [4, 3, -1]


def test_the_penalty_lowers_negative_logits_too() -> None:
    sampler = Sampler(plain(temperature=0.0, repetition_penalty=2.0), vocab_size=2)
    assert sampler.draw(array(-1, -1.5), [0, 0, 0]) == 1


def test_control_tokens_are_exempt_from_the_penalty() -> None:
    sampler = Sampler(plain(temperature=0.0, repetition_penalty=9.0), vocab_size=2, exempt=[0])
    assert sampler.draw(array(2, 1), [0, 1, 0]) == 0


@given(st.floats(1e-300, 10, exclude_min=True))
def test_no_penalty_makes_the_scores_overflow(penalty: float) -> None:
    sampler = Sampler(plain(repetition_penalty=penalty), vocab_size=2)
    assert sampler.draw(array(3e38, -3e38), [0, 1]) in (0, 1)


def test_padding_rows_are_never_drawn() -> None:
    sampler = Sampler(plain(temperature=0.0), vocab_size=2)
    assert sampler.draw(array(1, 2, 99), []) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_an_error(bad: float) -> None:
    sampler = Sampler(Sampling(), vocab_size=3)
    with pytest.raises(NotFinite, match="1 of 3 logits"):
        sampler.draw(array(0, bad, 1), [])
