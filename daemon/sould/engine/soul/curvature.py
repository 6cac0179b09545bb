"""How much a change of a soul would change what the body says of other things.

For a small change ΔW of a matrix, KL(body ‖ body + soul) at the anchors is ½ Σ (gᵀ ΔW x)² over
their tokens: x is what goes into the matrix, g the slope, at what comes out of it, of ln p of
tokens drawn from what the body expects (the Fisher information). The mean of xxᵀ ⊗ ggᵀ is taken
apart into E[xxᵀ] ⊗ E[ggᵀ] (K-FAC, arXiv:1503.05671; against forgetting: arXiv:1805.07810), every
matrix counts for itself, and of what is as wide as the MLP only the diagonal is kept. So one look
at the bank tells, in every step of learning and for next to nothing, what all of it would feel.

Legend: N layers that learn, R rank, D d_model, F d_ff, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.anchors import Anchor
from sould.engine.soul.batch import Row, learn
from sould.engine.soul.computed import Below
from sould.engine.soul.kept import keep_tensors, kept_tensors
from sould.engine.soul.products import Interrupted
from sould.engine.soul.scope import Moments
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import FAST, MATRICES, MatrixName, Soul
from sould.engine.spec import BodySpec
from sould.engine.weights import LayerWeights

Axes = Mapping[str, Tensor]
OUTSIDE = ("all", "asked", "begun", "prose")
INPUTS: Mapping[MatrixName, str] = {"gate": "wide.in", "up": "wide.in", "down": "down.in"}


class Curvature:
    """The curvature at the tokens it was shown, of the layers from ``first`` on.

    ``sums``: of xxᵀ and ggᵀ over all tokens, (N, D, D), or of their squares, (N, F). ``outside``:
    of what went into the first of these MLPs, where a soul is to be silent: at ``all`` tokens, the
    prefix included; at what is ``asked`` in chats, where replies are ``begun``, and at ``prose``.
    """

    def __init__(self, spec: BodySpec, first: int) -> None:
        self.first = first
        n, wide, inner = spec.n_layers - first, spec.d_model, spec.d_ff
        self.sums = {
            "wide.in": torch.zeros(n, wide, wide),
            "down.in": torch.zeros(n, inner),
            "gate.out": torch.zeros(n, inner),
            "up.out": torch.zeros(n, inner),
            "down.out": torch.zeros(n, wide, wide),
        }
        self.outside = {kind: Moments.none(wide) for kind in OUTSIDE}
        self.tokens = 0
        self.positions = 0

    @torch.no_grad()
    def slopes(
        self, weights: Mapping[str, Tensor], together: Tensor | None = None
    ) -> tuple[float, dict[str, Tensor]]:
        """Return the KL a position that a part of a soul is expected to cost, and its gradients.

        ``weights``: as ``Soul.tensors`` has them, of the layers from ``first`` on. ``together``:
        (R, R), 1 for ranks that are open at the same time, and add up, 0 for others; None: all
        are. Without anything seen it is zero.
        """
        scale, total = 1.0 / max(1, self.tokens * self.positions), 0.0
        gradients = {}
        for name in MATRICES:
            a_NRI, b_NRO = weights[f"{name}.a"], weights[f"{name}.b"]
            a_in = times(a_NRI, self.sums[INPUTS[name]])
            b_out = times(b_NRO, self.sums[f"{name}.out"])
            a_NRR, b_NRR = scale * (a_in @ a_NRI.mT), b_out @ b_NRO.mT
            if together is not None:
                a_NRR, b_NRR = a_NRR * together, b_NRR * together
            total += 0.5 * float((a_NRR * b_NRR).sum())
            gradients[f"{name}.a"] = scale * (b_NRR @ a_in)
            gradients[f"{name}.b"] = a_NRR @ b_out
        return total, gradients

    def axes(self, damping: float) -> Generator[None, None, Axes]:
        """Return coordinates in which every direction is felt alike: of each side of each matrix
        the inverse root of its second moment, (N, X, X) or (N, X), with ``damping`` times the
        mean added to it. Sizes are such that what is drawn at random is felt as before.

        Yields after each root, some 20 ms at D = 576.
        """
        found = {}
        for key, sums in self.sums.items():
            if sums.dim() == 2:
                found[key] = _scaled(sums, damping)
                continue
            roots = []
            for i in range(len(sums)):
                values, vectors = torch.linalg.eigh(sums[i])
                roots.append((vectors * _scaled(values, damping)) @ vectors.T)
                yield
            found[key] = torch.stack(roots)
        return {
            f"{name}.{side}": found[key]
            for name in MATRICES
            for side, key in (("a", INPUTS[name]), ("b", f"{name}.out"))
        }

    def clear(self) -> None:
        """Forget all that was seen."""
        for sums in self.sums.values():
            sums.zero_()
        for kind, moments in self.outside.items():
            self.outside[kind] = Moments.none(len(moments.sums))
        self.tokens = self.positions = 0

    def add(self, seen: Curvature) -> None:
        """Count what another one has seen, too."""
        for key, sums in seen.sums.items():
            self.sums[key] += sums
        for kind, moments in self.outside.items():
            moments.add(seen.outside[kind])
        self.tokens += seen.tokens
        self.positions += seen.positions


class Surveyor:
    """Looks at anchors of a body. ``should_yield``: somebody wants the body now."""

    def __init__(
        self,
        decoder: Decoder,
        chat_prefix: Sequence[int],
        *,
        first: int,
        should_yield: Callable[[], bool],
        seed: int = 0,
    ) -> None:
        self._decoder = decoder
        self._chat_prefix = chat_prefix
        self._first = first
        self._below = Below(first)
        self._bare = Soul(decoder.spec, ranks={FAST: 1}, reads=first)
        self._should_yield = should_yield
        self._generator = torch.Generator().manual_seed(seed)

    def steps(self, anchors: Sequence[Anchor], onto: Curvature) -> Generator[None, None, None]:
        """Add what some anchors feel to ``onto``; yields where it was interrupted."""
        for is_chat in (True, False):
            rows = [self._row(anchor) for anchor in anchors if anchor.is_chat is is_chat]
            if rows:
                prefix = self._chat_prefix if is_chat else []
                yield from self._see(prefix, rows, onto)
                yield

    def _see(
        self, prefix: Sequence[int], rows: Sequence[Row], onto: Curvature
    ) -> Generator[None, None, None]:
        left, size = rows, len(rows)
        while left:
            try:
                seen = self._look(prefix, left[:size], is_first=left is rows)
            except Interrupted:
                size = max(1, size // 2)
                yield
            else:
                onto.add(seen)
                left = left[size:]

    def _look(self, prefix: Sequence[int], rows: Sequence[Row], *, is_first: bool) -> Curvature:
        """Return the curvature at some rows; the prefix, which all of them share, is left out, but
        of what is ``outside`` scopes with the first ones.
        """
        seen = Curvature(self._decoder.spec, self._first)
        where = {id(layer): i - self._first for i, layer in enumerate(self._decoder.layers)}
        counted = slice(None) if is_first else slice(len(prefix), None)
        kinds: dict[str, Tensor | slice] = {"all": counted}
        if prefix:
            kinds["asked"] = _where_asked(len(prefix), rows)
            kinds["begun"] = _where_begun(len(prefix), rows)
        else:
            kinds["prose"] = slice(None)

        def observe(layer: LayerWeights, name: MatrixName, x_TI: Tensor, g_TO: Tensor) -> None:
            i = where[id(layer)]
            if i == 0 and name == "gate":
                for kind, tokens in kinds.items():
                    seen.outside[kind].see(x_TI[tokens])
            if name != "up":  # gate had the same input
                _accumulate(seen.sums[INPUTS[name]][i], x_TI[len(prefix) :])
            _accumulate(seen.sums[f"{name}.out"][i], g_TO[len(prefix) :])

        learned = learn(
            self._decoder,
            self._bare,
            FAST,
            prefix,
            rows,
            should_yield=self._should_yield,
            below=self._below,
            observe=observe,
        )
        seen.tokens = learned.tokens - len(prefix)
        seen.positions = sum(len(row.positions) for row in rows)
        return seen

    def _row(self, anchor: Anchor) -> Row:
        """Hold an anchor's positions to tokens drawn from what the body expects there."""
        target = anchor.target
        drawn = torch.multinomial(target.p, 1, generator=self._generator)
        ids = target.ids.gather(1, drawn)[:, 0].tolist()
        return Row(ids=anchor.line.ids, positions=anchor.line.positions, target=Target.tokens(ids))


