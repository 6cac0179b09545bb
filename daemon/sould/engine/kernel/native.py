"""The compiled kernel as Python sees it: packed matrices, and whole steps of a body.

One thread uses a kernel and its steppers: the one that owns torch. While C runs, the GIL is
free.
"""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Sequence
from ctypes import byref, c_void_p
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sould.engine.kernel import build, layout
from sould.engine.kernel.build import KernelUnavailable
from sould.engine.kernel.selftest import check
from sould.engine.kvcache import KVCache
from sould.engine.soul.weights import Soul, State
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, Weight

log = logging.getLogger(__name__)

TOKENS_PAD = 8  # of kernel.h
CALL_TOKENS = 64  # tokens of one call into C: their activations fit the L2 cache

TeamKind = Literal["auto", "shared", "own"]


class NativeKernel:
    """A loaded library and its team of threads.

    ``team``: "shared" are the OpenMP workers that torch has already, "own" is a pool of our
    own; "auto" takes the first where there is one (team.c says why).
    Set torch.set_num_threads to the same ``threads``, else the shared pool is resized back
    and forth.
    """

    def __init__(self, library: ctypes.CDLL, *, threads: int, team: TeamKind = "auto") -> None:
        if threads < 1:
            raise ValueError(f"{threads} threads; needs one at least")
        layout.declare(library)
        self._library = library
        self.threads = threads
        shared = (None, None) if team == "own" else _openmp_entry()
        if team == "shared" and shared[0] is None:
            raise KernelUnavailable("this process has no OpenMP runtime to share threads with")
        self._team = library.team_new(threads, *shared)
        if not self._team:
            raise KernelUnavailable(f"the system does not give {threads} threads")
        weakref.finalize(self, library.team_free, self._team)

    def matvec(self, weight: Weight, x: Tensor) -> Tensor:
        """Return ``weight`` times x: (cols,) to (rows,), or (T, cols) to (T, rows); all f32.

        Of a ternary one ``ternary.product``, bit by bit.
        """
        matrix = layout.matrix_struct("weight", weight)
        x_TC = x.reshape(-1, weight.cols)
        tokens = x_TC.shape[0]
        # C rounds T up to its tile: room for rows that nobody looks at
        pad = 0 if weight.format == "ternary" else TOKENS_PAD
        roomy_TC = x_TC.contiguous()
        if pad:
            roomy_TC = torch.zeros(tokens + pad, weight.cols)
            roomy_TC[:tokens] = x_TC
        y_TR = torch.empty(tokens + pad, weight.rows)
        layout.check_operands(x_TC, weight.cols, y_TR[:tokens], weight.rows)
        size = self._library.rounding_bytes(byref(matrix), tokens)
        scratch = torch.empty(size, dtype=torch.uint8)
        self._library.matmul(
            self._team,
            byref(matrix),
            roomy_TC.data_ptr(),
            y_TR.data_ptr(),
            tokens,
            scratch.data_ptr(),
        )
        return y_TR[:tokens].reshape(*x.shape[:-1], weight.rows)

    def gemm(
        self,
        x_TK: Tensor,
        weight: Weight,
        *,
        back: bool = False,
        out: Tensor | None = None,
        add: bool = False,
    ) -> Tensor:
        """Return x · weightᵀ, or with ``back`` x · weight: (T, N) f32.

        ``x``: f32, of any strides. ``out``: written to, or with ``add`` added to, a
        part of wider rows maybe. For many tokens this is the fastest product; for few
        :meth:`matvec` is.
        """
        n_in, n_out = (weight.rows, weight.cols) if back else (weight.cols, weight.rows)
        matrix = layout.matrix_struct("weight", weight)
        y_TN = torch.empty(len(x_TK), n_out) if out is None else out
        layout.check_operands(x_TK, n_in, y_TN, n_out)
        call = layout.CGemmCall(
            a=x_TK.data_ptr(),
            rows=len(x_TK),
            a_row=x_TK.stride(0),
            a_col=x_TK.stride(1),
            matrix=ctypes.pointer(matrix),
            c=y_TN.data_ptr(),
            c_row=y_TN.stride(0),
            is_forward=not back,
            add=add,
        )
        if len(x_TK):
            self._library.gemm(self._team, byref(call))
        return y_TN

    def dense(self, weight: Weight, out: Tensor | None = None) -> Tensor:
        """Return ``weight`` unpacked, (rows, cols) f32, in ``out`` where that is given."""
        matrix = layout.matrix_struct("weight", weight)
        if out is None:
            out = torch.empty(weight.rows, weight.cols)
        layout.pointers("out", [out], (weight.rows, weight.cols))
        self._library.dense(self._team, byref(matrix), out.data_ptr())
        return out

    def stepper(self, spec: BodySpec, weights: BodyWeights) -> Stepper:
        """Return the forward pass of one body in CPU memory.

        Raises:
            ValueError: ``weights`` are not what ``spec`` says.
        """
        return Stepper(self, spec, weights)


