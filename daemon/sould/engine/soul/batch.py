"""Gradients of a soul from many short sequences that begin alike.

Legend: T tokens of the whole micro-batch, the prefix first, D d_model, P positions with a target.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.attention import Continued
from sould.engine.soul.computed import Asked, Below
from sould.engine.soul.forward import Run, Share, Worn, attention, norm, shared
from sould.engine.soul.products import Interrupted, Observe, Products
from sould.engine.soul.targets import Target, head_loss
from sould.engine.soul.weights import MATRICES, MatrixName, Soul, opening


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sequence after the prefix, and what it is held to.

    ``target``: over the token at each of ``positions``, which count in ``ids`` (0 needs a
    prefix). What follows the last position is not computed. ``weight``: of each position's loss,
    of all alike or one for each.
    """

    ids: Sequence[int]
    positions: Sequence[int]
    target: Target
    weight: float | Sequence[float] = 1.0

    @property
    def weights(self) -> Sequence[float]:
        """The weight of each position's loss."""
        if isinstance(self.weight, float):
            return [self.weight] * len(self.positions)
        return self.weight


@dataclass(frozen=True, kw_only=True)
class Learned:
    """``gradients``: of Σ weight · loss, by the names of ``Soul.tensors(part)``.

    ``losses``: of each row, summed over its positions, unweighted; ``worst``: the highest of them.
    ``tokens``: of prefix and rows, up to where the last targets are predicted from.
    """

    gradients: dict[str, Tensor]
    losses: list[float]
    worst: list[float]
    tokens: int

    def and_also(self, other: Learned) -> Learned:
        """Return what one micro-batch of both would have come to, up to rounding; the prefix counts
        twice.
        """
        return Learned(
            gradients={name: one + other.gradients[name] for name, one in self.gradients.items()},
            losses=[*self.losses, *other.losses],
            worst=[*self.worst, *other.worst],
            tokens=self.tokens + other.tokens,
        )


