"""Draw the next token from the logits.

In this order: repetition penalty → (temperature 0: the likeliest, and done) → top-k →
min-p → top-p → temperature → draw. The penalty looks at what the body has said, in this reply
and before (or a small body answers every question as it did the last); the user's own words,
names above all, stay sayable. The filters judge the body's own distribution, so a high
temperature makes the draw bolder among the tokens that are left and never lets in the tail.
min-p stands before top-p: both cut the tail, and the cheaper one leaves less to sort.

Plain numpy on one thread: torch would wake its thread pool for a few microseconds of work,
and that pool would then spin against the kernel's threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from soul_client.wire import Sampling

Logits = npt.NDArray[np.float32]
Ids = npt.NDArray[np.intp]

_HUGE = float(np.finfo(np.float32).max)


class NotFinite(ArithmeticError):
    """The body computed NaN or infinity."""


class Sampler:
    """One reply's way of drawing tokens. Its random numbers are its own: replies generated
    at the same time do not disturb each other's, and a seed repeats them.

    ``exempt``: ids that the repetition penalty leaves alone (control tokens, the user's words).
    """

    def __init__(self, sampling: Sampling, *, vocab_size: int, exempt: Iterable[int] = ()) -> None:
        self._sampling = sampling
        seed = sampling.seed
        self._rng = np.random.default_rng(None if seed is None else seed % 2**64)
        self._is_exempt = np.zeros(vocab_size, dtype=np.bool_)
        self._is_exempt[list(exempt)] = True

    def draw(self, logits_V: Logits, said: Sequence[int]) -> int:
        """Return the next token id. ``said``: the ids the body has said, oldest first.

        ``logits_V`` stays as it is; ids from ``vocab_size`` up (padding rows) are never drawn.

        Raises:
            NotFinite: a logit is NaN or infinite.
        """
        scores = logits_V[: self._is_exempt.size].astype(np.float32)
        _check_finite(scores)
        self._penalise(scores, said)
        if self._sampling.temperature == 0:
            return int(scores.argmax())
        ids = candidates(scores, self._sampling)
        kept = scores[ids].astype(np.float64)
        with np.errstate(over="ignore"):
            weights = np.exp((kept - kept.max()) / self._sampling.temperature)
        sums = weights.cumsum()
        at = sums.searchsorted(self._rng.random() * sums[-1], side="right")
        return int(ids[min(int(at), ids.size - 1)])

    def _penalise(self, scores: Logits, said: Sequence[int]) -> None:
        penalty, window = self._sampling.repetition_penalty, self._sampling.repetition_window
        if penalty == 1 or window == 0 or not said:
            return
        ids = np.array(said[-window:], dtype=np.intp)
        ids = ids[~self._is_exempt[ids]]
        found = scores[ids].astype(np.float64)
        with np.errstate(over="ignore"):
            changed = np.where(found > 0, found / penalty, found * penalty)
        scores[ids] = changed.clip(-_HUGE, _HUGE)


def candidates(scores_V: Logits, sampling: Sampling) -> Ids:
    """Return the ids that pass the filters.

    Their order, likeliest first after a top-k or top-p cut, else by id, does not hang on
    rounding errors more than the scores do; so a seed repeats a reply in spite of them.
    """
    ids = _top_k(scores_V, sampling.top_k)
    if sampling.min_p > 0:
        scores = scores_V[ids]
        ids = ids[scores >= scores.max() + np.log(sampling.min_p)]
    if sampling.top_p < 1:
        ids = _nucleus(ids, scores_V[ids], sampling.top_p)
    return ids


def _top_k(scores_V: Logits, k: int) -> Ids:
    if k == 0 or k >= scores_V.size:
        return np.arange(scores_V.size)
    ids = np.argpartition(scores_V, scores_V.size - k)[-k:]
    return ids[_descending(ids, scores_V[ids])]


def _nucleus(ids: Ids, scores: Logits, top_p: float) -> Ids:
    """Return the likeliest ids that together reach probability ``top_p``, and no more of them.

    Ids less likely than (1 - top_p)/n weigh less than 1 - top_p together, so the others reach
    ``top_p`` without them: they need not be sorted.
    """
    weights = np.exp(scores.astype(np.float64) - scores.max())
    total = weights.sum()
    likely = np.flatnonzero(weights >= (1 - top_p) / ids.size * total)
    order = likely[_descending(ids[likely], scores[likely])]
    size = int(weights[order].cumsum().searchsorted(top_p * total)) + 1
    return ids[order[:size]]


def _descending(ids: Ids, scores: Logits) -> Ids:
    return np.lexsort((ids, -scores))


def _check_finite(scores: Logits) -> None:
    if not np.isfinite(scores).all():
        bad = int(np.count_nonzero(~np.isfinite(scores)))
        raise NotFinite(f"{bad} of {scores.size} logits are NaN or infinite")