class Stepper:
    """The whole forward pass of one body, in one call into C for up to CALL_TOKENS tokens.

    Equals ``Decoder``'s torch path up to rounding (tests/contract/test_kernel.py).
    """

    def __init__(self, kernel: NativeKernel, spec: BodySpec, weights: BodyWeights) -> None:
        self._kernel = kernel
        self._spec = spec
        self._inv_freq = torch.tensor(spec.inv_freq, dtype=torch.float64)
        self._weights = weights  # C reads them: they live as long as this object
        self._body = layout.body_struct(spec, weights, self._inv_freq)
        self._logits = torch.zeros(spec.vocab_size)
        self._scratch = torch.empty(0, dtype=torch.uint8)
        self._scratch_size = (0, 0)
        self._soul_state: State | None = None
        self._soul: layout.CSoul | None = None
        self._bindings: weakref.WeakKeyDictionary[KVCache, _Binding] = weakref.WeakKeyDictionary()

    def step(self, token: int, cache: KVCache, soul: Soul | None = None) -> Tensor:
        """Run one token and append it to ``cache``; see :meth:`step_many`."""
        return self.step_many((token,), cache, soul)

    def step_many(self, tokens: Sequence[int], cache: KVCache, soul: Soul | None = None) -> Tensor:
        """Run ``tokens`` and append them to ``cache``; return the last one's logits.

        ``soul``: is added to gate, up and down, in f32; an empty one changes no bit.

        The logits, (V,) f32, lie in a buffer that the next call overwrites: copy what must
        last.

        Raises:
            ValueError: a token is not of the vocabulary, there are none, they do not fit the
                context, or the cache or the soul is not one of this body in f32 on the CPU. The
                cache is then as it was.
        """
        if not tokens:
            raise ValueError("no tokens to run")
        if min(tokens) < 0 or max(tokens) >= self._spec.vocab_size:
            raise ValueError(
                f"tokens from {min(tokens)} to {max(tokens)}; "
                f"the vocabulary ends at {self._spec.vocab_size - 1}"
            )
        cache.reserve(len(tokens))
        binding = self._bind(cache)
        self._bind_soul(soul)
        for i in range(0, len(tokens), CALL_TOKENS):
            self._call(tokens[i : i + CALL_TOKENS], cache, binding)
        return self._logits

    def _call(self, tokens: Sequence[int], cache: KVCache, binding: _Binding) -> None:
        count = len(tokens)
        self._make_scratch(count)
        ids = (ctypes.c_int32 * count)(*tokens)
        call = layout.CCall(
            tokens=ctypes.cast(ids, c_void_p),
            n_tokens=count,
            position=cache.length,
            k=ctypes.cast(binding.k_pointers, c_void_p),
            v=ctypes.cast(binding.v_pointers, c_void_p),
            capacity=cache.capacity,
            soul=None if self._soul is None else ctypes.pointer(self._soul),
            logits=self._logits.data_ptr(),
            scratch=self._scratch.data_ptr(),
        )
        kernel = self._kernel
        fault = kernel._library.step(kernel._team, byref(self._body), byref(call))
        assert fault is None, fault.decode()
        cache.tokens.extend(tokens)

    def _make_scratch(self, tokens: int) -> None:
        """Zeros: C computes on rows it pads with, and denormal numbers would be slow."""
        rank = 0 if self._soul is None else self._soul.rank
        most, most_rank = self._scratch_size
        if tokens <= most and rank <= most_rank:
            return
        kernel, self._scratch_size = self._kernel, (max(tokens, most), max(rank, most_rank))
        most, most_rank = self._scratch_size
        size = kernel._library.scratch_bytes(byref(self._body), most, kernel.threads, most_rank)
        self._scratch = torch.zeros(size, dtype=torch.uint8)

    def _bind_soul(self, soul: Soul | None) -> None:
        """Describe ``soul`` to C, anew whenever its weights changed."""
        state = None if soul is None else soul.state
        if state != self._soul_state:
            self._soul_state = None
            self._soul = None if soul is None else layout.soul_struct(self._spec, soul)
            self._soul_state = state

    def _bind(self, cache: KVCache) -> _Binding:
        """Return the addresses of the cache's buffers, checked again whenever they changed."""
        binding = self._bindings.get(cache)
        if binding is None or not binding.holds(cache):
            binding = self._bindings[cache] = _Binding(cache, self._spec)
        return binding


class _Binding:
    """Where the buffers of one cache are. Checking 60 tensors costs 50 us, comparing them 2."""

    def __init__(self, cache: KVCache, spec: BodySpec) -> None:
        shape = (spec.n_kv_heads, cache.capacity, spec.head_dim)
        if len(cache.k) != spec.n_layers or len(cache.v) != spec.n_layers:
            raise ValueError(f"a cache of {len(cache.k)} layers for a body of {spec.n_layers}")
        self._k, self._v = tuple(cache.k), tuple(cache.v)
        self.k_pointers = layout.pointers("keys", self._k, shape)
        self.v_pointers = layout.pointers("values", self._v, shape)

    def holds(self, cache: KVCache) -> bool:
        return all(map(lambda a, b: a is b, self._k, cache.k)) and all(
            map(lambda a, b: a is b, self._v, cache.v)
        )


def _openmp_entry() -> tuple[int | None, int | None]:
    """Return the addresses of GOMP_parallel and omp_get_num_threads that torch itself calls.

    Looked up through torch's own library, since a process may hold several OpenMP runtimes.
    """
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not path.is_file():
        return None, None
    torch_cpu = ctypes.CDLL(str(path))
    try:
        entry, count = torch_cpu.GOMP_parallel, torch_cpu.omp_get_num_threads
    except AttributeError:
        return None, None
    return ctypes.cast(entry, c_void_p).value, ctypes.cast(count, c_void_p).value


def load_kernel(
    cache_dir: Path,
    *,
    threads: int,
    team: TeamKind = "auto",
    machine_flags: Sequence[Sequence[str]] = build.MACHINE_FLAGS,
) -> NativeKernel:
    """Return the kernel, compiled on first use into ``cache_dir`` and tried out.

    Raises:
        KernelUnavailable: no compiler, it fails, or the result computes wrongly.
    """
    library = build.load_library(cache_dir, machine_flags=machine_flags)
    kernel = NativeKernel(library, threads=threads, team=team)
    check(kernel)
    return kernel
