"""Gradients of a soul from many short sequences that begin alike.

Legend: T tokens of the whole micro-batch, the prefix first, D d_model, P positions with a target.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.decoder import Decoder
from sould.engine.soul.attention import Continued, Layout, Shared
from sould.engine.soul.products import Observe, Products, frozen_linear, learning_mlp
from sould.engine.soul.targets import Target, head_loss
from sould.engine.soul.weights import MATRICES, MatrixName, Soul, matrix_sizes, opening, scope_layer
from sould.engine.spec import BodySpec

T = TypeVar("T")
Text = tuple[tuple[int, ...], tuple[int, ...]]  # a prefix and what follows it


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

    ``losses``: of each row, summed over its positions, unweighted. ``tokens``: of prefix
    and rows, up to where the last targets are predicted from.
    """

    gradients: dict[str, Tensor]
    losses: list[float]
    tokens: int


class Share(Protocol):
    """What a soul adds to a body."""

    def pair(self, layer: int, name: MatrixName) -> tuple[Tensor, Tensor]:
        """Return A_RI and B_RO, where gradients end."""
        ...

    def opening(self, x_TD: Tensor) -> Tensor | None:
        """Return how far these ranks are open to tokens, (T, R), None to all; see ``Soul``."""
        ...


class Worn:
    """The share of a soul; of rank 1 and zero for an empty one, or none."""

    def __init__(self, spec: BodySpec, soul: Soul | None) -> None:
        self._soul = soul
        self._nothing = {
            name: (torch.zeros(1, n_in), torch.zeros(1, n_out))
            for name, (n_in, n_out) in matrix_sizes(spec).items()
        }

    def pair(self, layer: int, name: MatrixName) -> tuple[Tensor, Tensor]:
        found = None if self._soul is None else self._soul.pair(layer, name)
        return self._nothing[name] if found is None else found

    def opening(self, x_TD: Tensor) -> Tensor | None:
        return None if self._soul is None else self._soul.opening(x_TD)


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
    leaves = _Leaves(soul, part)
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
    return Learned(
        gradients=leaves.gradients(grads),
        losses=[float(part_n.sum()) for part_n in torch.split(losses_P.detach(), counts)],
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
    run = _Run(decoder, share, products)
    if below is None:
        x_TD, first = run.embedded(prefix, texts), 0
    else:
        x_TD, first = below.stream(run, tuple(prefix), texts), below.first
    layout = _shared(decoder, prefix, texts)
    x_TD = run.layers(x_TD, layout, range(first, len(decoder.layers)))
    wanted = _wanted(len(prefix), [row.positions for row in rows], [len(text) for text in texts])
    return _norm(decoder, x_TD[wanted.to(x_TD.device)], decoder.final_norm)


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
    run = _Run(decoder, share, products)
    x_TD, pasts = asked.before(run, tuple(prefix), texts, cuts)
    sizes = [len(text) - cut for text, cut in zip(texts, cuts, strict=True)]
    layout = Continued(decoder.spec, pasts, sizes)
    x_TD = run.layers(x_TD, layout, range(asked.first, len(decoder.layers)))
    positions = [[p - cut for p in row.positions] for row, cut in zip(rows, cuts, strict=True)]
    wanted = _wanted(0, positions, sizes)
    return _norm(decoder, x_TD[wanted.to(x_TD.device)], decoder.final_norm)


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
    x_TD = below.stream(_Run(decoder, share, products), tuple(prefix), texts)
    layout = _shared(decoder, prefix, texts)
    x_TD = x_TD.to(decoder.devices[below.first])
    x_TD = x_TD + _attention(decoder, below.first, x_TD, layout, products)
    h_TD = _norm(decoder, x_TD, decoder.layers[below.first].mlp_norm).cpu()
    positions = [row.positions for row in rows]
    return h_TD[_wanted(len(prefix), positions, [len(text) for text in texts])]


class _Run:
    """Layers of a decoder with a soul's share, over a prefix and the texts that follow it."""

    def __init__(
        self,
        decoder: Decoder,
        share: Share,
        products: Products,
    ) -> None:
        self.decoder = decoder
        self._share = share
        self._products = products

    def bare(self) -> _Run:
        """Return the same without a soul."""
        return _Run(self.decoder, Worn(self.decoder.spec, None), self._products)

    def embedded(self, prefix: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
        ids = [*prefix, *(i for text in texts for i in text)]
        decoder = self.decoder
        return decoder.embed.gather(torch.tensor(ids, device=decoder.devices[0]))

    def layers(self, x_TD: Tensor, layout: Layout, which: range) -> Tensor:
        decoder, products = self.decoder, self._products
        opening_TR: Tensor | None = None
        for i in which:
            device = decoder.devices[i]
            x_TD = x_TD.to(device)
            x_TD = x_TD + _attention(decoder, i, x_TD, layout, products)
            sides = [side.to(device) for name in MATRICES for side in self._share.pair(i, name)]
            h_TD = _norm(decoder, x_TD, decoder.layers[i].mlp_norm)
            if i == scope_layer(decoder.spec):
                opening_TR = self._share.opening(h_TD)
            if opening_TR is not None:
                opening_TR = opening_TR.to(device)
            x_TD = x_TD + learning_mlp(h_TD, sides, opening_TR, decoder.layers[i], products)
        return x_TD


class Below:
    """What the layers under ``first`` make of prefixes and rows, for as long as they stay as
    they are: of a soul's part that has no share there. Kept are ``most_bytes``, the newest.
    """

    def __init__(self, first: int, most_bytes: int = 1 << 26) -> None:
        self.first = first
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Text, Tensor] = OrderedDict()

    def stream(
        self, run: _Run, prefix: tuple[int, ...], texts: Sequence[tuple[int, ...]]
    ) -> Tensor:
        """Return the residual stream before layer ``first``, (T, D): the prefix, then the texts."""
        keys = [(prefix, ()), *((prefix, text) for text in texts)]
        unknown = dict.fromkeys(text for _, text in keys if (prefix, text) not in self._kept)
        if unknown:
            self._compute(run, prefix, [text for text in unknown if text])
        for key in keys:
            self._kept.move_to_end(key)
        x_TD = torch.cat([self._kept[key] for key in keys])
        _forget(self._kept, self._most_bytes, lambda x_TD: x_TD.nbytes)
        return x_TD

    @torch.no_grad()
    def _compute(self, run: _Run, prefix: tuple[int, ...], texts: list[tuple[int, ...]]) -> None:
        layout = _shared(run.decoder, prefix, texts)
        x_TD = run.layers(run.embedded(prefix, texts), layout, range(self.first))
        parts = torch.split(x_TD, [len(prefix), *map(len, texts)])
        for text, part in zip([(), *texts], parts, strict=True):
            self._kept[prefix, text] = part.clone()


class Asked:
    """What the body makes of what comes before replies, as no soul is open to it: keys and values
    of the layers from ``below.first`` up, in 16 bits, for as long as the layers under it stay as
    they are. Kept are ``most_bytes``, the newest.
    """

    def __init__(self, below: Below, most_bytes: int = 1 << 28) -> None:
        self._below = below
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Text, list[Tensor]] = OrderedDict()

    @property
    def first(self) -> int:
        """The first layer that is learned."""
        return self._below.first

    def before(
        self,
        run: _Run,
        prefix: tuple[int, ...],
        texts: Sequence[tuple[int, ...]],
        cuts: Sequence[int],
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Return the residual stream before layer ``first`` from the cut of each text on, (T, D);
        and for each layer from there up what every text has before its cut, (2, L, K, E).
        """
        x_TD = self._below.stream(run, prefix, texts)
        x_PD, *rows = torch.split(x_TD, [len(prefix), *map(len, texts)])
        cut_texts = [text[:cut] for text, cut in zip(texts, cuts, strict=True)]
        begun = {text: x[: len(text)] for text, x in zip(cut_texts, rows, strict=True) if text}
        unknown = [text for text in begun if (prefix, text) not in self._kept]
        if unknown or (prefix, ()) not in self._kept:
            x_TD = torch.cat([x_PD, *(begun[text] for text in unknown)])
            self._compute(run, prefix, unknown, x_TD)
        first, pasts = self._kept[prefix, ()], []
        for text in cut_texts:
            own = self._kept[prefix, text] if text else [x[:, :0] for x in first]
            pasts.append([torch.cat(pair, 1).float() for pair in zip(first, own, strict=True)])
        for text in ((), *begun):
            self._kept.move_to_end((prefix, text))
        _forget(self._kept, self._most_bytes, lambda layers: sum(x.nbytes for x in layers))
        spoken = [x[len(text) :] for text, x in zip(cut_texts, rows, strict=True)]
        return torch.cat(spoken), [list(layer) for layer in zip(*pasts, strict=True)]

    @torch.no_grad()
    def _compute(
        self, run: _Run, prefix: tuple[int, ...], texts: list[tuple[int, ...]], x_TD: Tensor
    ) -> None:
        layout = _shared(run.decoder, prefix, texts)
        layout.kept = []
        run.bare().layers(x_TD, layout, range(self.first, len(run.decoder.layers)))
        for n, text in enumerate([(), *texts]):
            self._kept[prefix, text] = [torch.stack((k[n], v[n])).half() for k, v in layout.kept]


def _forget(kept: OrderedDict[Text, T], most_bytes: int, size: Callable[[T], int]) -> None:
    """Leave out the oldest until what is kept is no larger than that."""
    total = sum(map(size, kept.values()))
    while total > most_bytes:
        total -= size(kept.popitem(last=False)[1])


class _Leaves:
    """The ranks of a soul that take part in learning ``part``, as leaves of the graph."""

    def __init__(self, soul: Soul, part: str) -> None:
        mine, used = soul.rows(part), soul.used or soul.rows(part)
        start = min(mine.start, used.start)
        rows = slice(start, max(mine.stop, used.stop))
        self._mine = slice(mine.start - start, mine.stop - start)
        self._scope = soul.scope[rows].clone()
        self._pairs = {
            (i, name): (
                soul.a[name][i, rows].detach().requires_grad_(),
                soul.b[name][i, rows].detach().requires_grad_(),
            )
            for name in MATRICES
            for i in range(soul.spec.n_layers)
        }
        self.tensors = [side for pair in self._pairs.values() for side in pair]

    def pair(self, layer: int, name: MatrixName) -> tuple[Tensor, Tensor]:
        return self._pairs[layer, name]

    def opening(self, x_TD: Tensor) -> Tensor:
        return opening(x_TD, self._scope)

    def gradients(self, grads: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return what belongs to the part, stacked by layer; ``grads``: one for each leaf."""
        by_name: dict[str, list[Tensor]] = {}
        for (_, name), a_RI, b_RO in zip(self._pairs, grads[::2], grads[1::2], strict=True):
            by_name.setdefault(f"{name}.a", []).append(a_RI[self._mine])
            by_name.setdefault(f"{name}.b", []).append(b_RO[self._mine])
        return {key: torch.stack(parts) for key, parts in by_name.items()}


def _texts(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """Return of each row what is computed."""
    return [tuple(row.ids[: row.positions[-1]]) for row in rows]


def _attention(
    decoder: Decoder, i: int, x_TD: Tensor, layout: Layout, products: Products
) -> Tensor:
    layer, spec = decoder.layers[i], decoder.spec
    h_TD = _norm(decoder, x_TD, layer.attn_norm)
    q, k, v = (
        frozen_linear(h_TD, weight, bias, products).view(len(h_TD), -1, spec.head_dim)
        for weight, bias in (
            (layer.q, layer.q_bias),
            (layer.k, layer.k_bias),
            (layer.v, layer.v_bias),
        )
    )
    if layer.q_norm is not None and layer.k_norm is not None:
        q, k = _norm(decoder, q, layer.q_norm), _norm(decoder, k, layer.k_norm)
    out_TQ = layout.attend(layout.rotated(q), layout.rotated(k), v, decoder.windows[i])
    if layer.attn_sub_norm is not None:
        out_TQ = _norm(decoder, out_TQ, layer.attn_sub_norm)
    return frozen_linear(out_TQ, layer.o, layer.o_bias, products)


def _norm(decoder: Decoder, x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, decoder.spec.norm_eps)


def _shared(decoder: Decoder, prefix: Sequence[int], texts: Sequence[Sequence[int]]) -> Shared:
    return Shared(decoder.spec, len(prefix), [len(text) for text in texts])


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
