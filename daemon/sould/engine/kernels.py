"""Choose what multiplies with a body's matrices, and load it.

What was asked for by name and is not there is an error; only "auto" goes on with torch, and says
why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch

from sould.bridge import Load
from sould.engine.choices import Choice
from sould.engine.decoder import GpuKernel
from sould.engine.formats.stored import StoredTensor
from sould.engine.kernel import KernelUnavailable, NativeKernel, load_kernel
from sould.engine.plan import Plan
from sould.engine.read_weights import ternary_formats
from sould.engine.triton_kernel.load import load_triton
from sould.errors import DeviceUnavailable

log = logging.getLogger(__name__)

K = TypeVar("K")


def choose_cpu_kernel(request: Load, plan: Plan) -> Choice[NativeKernel | None]:
    """Return the compiled kernel for a body that is all on the CPU; None: torch computes.

    Raises:
        KernelUnavailable: it was asked for, and is not to be had.
    """
    if request.kernel == "torch":
        return Choice(None, "kernel torch: asked for")
    return _loaded(
        lambda: load_kernel(Path(request.cache_dir), threads=plan.threads),
        request,
        chosen="kernel native: {}",
        why="the quickest on a CPU",
        missing="native kernel unavailable, torch computes in its place: %s",
    )


def choose_gpu_kernel(
    tensors: Iterable[StoredTensor], request: Load, plan: Plan
) -> Choice[GpuKernel | None]:
    """Return what multiplies with the ternary matrices of layers on a GPU; None: torch does.

    Raises:
        KernelUnavailable: it was asked for, and is not to be had.
        DeviceUnavailable: it was asked for, and the body has no ternary matrix.
    """
    formats = ternary_formats(tensors)
    if request.kernel == "native" and not formats:
        raise DeviceUnavailable(
            f"kernel native was asked for; on {plan.device} only ternary weights have one, and "
            "this body has none",
            "set body.kernel to auto, or body.device to cpu",
        )
    if request.kernel == "torch":
        return Choice(None, "kernel torch: asked for")
    if not formats:
        return Choice(None, f"kernel torch: the native one is not for {plan.device}")
    return _loaded(
        lambda: load_triton(Path(request.cache_dir), torch.device(plan.device), formats),
        request,
        chosen=f"kernel triton: {{}} on {plan.device}",
        why="the quickest for ternary weights",
        missing="Triton kernel unavailable, torch unpacks ternary weights instead: %s",
    )


def _loaded(
    load: Callable[[], K], request: Load, *, chosen: str, why: str, missing: str
) -> Choice[K | None]:
    """Return a kernel, or None if it is not to be had and was not asked for by name.

    ``chosen``: the reason, with a place for ``why``. ``missing``: what is logged, with one for the
    error.
    """
    try:
        kernel = load()
    except KernelUnavailable as e:
        if request.kernel == "native":
            raise
        log.warning(missing, e)
        return Choice(None, f"kernel torch: {e}")
    return Choice(kernel, chosen.format("asked for" if request.kernel == "native" else why))
