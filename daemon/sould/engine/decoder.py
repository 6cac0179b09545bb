"""The forward pass of a body, the reference every faster one is held to.

Legend of the shape suffixes:

=  =====================================    =  ===========================
T  tokens of this call                      D  d_model
L  keys seen: a window of the past and T    F  d_ff
H  query heads                              V  vocabulary
K  key/value heads, G = H / K               E  head_dim
=  =====================================    =  ===========================

A layer is ``x + attention(norm(x))`` and then ``x + mlp(norm(x))``; what goes into a ternary
matrix is rounded to int8, what a soul adds is not. Matrices stay packed as
the file has them; a product unpacks one after the other into the same small buffer, so the
body takes the memory of its file. On the CPU a compiled kernel does the same faster, and with
ternary matrices on a GPU another one; a GPU that has the memory holds blocks unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine import ternary
from sould.engine.kvcache import KVCache
from sould.engine.soul.weights import MatrixName, Soul, matrix_sizes
from sould.engine.spec import Activation, BodySpec
from sould.engine.triton_kernel.layout import GpuWeight
from sould.engine.wearer import Wearer
from sould.engine.weights import CPU, SCRATCH_WEIGHTS, BodyWeights, LayerWeights, Weight

_Part = TypeVar("_Part", Tensor, Weight)


class Stepper(Protocol):
    """The whole body in one call, on the CPU.

    From packed weights it beats unpacking and dense GEMMs at every length: on two cores with
    AVX-512 3.9 times at 16 tokens, 2.0 at 64, 1.8 at 512.
    """

    def step_many(self, tokens: Sequence[int], cache: KVCache, soul: Soul | None = None) -> Tensor:
        """Append ``tokens`` to the cache and return the last one's logits, (V,).

        They lie in a buffer that the next call overwrites.
        """
        ...


class Kernel(Protocol):
    """Compiled help for the CPU."""

    def matvec(self, weight: Weight, x: Tensor) -> Tensor:
        """Return ``weight`` times x, (T, cols) to (T, rows), in f32: ``x`` as int8 if ternary."""
        ...

    def dense(self, weight: Weight, out: Tensor | None = None) -> Tensor:
        """Return ``weight`` as f32 (rows, cols), in ``out`` if given."""
        ...

    def gemm(
        self,
        x_TK: Tensor,
        weight: Weight,
        *,
        back: bool = False,
        out: Tensor | None = None,
        add: bool = False,
    ) -> Tensor:
        """Return x · weightᵀ, or with ``back`` x · weight, in f32; in ``out`` if given."""
        ...

    def stepper(self, spec: BodySpec, weights: BodyWeights) -> Stepper:
        """Return the forward pass of a body in CPU memory."""
        ...


class GpuKernel(Protocol):
    """Compiled help for one GPU: products with ternary matrices."""

    def take(self, weight: Weight) -> Weight:
        """Return a matrix as it is multiplied with here; one it is not for as it is."""
        ...

    def product(self, x_TC: Tensor, weight: GpuWeight) -> Tensor:
        """Return ``x · weightᵀ``, (T, rows) of x's dtype, differentiable in ``x``."""
        ...


