"""Find Triton, compile for one GPU, and try out what came of it.

Triton comes with torch's CUDA builds for Linux and is needed nowhere else, so it is no dependency.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sould.engine.kernel.build import KernelUnavailable
from sould.engine.weights import WeightFormat

if TYPE_CHECKING:
    from sould.engine.triton_kernel.launch import TritonKernel

OLDEST = (8, 0)  # compute capability: before it Triton has no products of int8 tiles
FOLDER = "triton"  # of the cache
_HINT = "set body.kernel: torch"


def load_triton(
    cache_dir: Path, device: torch.device, formats: Iterable[WeightFormat]
) -> TritonKernel:
    """Return the kernel for a CUDA device, tried out on matrices of ``formats``.

    Compiling takes some ten seconds once; ``cache_dir`` keeps what was compiled.

    Raises:
        KernelUnavailable: no Triton, a GPU it does not serve, or it fails or computes wrongly.
    """
    if importlib.util.find_spec("triton") is None:
        raise KernelUnavailable(
            "Triton is not installed", "install it (torch's CUDA builds bring it), or " + _HINT
        )
    is_nvidia = torch.version.hip is None
    found = torch.cuda.get_device_capability(device)
    if is_nvidia and found < OLDEST:
        raise KernelUnavailable(
            f"{device} is of compute capability {_dotted(found)}, the Triton kernel needs "
            f"{_dotted(OLDEST)}",
            _HINT,
        )
    os.environ.setdefault("TRITON_CACHE_DIR", str(cache_dir / FOLDER))
    try:
        from sould.engine.triton_kernel.launch import TritonKernel
        from sould.engine.triton_kernel.selftest import check

        processors = torch.cuda.get_device_properties(device).multi_processor_count
        kernel = TritonKernel(device, processors=processors, is_ptx=is_nvidia)
        check(kernel, formats)
    except KernelUnavailable:
        raise
    except Exception as e:  # whatever a compiler and a driver may raise
        raise KernelUnavailable(f"Triton fails on {device}: {_first_line(e)}", _HINT) from e
    return kernel


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def _first_line(e: Exception) -> str:
    lines = str(e).strip().splitlines()
    return f"{type(e).__name__}: {lines[0]}" if lines else type(e).__name__