def store(path: Path, curvature: Curvature, key: str) -> None:
    """Keep it in a file of the cache, under a key that says what it was made of."""
    seen = [moments.count for moments in curvature.outside.values()]
    counts = torch.tensor([curvature.first, curvature.tokens, curvature.positions, *seen])
    keep_tensors(path, {**_tensors(curvature), "counts": counts}, key)


def restore(path: Path, key: str, empty: Curvature) -> Curvature | None:
    """Return what was kept under ``key``, of the shape of ``empty``; None if there is none, or
    it is not sound.
    """
    return kept_tensors(path, key, partial(_filled, empty))


def _filled(empty: Curvature, flat: Mapping[str, Tensor]) -> Curvature:
    first, empty.tokens, empty.positions, *seen = map(int, flat["counts"])
    if first != empty.first or min(empty.tokens, empty.positions, *seen) < 1:
        raise ValueError("it is of other layers, or of nothing")
    for moments, count in zip(empty.outside.values(), seen, strict=True):
        moments.count = count
    for name, sums in _tensors(empty).items():
        if not bool(flat[name].isfinite().all()):
            raise ValueError(f"{name} is not finite")
        sums.copy_(flat[name])
    return empty


def _tensors(curvature: Curvature) -> dict[str, Tensor]:
    found = dict(curvature.sums)
    for kind, moments in curvature.outside.items():
        found |= {f"{kind}.sums": moments.sums, f"{kind}.squares": moments.squares}
    return found


