"""How well any body foretells a text, and what it keeps of a passage that it has read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sould.engine.native.decoder import STEP_TOKENS, NativeDecoder
from sould.engine.runner import Runner
from sould.training.evaluation import Marks, marks_of, starts_of
from sould.training.tokens import Ids

PASSAGE_TOKENS = 128


@dataclass(frozen=True, kw_only=True)
class TextMarks(Marks):
    """``recall``: the share of a passage's tokens that are foretold right (the likeliest one is the
    one that comes) where it has just been read; ``first``: where it has not.
    """

    recall: float
    first: float


def measure(
    runner: Runner,
    ids: Ids,
    *,
    window: int,
    most: int,
    is_still: bool = False,
    on_window: Callable[[int, int], None] = lambda done, total: None,
) -> TextMarks:
    """Return the marks of a body on up to ``most`` windows of text, spread over all of it.

    Each window begins as a text does. ``is_still``: the states of a native body learn nothing.
    """
    nats, again, first = [], [], []
    starts = starts_of(len(ids), window, most)
    for done, start in enumerate(starts, 1):
        cut = [int(one) for one in ids[start : start + window + 1]]
        nats.append(_foretold(runner, cut, is_still)[0])
        passage = cut[: min(PASSAGE_TOKENS, window // 2)]
        _, is_right_T = _foretold(runner, passage * 2, is_still)
        first.append(is_right_T[: len(passage) - 1])
        again.append(is_right_T[len(passage) :])
        on_window(done, len(starts))
    of_windows = marks_of(torch.stack(nats))
    return TextMarks(
        nats=of_windows.nats,
        by_position=of_windows.by_position,
        recall=float(torch.cat(again).float().mean()),
        first=float(torch.cat(first).float().mean()),
    )


def _foretold(runner: Runner, ids: Sequence[int], is_still: bool) -> tuple[Tensor, Tensor]:
    """Return of each token but the first -ln p, and whether it was the likeliest; (T - 1,)."""
    nats, is_right, at = [], [], 1
    for logits_TV in _logits(runner, ids[:-1], is_still):
        wanted_T = torch.tensor(ids[at : at + len(logits_TV)])
        picked_T = logits_TV.gather(-1, wanted_T[:, None])[:, 0]
        nats.append(logits_TV.logsumexp(-1) - picked_T)
        is_right.append(logits_TV.argmax(-1) == wanted_T)
        at += len(logits_TV)
    return torch.cat(nats), torch.cat(is_right)


def _logits(runner: Runner, ids: Sequence[int], is_still: bool) -> Iterator[Tensor]:
    """Yield f32 logits (T, V) after each token of a text, some tokens at a time."""
    pieces = [ids[i : i + STEP_TOKENS] for i in range(0, len(ids), STEP_TOKENS)]
    if isinstance(runner, NativeDecoder):
        carries = runner.begin()
        for piece in pieces:
            x_TD, carries = runner.read(list(piece), carries, boost=0.0 if is_still else 1.0)
            yield runner.model.logits(x_TD)
        return
    cache = runner.new_cache(len(ids))
    for piece in pieces:
        logits_TV = runner.forward(list(piece), cache, want="all")
        assert logits_TV is not None
        yield logits_TV.float().cpu()
