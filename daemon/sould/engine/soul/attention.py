"""Attention of many sequences that share a beginning, laid out one after the other.

Legend: T tokens of all sequences, the shared prefix first, H query heads, K key/value heads,
G = H / K, E head_dim, L keys of one sequence: the prefix and its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.spec import BodySpec


class Layout:
    """Where sequences of ``sizes`` tokens, each after a past of so many, lie in T.

    Nothing is padded: products see the T tokens as one matrix, and only attention, which costs
    little for short sequences, goes one by one.
    """

    def __init__(self, spec: BodySpec, pasts: Sequence[int], sizes: Sequence[int]) -> None:
        self.spec = spec
        self.pasts = list(pasts)
        self.sizes = list(sizes)
        own = [torch.arange(past, past + n) for past, n in zip(pasts, sizes, strict=True)]
        angles = torch.outer(torch.cat(own).double(), torch.tensor(spec.inv_freq).double())
        self._cos_T1E = (angles.cos() * spec.rope_scale).float()[:, None]
        self._sin_T1E = (angles.sin() * spec.rope_scale).float()[:, None]
        self._masks: dict[tuple[int, int, int, torch.device], Tensor | None] = {}

    def rotated(self, x_THE: Tensor) -> Tensor:
        """Return ``x`` with every pair (i, i + E/2) turned by its token's angle."""
        cos, sin = self._cos_T1E.to(x_THE.device), self._sin_T1E.to(x_THE.device)
        a, b = x_THE.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    def attend(self, q_THE: Tensor, k_TKE: Tensor, v_TKE: Tensor, window: int) -> Tensor:
        """Return (T, H·E): each sequence sees its past and what comes before in it. Queries and
        keys are turned.
        """
        keys, values = self._seen(*(torch.split(x, self.sizes) for x in (k_TKE, v_TKE)))
        some = zip(torch.split(q_THE, self.sizes), keys, values, self.pasts, strict=True)
        return torch.cat([self._attend_one(*one, window) for one in some if len(one[0])])

    def _seen(
        self, own_k: Sequence[Tensor], own_v: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the keys and values that each sequence may see."""
        raise NotImplementedError

    def _attend_one(
        self, q_THE: Tensor, k_LKE: Tensor, v_LKE: Tensor, past: int, window: int
    ) -> Tensor:
        size, n_kv = len(q_THE), self.spec.n_kv_heads
        q_KGTE = q_THE.transpose(0, 1).view(n_kv, -1, size, self.spec.head_dim)
        k_KGLE, v_KGLE = (
            x.transpose(0, 1)[:, None].expand(-1, q_KGTE.shape[1], -1, -1) for x in (k_LKE, v_LKE)
        )
        mask_TL = self._mask(past, size, window, q_THE.device)
        out_KGTE = F.scaled_dot_product_attention(q_KGTE, k_KGLE, v_KGLE, attn_mask=mask_TL)
        return out_KGTE.flatten(0, 1).transpose(0, 1).reshape(size, -1)

    def _mask(self, past: int, size: int, window: int, device: torch.device) -> Tensor | None:
        key = (past, size, window, device)
        if key not in self._masks:
            query_T1 = torch.arange(past, past + size)[:, None]
            key_L = torch.arange(past + size)
            is_hidden = key_L > query_T1
            if window:
                is_hidden |= key_L <= query_T1 - window
            mask_TL = torch.zeros(is_hidden.shape).masked_fill_(is_hidden, float("-inf"))
            self._masks[key] = mask_TL.to(device) if is_hidden.any() else None
        return self._masks[key]


class Shared(Layout):
    """The past of all sequences is the first one, ``prefix`` tokens.

    ``kept``: of each layer attended to in turn the keys, turned, and the values of every sequence,
    (L, K, E) each; as long as it is not None.
    """

    def __init__(self, spec: BodySpec, prefix: int, sizes: Sequence[int]) -> None:
        super().__init__(spec, [0, *(prefix for _ in sizes)], [prefix, *sizes])
        self.kept: list[tuple[Sequence[Tensor], Sequence[Tensor]]] | None = None

    def _seen(
        self, own_k: Sequence[Tensor], own_v: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        if self.kept is not None:
            self.kept.append((own_k, own_v))
        keys, values = (
            [own[0], *(torch.cat([own[0], one]) for one in own[1:])] for own in (own_k, own_v)
        )
        return keys, values


class Continued(Layout):
    """The past of each sequence is known: ``pasts``, for each layer attended to in turn the keys,
    turned, and the values of every sequence, (2, L, K, E).
    """

    def __init__(
        self, spec: BodySpec, pasts: Sequence[Sequence[Tensor]], sizes: Sequence[int]
    ) -> None:
        super().__init__(spec, [past.shape[1] for past in pasts[0]], sizes)
        self._known = iter(pasts)

    def _seen(
        self, own_k: Sequence[Tensor], own_v: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        known = next(self._known)
        keys = [torch.cat([past[0], one]) for past, one in zip(known, own_k, strict=True)]
        return keys, [torch.cat([past[1], one]) for past, one in zip(known, own_v, strict=True)]