class Decoder(Wearer[Soul]):
    """A body ready to run. Its weights never change; the soul beside them may.

    ``devices``: one per layer (the embedding goes with the first, the head with the last);
    activations move where the device changes. ``dtype``: of activations, keys and values.
    With a ``kernel``, f32 on the CPU goes through its stepper, except where the logits of all
    tokens are wanted: there its ``dense`` unpacks the weights. ``native`` is that kernel, or None
    where it cannot compute all of this body. ``gpu`` multiplies with the ternary matrices of the
    layers that are on its device, and torch does the rest there. ``unpacked``: matrices of blocks
    that are not on the CPU are made dense once, of ``dtype``, and not for every product.
    """

    def __init__(
        self,
        spec: BodySpec,
        weights: BodyWeights,
        *,
        devices: Sequence[torch.device] | None = None,
        dtype: torch.dtype = torch.float32,
        kernel: Kernel | None = None,
        gpu: GpuKernel | None = None,
        unpacked: bool = False,
    ) -> None:
        self.spec = spec
        self.dtype = dtype
        self.devices = list(devices or [CPU] * spec.n_layers)
        if len(self.devices) != spec.n_layers:
            raise ValueError(f"{len(self.devices)} devices for {spec.n_layers} layers")
        self.windows = spec.windows or (0,) * spec.n_layers
        self.gpu = gpu
        self.embed = _moved(weights.embed, self.devices[0])
        held = dtype if unpacked else None
        self.layers = [
            _moved_layer(w, d, gpu, held) for w, d in zip(weights.layers, self.devices, strict=True)
        ]
        self.final_norm = _moved(weights.final_norm, self.devices[-1])
        self.head = _moved(weights.head, self.devices[-1], held)
        self.kernel = kernel
        self.native = kernel if dtype == torch.float32 and set(self.devices) == {CPU} else None
        self.stepper = self.native.stepper(spec, weights) if self.native else None
        self._scratch = torch.empty(0)

    def require_fits(self, soul: Soul) -> None:
        mine, its = ((s.n_layers, matrix_sizes(s)) for s in (self.spec, soul.spec))
        if mine != its:
            raise ValueError(f"a soul for {its} beside a body of {mine} (layers, matrices)")

    def new_cache(self, limit: int) -> KVCache:
        """Return an empty cache for up to ``limit`` tokens, laid out for this decoder."""
        return KVCache(self.spec, limit=limit, devices=self.devices, dtype=self.dtype)

    @torch.no_grad()
    def forward(
        self, ids: Sequence[int], cache: KVCache, *, want: Literal["last", "all", "none"] = "last"
    ) -> Tensor | None:
        """Run ``ids`` after what is in ``cache`` and append them to it.

        Returns f32 logits: (V,) after the last token, (T, V) for "all", None for "none".
        If it raises, the cache holds what it held before.

        Raises:
            ValueError: no ids, one outside of the vocabulary, or more than the cache's limit.
        """
        if not ids or min(ids) < 0 or max(ids) >= self.spec.vocab_size:
            raise ValueError(f"{len(ids)} ids, expected some, from 0 to {self.spec.vocab_size - 1}")
        cache.reserve(len(ids))
        if self.stepper and want != "all":
            stepped = self.stepper.step_many(ids, cache, self._soul)
            return stepped.clone() if want == "last" else None
        ids_T = torch.tensor(ids, device=self.embed.data.device)
        x_TD = self.run(self.embed.gather(ids_T, self.dtype), cache)
        logits = None
        if want != "none":
            logits_TV = self.logits(x_TD if want == "all" else x_TD[-1:])
            logits = logits_TV if want == "all" else logits_TV[0]
        cache.tokens.extend(ids)
        return logits

    def run(self, x_TD: Tensor, cache: KVCache | None = None) -> Tensor:
        """Return the residual stream after the last layer, (T, D), of embeddings (T, D).

        Writes keys and values behind the cache's last token, where they count only once the
        caller appends the tokens. Without a cache nothing is written: for use under autograd.
        """
        past = 0 if cache is None else cache.length
        span = _Span(self.spec, past=past, size=len(x_TD), dtype=self.dtype)
        opening_TR: Tensor | None = None
        for i, layer in enumerate(self.layers):
            x_TD = x_TD.to(self.devices[i])
            x_TD = x_TD + self._attention(i, self._norm(x_TD, layer.attn_norm), span, cache)
            h_TD = self._norm(x_TD, layer.mlp_norm)
            if self._soul is not None and i == self._soul.reads:
                opening_TR = self._soul.opening(h_TD)
            x_TD = x_TD + self._mlp(i, h_TD, opening_TR)
        return x_TD

    def logits(self, x_TD: Tensor) -> Tensor:
        """Return f32 logits (T, V) of the residual stream."""
        return self._product(self._norm(x_TD, self.final_norm), self.head).float()

    def _attention(self, i: int, x_TD: Tensor, span: _Span, cache: KVCache | None) -> Tensor:
        layer, spec = self.layers[i], self.spec
        q_THE = self._product(x_TD, layer.q, layer.q_bias).view(span.size, -1, spec.head_dim)
        k_TKE = self._product(x_TD, layer.k, layer.k_bias).view(span.size, -1, spec.head_dim)
        v_TKE = self._product(x_TD, layer.v, layer.v_bias).view(span.size, -1, spec.head_dim)
        if layer.q_norm is not None and layer.k_norm is not None:
            q_THE, k_TKE = self._norm(q_THE, layer.q_norm), self._norm(k_TKE, layer.k_norm)
        q_HTE = span.rotated(q_THE).transpose(0, 1)
        k_KLE = span.rotated(k_TKE).transpose(0, 1)
        v_KLE = v_TKE.transpose(0, 1)
        start = span.first_key(self.windows[i])
        if cache is not None:
            end = span.past + span.size
            cache.k[i][:, span.past : end] = k_KLE
            cache.v[i][:, span.past : end] = v_KLE
            k_KLE, v_KLE = cache.k[i][:, start:end], cache.v[i][:, start:end]
        n_shares = spec.n_heads // spec.n_kv_heads
        out_KGTE = F.scaled_dot_product_attention(
            q_HTE.view(spec.n_kv_heads, n_shares, span.size, spec.head_dim),
            k_KLE[:, None].expand(-1, n_shares, -1, -1),
            v_KLE[:, None].expand(-1, n_shares, -1, -1),
            attn_mask=span.mask(self.windows[i], x_TD.device),
        )
        out_TQ = out_KGTE.flatten(0, 1).transpose(0, 1).reshape(span.size, spec.d_q)
        if layer.attn_sub_norm is not None:
            out_TQ = self._norm(out_TQ, layer.attn_sub_norm)
        return self._product(out_TQ, layer.o, layer.o_bias)

    def _mlp(self, i: int, x_TD: Tensor, opening_TR: Tensor | None) -> Tensor:
        layer = self.layers[i]
        gate_TF = self._product(x_TD, layer.gate, layer.gate_bias)
        gate_TF = self._ensouled(i, "gate", x_TD, gate_TF, opening_TR)
        up_TF = self._product(x_TD, layer.up, layer.up_bias)
        up_TF = self._ensouled(i, "up", x_TD, up_TF, opening_TR)
        inner_TF = activated(gate_TF, self.spec.activation) * up_TF
        if layer.mlp_sub_norm is not None:
            inner_TF = self._norm(inner_TF, layer.mlp_sub_norm)
        y_TD = self._product(inner_TF, layer.down, layer.down_bias)
        return self._ensouled(i, "down", inner_TF, y_TD, opening_TR)

    def _ensouled(
        self, i: int, name: MatrixName, x_TI: Tensor, y_TO: Tensor, opening_TR: Tensor | None
    ) -> Tensor:
        """Return ``y`` with the soul's product of ``x`` added, computed in f32."""
        pair = None if self._soul is None else self._soul.pair(i, name, x_TI.device)
        if pair is None:
            return y_TO
        a_RI, b_RO = pair
        inner_TR = x_TI.float() @ a_RI.T
        if opening_TR is not None:
            inner_TR = inner_TR * opening_TR.to(inner_TR.device)
        return y_TO + (inner_TR @ b_RO).to(y_TO.dtype)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMSNorm over the last dimension, in f32 whatever ``x`` is."""
        normed = F.rms_norm(x.float(), weight.shape, weight, self.spec.norm_eps)
        return normed.to(self.dtype)

    def _product(self, x_TI: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
        """Return ``x · weightᵀ + bias``, (T, rows)."""
        bias = bias if bias is None else bias.to(self.dtype)
        if self.gpu is not None and isinstance(weight, GpuWeight):
            y_TR = self.gpu.product(x_TI, weight)
            return y_TR if bias is None else y_TR + bias
        if weight.format == "ternary":
            if self.dtype == torch.float32 and not x_TI.requires_grad:
                return self._ternary_product(x_TI, weight, bias)
            x_TI = ternary.through_int8(x_TI)
        if weight.data.dtype == self.dtype:
            return F.linear(x_TI, weight.data, bias)
        if x_TI.requires_grad:  # the backward pass needs the weights: not a buffer used again
            return F.linear(x_TI, weight.dense(self.dtype), bias)
        y_TR = x_TI.new_empty(len(x_TI), weight.rows)
        step = max(1, SCRATCH_WEIGHTS // weight.cols)
        for start in range(0, weight.rows, step):
            rows = slice(start, min(start + step, weight.rows))
            torch.mm(x_TI, self._unpacked(weight, rows).T, out=y_TR[:, rows])
        return y_TR if bias is None else y_TR.add_(bias)

    def _ternary_product(self, x_TI: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
        if self.native is not None:
            y_TR = self.native.matvec(weight, x_TI)
        else:
            y_TR = ternary.product(x_TI, weight.data, weight.cols)
        return y_TR if bias is None else y_TR.add_(bias)

    def _unpacked(self, weight: Weight, rows: slice) -> Tensor:
        """Return some rows dense, valid until the next call."""
        part = weight.part(rows)
        if self.kernel is None or part.data.device != CPU or self.dtype != torch.float32:
            return part.dense(self.dtype)
        n_weights = part.rows * part.cols
        if self._scratch.numel() < n_weights:
            self._scratch = torch.empty(max(n_weights, SCRATCH_WEIGHTS))
        return self.kernel.dense(part, self._scratch[:n_weights].view(part.rows, part.cols))


def activated(gate_TF: Tensor, activation: Activation) -> Tensor:
    """Return the gate's activation."""
    return F.silu(gate_TF) if activation == "silu" else F.relu(gate_TF).square()