def _where_begun(prefix: int, rows: Sequence[Row]) -> Tensor:
    """Return which tokens of a micro-batch the first of each reply is predicted from."""
    return torch.tensor([start + row.positions[0] - 1 for start, row in _placed(prefix, rows)])


def _where_asked(prefix: int, rows: Sequence[Row]) -> Tensor:
    """Return where in T the tokens are predicted from that come before each row's first position:
    the last one of the prefix as often as there are rows.
    """
    spans = [
        [prefix - 1, *range(start, start + row.positions[0] - 1)]
        for start, row in _placed(prefix, rows)
    ]
    return torch.tensor([at for span in spans for at in span])


def _placed(prefix: int, rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """Yield each row with where in T it begins."""
    starts = accumulate((row.positions[-1] for row in rows), initial=prefix)
    yield from zip(starts, rows, strict=False)


def _accumulate(sums: Tensor, x_TX: Tensor) -> None:
    x_TX = x_TX.detach().float()
    seen = x_TX.T @ x_TX if sums.dim() == 2 else x_TX.square().sum(0)
    sums += seen.to(sums.device)


def times(side_NRX: Tensor, by: Tensor) -> Tensor:
    """Return the side times a symmetric matrix, (N, X, X), or a diagonal one, (N, X)."""
    return side_NRX @ by if by.dim() == 3 else side_NRX * by[:, None]


def _scaled(moments: Tensor, damping: float) -> Tensor:
    """Return (moments + damping · mean)^-½ over the last dimension, times what keeps their sum;
    ones where nothing was seen.
    """
    moments = moments.clamp_min(0)
    floor = torch.finfo(moments.dtype).tiny
    scale = (moments + damping * moments.mean(-1, keepdim=True)).clamp_min(floor).rsqrt()
    felt = (moments * scale.square()).sum(-1, keepdim=True).clamp_min(floor)
    total = moments.sum(-1, keepdim=True)
    return torch.where(total > 0, scale * (total / felt).sqrt(), 1.0)
