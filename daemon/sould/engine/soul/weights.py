"""The weights of a soul: ``ΔW = B·A`` beside gate, up and down of every layer of one body.

Legend of the shape suffixes:

=  ==================    =  =====================================
N  layers                I  in features of the matrix
R  ranks of all parts    O  out features of the matrix
=  ==================    =  =====================================

A soul has *parts* (slow and fast) that are learned at different times. Of each matrix they
lie one after the other along the rank, B transposed, so that all parts together, or any
one of them, are one contiguous pair: ``y_O += (o_R ⊙ (x_I · A_RIᵀ)) · B_RO``. Everything is f32,
on the CPU (a GPU has copies), and never merged into the body.

``o_R``, the *opening*, is between 0 and 1 and different for every token: it is read from the token
where the MLP of one layer in the middle begins, by a linear *scope* that was learned, and holds
from there up. Where it is 0 the body says what it would say without a soul, to the last bit. Below
that layer, and with the scope that a new soul has, it is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sould.engine.spec import BodySpec
from sould.engine.weights import CPU, BodyWeights, Weight

MatrixName = Literal["gate", "up", "down"]
MATRICES: tuple[MatrixName, ...] = get_args(MatrixName)
SLOW, FAST = "slow", "fast"
RANKS: Mapping[str, int] = {SLOW: 64, FAST: 8}
WIDE, VOICE = 8, 2  # ranks of the slow part, see Lanes
NORM_SHARE = 0.3  # of the norm of the body's matrix


@dataclass(frozen=True)
class Fault:
    """Why a change was undone. ``where``: the matrix, as in ``layer 3: gate``, or empty."""

    what: Literal["not finite", "over the cap"]
    where: str
    value: float
    limit: float

    @property
    def text(self) -> str:
        """In words, for people."""
        return f"{self.where or 'a weight'} is {self.what}"


@dataclass(frozen=True)
class Slot:
    """Two ranks, as they lie in R. ``begin``: open where an answer begins; ``rest``: and after."""

    begin: int
    rest: int


@dataclass(frozen=True)
class Lanes:
    """Where the ranks of a slow part lie, counted from its first. ``wide``: all that is asked of
    the user has to do with them. ``begins``, ``rests``: of each slot. ``voice``: they learn how the
    user talks. One that is left over lies before these.
    """

    wide: range
    begins: range
    rests: range
    voice: range

    @staticmethod
    def of(rank: int) -> Lanes:
        """Return the lanes of a part of so many ranks."""
        voice = rank - min(VOICE, rank // 4)
        wide = min(WIDE, voice)
        half = (voice - wide) // 2
        begins, rests = range(wide, wide + half), range(wide + half, wide + 2 * half)
        return Lanes(range(wide), begins, rests, range(voice, rank))


@dataclass(frozen=True)
class State:
    """A soul as it was between two changes. Keys and values of one state suit only that one."""

    soul: object
    version: int


class Soul:
    """Low-rank weights for one body. A new one is empty: B is zero, and A random.

    ``ranks``: of each part, in the order they lie in. ``seed``: of the random A, whose numbers
    have deviation in_features^-0.5. ``limits``: matrix → (N,), what ‖B·A‖_F may not pass, see
    :func:`norm_limits`; without them there are none. ``reads``: the layer whose MLP's input
    openings are read from, the first that learns; None is half way.

    ``a``, ``b``: matrix → (N, R, I) and (N, R, O). ``scope``: (R, D + 1), weights and a bias.
    Change them only inside :meth:`change`, so that every change is checked and ``state`` tells of
    it.
    """

    def __init__(
        self,
        spec: BodySpec,
        *,
        ranks: Mapping[str, int] = RANKS,
        seed: int = 0,
        limits: Mapping[MatrixName, Tensor] | None = None,
        reads: int | None = None,
    ) -> None:
        if not ranks or min(ranks.values()) < 1:
            raise ValueError(
                f"ranks {dict(ranks)}: needs one part at least, each of rank 1 or more"
            )
        self.spec = spec
        self.ranks = dict(ranks)
        self.limits = dict(limits or {})
        self.reads = middle_of(spec) if reads is None else reads
        self.a: dict[MatrixName, Tensor] = {}
        self.b: dict[MatrixName, Tensor] = {}
        generator = torch.Generator().manual_seed(seed)
        for name, (n_in, n_out) in matrix_sizes(spec).items():
            shape = (spec.n_layers, sum(self.ranks.values()))
            self.a[name] = torch.randn(*shape, n_in, generator=generator) * n_in**-0.5
            self.b[name] = torch.zeros(*shape, n_out)
        self.scope = wide_open(sum(self.ranks.values()), spec.d_model)
        self._identity = object()
        self._version = 0
        self._used: tuple[int, slice | None] = (0, None)
        self._known_first = (0, self.reads)
        self._copies: tuple[int, dict[tuple[object, ...], Tensor]] = (0, {})

    @property
    def state(self) -> State | None:
        """Changes whenever the weights do; None while the soul is empty, like the bare body's."""
        return None if self.used is None else State(self._identity, self._version)

    @property
    def used(self) -> slice | None:
        """The ranks that do something, without parts before and after whose B is zero."""
        version, rows = self._used
        if version != self._version:
            spans = [self.rows(part) for part in self.ranks if not self.is_empty(part)]
            rows = slice(spans[0].start, spans[-1].stop) if spans else None
            self._used = (self._version, rows)
        return rows

    def pair(
        self, layer: int, name: MatrixName, device: torch.device = CPU
    ) -> tuple[Tensor, Tensor] | None:
        """Return (A_RI, B_RO) of the ranks in use, None for an empty soul. On another ``device``
        they are kept until the soul changes. None also of a layer below :attr:`first`.

        Under autograd, when ``a`` and ``b`` of the matrix ask for gradients: all ranks.
        """
        rows = self._in_use(name)
        if rows is None or (layer < self.first and not self._is_learning(name)):
            return None
        a_RI, b_RO = self.a[name][layer, rows], self.b[name][layer, rows]
        key = (layer, name, rows.start, rows.stop)
        return self._on(device, a_RI, "a", *key), self._on(device, b_RO, "b", *key)

    def opening(self, x_TD: Tensor) -> Tensor | None:
        """Return how far each rank that :meth:`pair` returns is open to each token, (T, R) f32.

        ``x_TD``: what goes into the MLP of layer ``reads``.
        """
        rows = self._in_use("gate")
        if rows is None:
            return None
        scope_RD1 = self._on(x_TD.device, self.scope[rows], "scope", rows.start, rows.stop)
        return opening(x_TD, scope_RD1)

    def rows(self, part: str) -> slice:
        """Return where the part lies in R.

        Raises:
            KeyError: there is no such part.
        """
        size = self.ranks[part]
        start = sum(self.ranks[p] for p in list(self.ranks)[: list(self.ranks).index(part)])
        return slice(start, start + size)

    @property
    def wide(self) -> slice:
        """Where in R the wide ranks are."""
        return self._lane(Lanes.of(self.ranks[SLOW]).wide)

    @property
    def voice(self) -> slice:
        """Where in R the ranks are that learn how the user talks."""
        return self._lane(Lanes.of(self.ranks[SLOW]).voice)

    @property
    def slots(self) -> list[Slot]:
        """The pairs of ranks that are each for a fact of its own, or a few."""
        start, lanes = self.rows(SLOW).start, Lanes.of(self.ranks[SLOW])
        pairs = zip(lanes.begins, lanes.rests, strict=True)
        return [Slot(start + begin, start + rest) for begin, rest in pairs]

    @property
    def first(self) -> int:
        """The layer below which no rank does anything: the one that learning begins with, or 0."""
        version, first = self._known_first
        if version != self._version:
            is_below = any(bool(b[: self.reads].any()) for b in self.b.values())
            first = 0 if is_below else self.reads
            self._known_first = (self._version, first)
        return first

    def read_at(self, layer: int) -> None:
        """Have openings read from another layer; of an empty soul, which has none yet."""
        assert self.used is None, "what was learned was learned for one layer"
        self.reads = layer
        self._known_first = (self._version, layer)

    def is_silent(self, rank: int) -> bool:
        """Tell whether one of all ranks does nothing: its B is zero."""
        return not any(bool(b[:, rank].any()) for b in self.b.values())

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return the part's weights by name, ``gate.a`` (N, r, I) … ``down.b`` (N, r, O): views.

        Raises:
            KeyError: there is no such part.
        """
        rows = self.rows(part)
        found = {f"{name}.a": self.a[name][:, rows] for name in MATRICES}
        return found | {f"{name}.b": self.b[name][:, rows] for name in MATRICES}

    @torch.no_grad()
    def norms(self) -> dict[MatrixName, Tensor]:
        """Return ‖B·A‖_F of every matrix, (N,) f64.

        Exact, by the R×R Gram matrices: ‖B·A‖² = Σ (B·Bᵀ) ⊙ (A·Aᵀ), with B as (R, O).
        """
        return {name: product_norms(self.a[name], self.b[name]) for name in MATRICES}

    @torch.no_grad()
    def change(
        self, update: Callable[[], object], *, part: str | None = None, first: int = 0
    ) -> Fault | None:
        """Run ``update``, which writes into the weights, all of it or nothing. ``part``, ``first``:
        it touches no other part, and no layer below; this alone is looked at.

        Returns why it was undone: a number is not finite, or a matrix passes its limit. If
        ``update`` raises, it is undone too.
        """
        touched = self._touched(slice(None) if part is None else self.rows(part), first)
        before = [t.clone() for t in touched]
        try:
            update()
            fault = self._fault(touched, first)
        except BaseException:
            _restore(touched, before)
            raise
        if fault is not None:
            _restore(touched, before)
            return fault
        self._version += 1
        return None

    def reset(self, part: str, *, seed: int) -> None:
        """Empty one part: B zero, A drawn anew, and open to everything."""
        fresh = Soul(self.spec, ranks={part: self.ranks[part]}, seed=seed)
        fault = self.change(lambda: self.take(part, fresh))
        assert fault is None, fault

    def take(self, part: str, source: Soul) -> None:
        """Write a part of another soul, its scope included, over one's own; inside :meth:`change`.

        Raises:
            KeyError: one of the two has no such part.
        """
        self.scope[self.rows(part)] = source.scope[source.rows(part)]
        theirs = source.tensors(part)
        for name, tensor in self.tensors(part).items():
            tensor.copy_(theirs[name])

    def _lane(self, lane: range) -> slice:
        start = self.rows(SLOW).start
        return slice(start + lane.start, start + lane.stop)

    def _touched(self, rows: slice, first: int) -> list[Tensor]:
        """Return views of everything in some ranks from a layer up."""
        return [
            *(side[first:, rows] for side in (*self.a.values(), *self.b.values())),
            self.scope[rows],
        ]

    def _on(self, device: torch.device, tensor: Tensor, *name: object) -> Tensor:
        """Return a tensor on a device, copied there once for every version of the soul. ``name``
        says which it is.
        """
        if device == CPU or tensor.requires_grad:
            return tensor.to(device)
        version, copies = self._copies
        if version != self._version:
            copies = {}
            self._copies = (self._version, copies)
        key = (device, *name)
        if key not in copies:
            copies[key] = tensor.to(device)
        return copies[key]

    def _in_use(self, name: MatrixName) -> slice | None:
        return slice(None) if self._is_learning(name) else self.used

    def _is_learning(self, name: MatrixName) -> bool:
        return torch.is_grad_enabled() and self.b[name].requires_grad

    def is_empty(self, part: str) -> bool:
        """Tell whether a part does nothing: its B is zero."""
        return not any(bool(t.any()) for key, t in self.tensors(part).items() if key.endswith(".b"))

    def _fault(self, touched: Sequence[Tensor], first: int) -> Fault | None:
        # The least and the greatest tell, nan included, at a fiftieth of what isfinite costs.
        if not all(bool(end.isfinite()) for t in touched for end in t.aminmax()):
            return Fault("not finite", "", float("nan"), 0.0)
        for name in self.limits:
            norms_N = product_norms(self.a[name][first:], self.b[name][first:], torch.float32)
            limits_N = self.limits[name][first:]
            worst = int((norms_N - limits_N).argmax())
            if norms_N[worst] > limits_N[worst]:
                where = f"layer {first + worst}: {name}"
                return Fault("over the cap", where, float(norms_N[worst]), float(limits_N[worst]))
        return None


def _restore(touched: Sequence[Tensor], before: Sequence[Tensor]) -> None:
    for tensor, old in zip(touched, before, strict=True):
        tensor.copy_(old)


def middle_of(spec: BodySpec) -> int:
    """Return the layer that half of them are below."""
    return spec.n_layers // 2


def wide_open(rank: int, d_model: int) -> Tensor:
    """Return a scope that everything is in, (R, D + 1)."""
    return torch.cat([torch.zeros(rank, d_model), torch.ones(rank, 1)], 1)


def opening(x_TD: Tensor, scope_RD1: Tensor) -> Tensor:
    """Return how far scopes are open to tokens, (T, R) f32: a linear map, held between 0 and 1.
    No gradient goes through it.
    """
    scope_RD1 = scope_RD1.to(x_TD.device)
    return (x_TD.detach().float() @ scope_RD1[:, :-1].T + scope_RD1[:, -1]).clamp(0, 1)


def matrix_sizes(spec: BodySpec) -> dict[MatrixName, tuple[int, int]]:
    """Return (in features, out features) of the matrices a soul has a share in."""
    wide, back = (spec.d_model, spec.d_ff), (spec.d_ff, spec.d_model)
    return {"gate": wide, "up": wide, "down": back}


def norm_limits(
    weights: BodyWeights,
    *,
    share: float = NORM_SHARE,
    dense: Callable[[Weight], Tensor] = Weight.dense,
) -> dict[MatrixName, Tensor]:
    """Return ``share`` of ‖W‖_F of every matrix, (N,) f64. ``dense`` may be a kernel's."""
    return {
        name: torch.tensor([share * float(dense(getattr(w, name)).norm()) for w in weights.layers])
        for name in MATRICES
    }


def product_norms(a_NRI: Tensor, b_NRO: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return ‖B·A‖_F of every layer, (N,) of ``dtype``, by the R×R Gram matrices.

    f32 will do for a cap and is ten times as fast; for a small difference it will not.
    """
    a, b = a_NRI.to(dtype), b_NRO.to(dtype)
    squares_N = ((a @ a.mT) * (b @ b.mT)).sum((1, 2))
    return squares_N.clamp_min(0).sqrt()  # rounding may leave a zero just below