class _Span:
    """The positions ``past`` … ``past + size - 1``: their rotation and whom they may look at."""

    def __init__(self, spec: BodySpec, *, past: int, size: int, dtype: torch.dtype) -> None:
        self.past = past
        self.size = size
        self.dtype = dtype
        positions_T = torch.arange(past, past + size, dtype=torch.float64)
        angles = torch.outer(positions_T, torch.tensor(spec.inv_freq, dtype=torch.float64))
        self._cos = {CPU: (angles.cos() * spec.rope_scale).to(dtype)[:, None]}
        self._sin = {CPU: (angles.sin() * spec.rope_scale).to(dtype)[:, None]}
        self._masks: dict[tuple[int, torch.device], Tensor] = {}

    def rotated(self, x_THE: Tensor) -> Tensor:
        """Return ``x`` with every pair (i, i + E/2) turned by its angle."""
        device = x_THE.device
        if device not in self._cos:
            self._cos[device] = self._cos[CPU].to(device)
            self._sin[device] = self._sin[CPU].to(device)
        cos, sin = self._cos[device], self._sin[device]
        a, b = x_THE.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    def first_key(self, window: int) -> int:
        """Return the oldest position any token here looks at; 0: the window is the context."""
        return max(0, self.past - window + 1) if window else 0

    def mask(self, window: int, device: torch.device) -> Tensor | None:
        """Return what is added to the scores, (T, L): 0 or -inf. None: every token sees all."""
        if self.size == 1:
            return None
        if (window, device) not in self._masks:
            query_T1 = torch.arange(self.past, self.past + self.size, device=device)[:, None]
            key_L = torch.arange(self.first_key(window), self.past + self.size, device=device)
            is_hidden = key_L > query_T1
            if window:
                is_hidden |= key_L <= query_T1 - window
            mask_TL = torch.zeros(is_hidden.shape, dtype=self.dtype, device=device)
            self._masks[window, device] = mask_TL.masked_fill_(is_hidden, float("-inf"))
        return self._masks[window, device]


def _moved(part: _Part, device: torch.device, held: torch.dtype | None = None) -> _Part:
    """Move a part; with ``held`` a matrix that is not on the CPU then is unpacked to it."""
    if not isinstance(part, Weight):
        return part.to(device)
    moved = Weight(part.format, part.data.to(device), part.rows, part.cols)
    return moved if held is None or device == CPU else moved.unpacked(held)


def _moved_layer(
    layer: LayerWeights, device: torch.device, gpu: GpuKernel | None, held: torch.dtype | None
) -> LayerWeights:
    parts: dict[str, Any] = {}
    for field in fields(layer):
        part = getattr(layer, field.name)
        moved = None if part is None else _moved(part, device, held)
        if gpu is not None and isinstance(moved, Weight):
            moved = gpu.take(moved)
        parts[field.name] = moved
    return LayerWeights(**parts)