def learned_in_parts(
    learn_some: Callable[[Sequence[Row]], Learned], rows: Sequence[Row]
) -> Generator[None, None, Learned]:
    """Return what ``learn_some`` finds of all rows: of half as many at a time whenever it is
    interrupted, and it yields then. The sum over them is the same, up to rounding.
    """
    done: Learned | None = None
    left, size = rows, len(rows)
    while left or done is None:
        try:
            some = learn_some(left[:size])
        except Interrupted:
            size = max(1, size // 2)
            yield
        else:
            done, left = done.and_also(some) if done else some, left[size:]
    return done


def learn(
    decoder: Decoder,
    soul: Soul,
    part: str,
    prefix: Sequence[int],
    rows: Sequence[Row],
    *,
    should_yield: Callable[[], bool] = lambda: False,
    below: Below | None = None,
    asked: Asked | None = None,
    observe: Observe = lambda layer, name, x_TI, g_TO: None,
) -> Learned:
    """Return the gradients of one part of ``soul`` for one micro-batch; changes nothing.

    The prefix is computed once and gradients flow through it. ``should_yield`` is asked before
    every matrix product, forward and back. ``below``: the layers under its first one do not
    learn, their gradients are zero, and what they make of a row is computed once. ``asked``: nor is
    anything learned, or open, before the token that the first target of each row is predicted
    from; what the body makes of all that is computed once, too. ``below`` is not looked at then.
    ``observe``: see Products.
    Equals ``naive.learn`` up to rounding (tests/contract/test_soul_batch.py).

    Raises:
        Interrupted: ``should_yield`` said so.
        ValueError: a row has no token before a position, or targets or weights of another number.
    """
    for row in rows:
        _check(row, bool(prefix) and asked is None)
    products = Products(decoder, should_yield, observe)
    leaves = _Leaves(soul, part, decoder.devices)
    with torch.enable_grad():
        x_PD = (
            hidden(decoder, leaves, products, prefix, rows, below=below)
            if asked is None
            else spoken(decoder, leaves, products, prefix, rows, asked)
        )
        losses_P = _losses(decoder, products, x_PD, rows)
        counts = [len(row.positions) for row in rows]
        weights_P = torch.tensor([weight for row in rows for weight in row.weights])
        loss = losses_P @ weights_P.to(losses_P.device)
        grads = torch.autograd.grad(loss, leaves.tensors, materialize_grads=True)
    of_rows = torch.split(losses_P.detach().cpu(), counts)
    return Learned(
        gradients=leaves.gradients(grads),
        losses=[float(loss_n.sum()) for loss_n in of_rows],
        worst=[float(loss_n.max()) for loss_n in of_rows],
        tokens=len(prefix) + sum(row.positions[-1] for row in rows),
    )


def hidden(
    decoder: Decoder,
    share: Share,
    products: Products,
    prefix: Sequence[int],
    rows: Sequence[Row],
    *,
    below: Below | None = None,
) -> Tensor:
    """Return the normed residual stream that the targets are predicted from, (P, D)."""
    texts = _texts(rows)
    run = Run(decoder, share, products)
    if below is None:
        x_TD, first = run.embedded(prefix, texts), 0
    else:
        x_TD, first = below.stream(run, tuple(prefix), texts), below.first
    layout = shared(decoder, prefix, texts)
    x_TD = run.layers(x_TD, layout, range(first, len(decoder.layers)))
    wanted = _wanted(len(prefix), [row.positions for row in rows], [len(text) for text in texts])
    return norm(decoder, x_TD[wanted.to(x_TD.device)], decoder.final_norm)


def spoken(
    decoder: Decoder,
    share: Share,
    products: Products,
    prefix: Sequence[int],
    rows: Sequence[Row],
    asked: Asked,
) -> Tensor:
    """Return what :func:`hidden` does if no rank is open before the token that the first target of
    each row is predicted from; only what comes from there on is computed.
    """
    texts, cuts = _texts(rows), [row.positions[0] - 1 for row in rows]
    run = Run(decoder, share, products)
    x_TD, pasts = asked.before(run, tuple(prefix), texts, cuts)
    sizes = [len(text) - cut for text, cut in zip(texts, cuts, strict=True)]
    layout = Continued(decoder.spec, pasts, sizes)
    x_TD = run.layers(x_TD, layout, range(asked.first, len(decoder.layers)))
    positions = [[p - cut for p in row.positions] for row, cut in zip(rows, cuts, strict=True)]
    wanted = _wanted(0, positions, sizes)
    return norm(decoder, x_TD[wanted.to(x_TD.device)], decoder.final_norm)


@torch.no_grad()
def scope_inputs(
    decoder: Decoder,
    share: Share,
    products: Products,
    prefix: Sequence[int],
    rows: Sequence[Row],
    below: Below,
) -> Tensor:
    """Return what goes into the MLP of layer ``below.first`` where the rows' targets are predicted
    from, (P, D) on the CPU. ``share``: what it has below that layer is all that counts.
    """
    texts = _texts(rows)
    x_TD = below.stream(Run(decoder, share, products), tuple(prefix), texts)
    layout = shared(decoder, prefix, texts)
    x_TD = x_TD.to(decoder.devices[below.first])
    x_TD = x_TD + attention(decoder, below.first, x_TD, layout, products)
    h_TD = norm(decoder, x_TD, decoder.layers[below.first].mlp_norm).cpu()
    positions = [row.positions for row in rows]
    return h_TD[_wanted(len(prefix), positions, [len(text) for text in texts])]


@torch.no_grad()
def inputs_of_layers(
    decoder: Decoder, products: Products, prefix: Sequence[int], rows: Sequence[Row], layers: range
) -> list[Tensor]:
    """Return of each row what goes into the MLPs of some layers of the bare body where its only
    target is predicted from, (N, D) on the CPU.
    """
    texts = _texts(rows)
    run = Run(decoder, Worn(decoder.spec, None), products)
    layout = shared(decoder, prefix, texts)
    wanted = _wanted(len(prefix), [row.positions for row in rows], [len(text) for text in texts])
    x_TD = run.layers(run.embedded(prefix, texts), layout, range(layers.start))
    found = []
    for i in layers:
        x_TD = x_TD.to(decoder.devices[i])
        h_TD = x_TD + attention(decoder, i, x_TD, layout, products)
        found.append(norm(decoder, h_TD, decoder.layers[i].mlp_norm).cpu()[wanted])
        if i + 1 in layers:
            x_TD = run.layers(x_TD, layout, range(i, i + 1))
    return [*torch.stack(found, 1)]


class _Leaves:
    """The ranks of a soul that take part in learning ``part``, as leaves of the graph, each on the
    device of its layer.
    """

    def __init__(self, soul: Soul, part: str, devices: Sequence[torch.device]) -> None:
        mine, used = soul.rows(part), soul.used or soul.rows(part)
        start = min(mine.start, used.start)
        rows = slice(start, max(mine.stop, used.stop))
        self._mine = slice(mine.start - start, mine.stop - start)
        self._scope = soul.scope[rows].clone()
        self.reads = soul.reads
        self._pairs = {}
        spans = [(device, len([*some])) for device, some in groupby(devices)]
        for name in MATRICES:
            start = 0
            for device, count in spans:
                layers = slice(start, start + count)
                a_NRI, b_NRO = (side[name][layers, rows].to(device) for side in (soul.a, soul.b))
                for i, (a_RI, b_RO) in enumerate(zip(a_NRI, b_NRO, strict=True), start):
                    pair = (a_RI.detach().requires_grad_(), b_RO.detach().requires_grad_())
                    self._pairs[i, name] = pair
                start += count
        self.tensors = [side for pair in self._pairs.values() for side in pair]

    def pair(self, layer: int, name: MatrixName, device: torch.device) -> tuple[Tensor, Tensor]:
        a_RI, b_RO = self._pairs[layer, name]
        assert a_RI.device == device, "a layer's ranks are on its device"
        return a_RI, b_RO

    def opening(self, x_TD: Tensor) -> Tensor:
        return opening(x_TD, self._scope)

    def gradients(self, grads: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return what belongs to the part, stacked by layer; ``grads``: one for each leaf."""
        by_name: dict[str, list[Tensor]] = {}
        for (_, name), a_RI, b_RO in zip(self._pairs, grads[::2], grads[1::2], strict=True):
            by_name.setdefault(f"{name}.a", []).append(a_RI[self._mine])
            by_name.setdefault(f"{name}.b", []).append(b_RO[self._mine])
        return {key: _stacked(parts) for key, parts in by_name.items()}


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Return tensors of all layers as one on the CPU: of one device with one copy."""
    devices = {part.device for part in parts}
    return torch.stack([*parts] if len(devices) == 1 else [part.cpu() for part in parts]).cpu()


def _texts(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """Return of each row what is computed."""
    return [tuple(row.ids[: row.positions[-1]]) for row in rows]


def _wanted(prefix: int, positions: Sequence[Sequence[int]], sizes: Sequence[int]) -> Tensor:
    """Return where in T the targets are predicted from: one before each position."""
    found, start = [], prefix
    for some, size in zip(positions, sizes, strict=True):
        found += [start + p - 1 if p else prefix - 1 for p in some]
        start += size
    return torch.tensor(found)


def _losses(decoder: Decoder, products: Products, x_PD: Tensor, rows: Sequence[Row]) -> Tensor:
    """Return the loss of every position, (P,). Targets that name as many tokens go together."""
    k_P = torch.tensor([row.target.ids.shape[1] for row in rows for _ in row.positions])
    losses, where = [], []
    for k in sorted(set(k_P.tolist())):
        index_P = (k_P == k).nonzero()[:, 0].to(x_PD.device)
        target = Target.joined([row.target for row in rows if row.target.ids.shape[1] == k])
        losses.append(head_loss(x_PD[index_P], target, decoder.head, products))
        where.append(index_P)
    return torch.cat(losses)[torch.cat(where).argsort()]


def _check(row: Row, has_prefix: bool) -> None:
    first = row.positions[0] if row.positions else -1
    is_sorted = list(row.positions) == sorted(set(row.positions))
    if first < (0 if has_prefix else 1) or not is_sorted or row.positions[-1] >= len(row.ids):
        raise ValueError(
            f"positions {list(row.positions)} of {len(row.ids)} tokens: they must rise, have a "
            "token before the first, and end within the row"
        )
    for what, count in (("targets", len(row.target.ids)), ("weights", len(row.weights))):
        if count != len(row.positions):
            raise ValueError(f"{count} {what} for {len(row.positions)} positions")
