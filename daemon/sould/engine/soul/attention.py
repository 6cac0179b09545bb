"""Attention of many sequences that share a beginning, laid out one after the other.

Legend: T tokens of all sequences, the shared prefix first, H query heads, K key/value heads,
G = H / K, E head_dim, L keys of one sequence: the prefix and its own; S sequences that are padded
to M tokens and to N keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from sould.engine.spec import BodySpec
from sould.engine.weights import CPU


class Layout:
    """Where sequences of ``sizes`` tokens, each after a past of so many, lie in T.

    Products see the T tokens as one matrix. Attention, which costs little for short sequences, goes
    one by one on a CPU, where nothing is padded then; on a GPU, where it is the starting of each
    small operation that costs, all of them together.
    """

    def __init__(self, spec: BodySpec, pasts: Sequence[int], sizes: Sequence[int]) -> None:
        self.spec = spec
        self.pasts = list(pasts)
        self.sizes = list(sizes)
        own = [torch.arange(past, past + n) for past, n in zip(pasts, sizes, strict=True)]
        angles = torch.outer(torch.cat(own).double(), torch.tensor(spec.inv_freq).double())
        cos, sin = angles.cos() * spec.rope_scale, angles.sin() * spec.rope_scale
        self._turns = {CPU: (cos.float()[:, None], sin.float()[:, None])}
        self._masks: dict[tuple[int, int, int, torch.device], Tensor | None] = {}
        self._padded: dict[torch.device, _Padded] = {}

    def rotated(self, x_THE: Tensor) -> Tensor:
        """Return ``x`` with every pair (i, i + E/2) turned by its token's angle."""
        device = x_THE.device
        if device not in self._turns:
            cos, sin = self._turns[CPU]
            self._turns[device] = cos.to(device), sin.to(device)
        cos, sin = self._turns[device]
        a, b = x_THE.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    def attend(self, q_THE: Tensor, k_TKE: Tensor, v_TKE: Tensor, window: int) -> Tensor:
        """Return (T, H·E): each sequence sees its past and what comes before in it. Queries and
        keys are turned.
        """
        if q_THE.device != CPU:
            return self.attend_together(q_THE, k_TKE, v_TKE, window)
        keys, values = self._seen(*(torch.split(x, self.sizes) for x in (k_TKE, v_TKE)))
        some = zip(torch.split(q_THE, self.sizes), keys, values, self.pasts, strict=True)
        return torch.cat([self._attend_one(*one, window) for one in some if len(one[0])])

    def attend_together(self, q_THE: Tensor, k_TKE: Tensor, v_TKE: Tensor, window: int) -> Tensor:
        """Return what :meth:`attend` does, of all sequences at the same time but for a beginning
        that they share: if that is long, they are not padded to it.
        """
        first = self._alone()
        all_k, all_v = self._all(k_TKE, v_TKE)
        parts = []
        if first:
            parts.append(self._attend_one(q_THE[:first], k_TKE[:first], v_TKE[:first], 0, window))
        if first < len(q_THE):
            parts.append(self._attend_padded(q_THE[first:], all_k, all_v, window))
        return torch.cat(parts)

    def _attend_padded(self, q_THE: Tensor, all_k: Tensor, all_v: Tensor, window: int) -> Tensor:
        device, head_dim = q_THE.device, self.spec.head_dim
        if device not in self._padded:
            self._padded[device] = _Padded(*self._places(), device)
        padded = self._padded[device]
        q_SMHE = q_THE.index_select(0, padded.tokens).view(padded.n, padded.most, -1, head_dim)
        shares = self.spec.n_heads // self.spec.n_kv_heads
        k_SHNE, v_SHNE = (
            all_KE.index_select(0, padded.keys)
            .view(padded.n, -1, self.spec.n_kv_heads, head_dim)
            .transpose(1, 2)
            .repeat_interleave(shares, 1)
            for all_KE in (all_k, all_v)
        )
        out_SHME = F.scaled_dot_product_attention(
            q_SMHE.transpose(1, 2), k_SHNE, v_SHNE, attn_mask=padded.mask(window)
        )
        return out_SHME.transpose(1, 2).flatten(0, 1).flatten(1).index_select(0, padded.back)

    def _seen(
        self, own_k: Sequence[Tensor], own_v: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the keys and values that each sequence may see."""
        raise NotImplementedError

    def _alone(self) -> int:
        """Return the tokens of a beginning that all sequences share."""
        raise NotImplementedError

    def _all(self, k_TKE: Tensor, v_TKE: Tensor) -> tuple[Tensor, Tensor]:
        """Return all keys and values that any sequence may see, (…, K, E)."""
        raise NotImplementedError

    def _places(self) -> tuple[list[int], list[Tensor]]:
        """Return the size of each sequence after the shared beginning, and where in :meth:`_all`
        what it sees is, (L,).
        """
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


class _Padded:
    """Where padded sequences find their own in what lies one after the other; empty ones are left
    out. ``tokens``: of each of M; ``keys``: in all that is seen, of each of N; ``back``: in S · M,
    of each token.
    """

    def __init__(
        self, sizes: Sequence[int], places: Sequence[Tensor], device: torch.device
    ) -> None:
        own = [part for part in torch.split(torch.arange(sum(sizes)), [*sizes]) if len(part)]
        seen = [place for place, size in zip(places, sizes, strict=True) if size]
        self.n, self.most = len(own), max(sizes)
        self.tokens = pad_sequence(own, batch_first=True).flatten().to(device)
        self.keys = pad_sequence(seen, batch_first=True).flatten().to(device)
        back = [n * self.most + torch.arange(len(part)) for n, part in enumerate(own)]
        self.back = torch.cat(back).to(device)
        ends_S1 = torch.tensor([[len(place)] for place in seen])
        sizes_S1 = torch.tensor([[len(part)] for part in own])
        query_SM = ends_S1 - sizes_S1 + torch.arange(self.most).clamp_max(sizes_S1 - 1)
        self._query_S1M1 = query_SM[:, None, :, None].to(device)
        self._key_N = torch.arange(int(ends_S1.max()), device=device)
        self._masks: dict[int, Tensor] = {}

    def mask(self, window: int) -> Tensor:
        """Return what is added to the scores, (S, 1, M, N): 0 or -inf. What pads sees what the last
        token of its sequence does.
        """
        if window not in self._masks:
            is_hidden = self._key_N > self._query_S1M1
            if window:
                is_hidden |= self._key_N <= self._query_S1M1 - window
            mask = torch.zeros(is_hidden.shape, device=is_hidden.device)
            self._masks[window] = mask.masked_fill_(is_hidden, float("-inf"))
        return self._masks[window]


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

    def _all(self, k_TKE: Tensor, v_TKE: Tensor) -> tuple[Tensor, Tensor]:
        if self.kept is not None:
            self.kept.append((torch.split(k_TKE, self.sizes), torch.split(v_TKE, self.sizes)))
        return k_TKE, v_TKE

    def _alone(self) -> int:
        return self.sizes[0]

    def _places(self) -> tuple[list[int], list[Tensor]]:
        first, *own = torch.split(torch.arange(sum(self.sizes)), self.sizes)
        return self.sizes[1:], [torch.cat([first, one]) for one in own]


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

    def _all(self, k_TKE: Tensor, v_TKE: Tensor) -> tuple[Tensor, Tensor]:
        known = next(self._known)
        return (
            torch.cat([*(past[0] for past in known), k_TKE]),
            torch.cat([*(past[1] for past in known), v_TKE]),
        )

    def _alone(self) -> int:
        return 0

    def _places(self) -> tuple[list[int], list[Tensor]]:
        lengths, count = [*self.pasts, *self.sizes], len(self.pasts)
        parts = torch.split(torch.arange(sum(lengths)), lengths)
        pairs = zip(parts[:count], parts[count:], strict=True)
        return self.sizes, [torch.cat(pair) for pair in pairs]
