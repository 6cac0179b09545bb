"""The device the body is to run on, and the compiler that makes a CPU quick."""

from __future__ import annotations

import importlib
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from soul_client.findings import Finding, ok, problem, warning
from sould.config import Config

GPU_TOOL = "nvidia-smi"
UVM = Path("/dev/nvidia-uvm")
"""What CUDA opens first; a service may not have the system make it."""


def torch() -> Iterator[Finding]:
    """Say whether torch can be imported, which is more than that it is installed."""
    try:
        found = importlib.import_module("torch")
    except (ImportError, OSError) as e:
        yield problem("torch", "torch.broken", error=str(e).splitlines()[0])
        return
    yield ok("torch", "torch.good", version=str(found.__version__))


def device(config: Config) -> Iterator[Finding]:
    """Say what the body will run on. A GPU is only looked for if it may be used."""
    asked = config.body.device
    if asked == "cpu" or (asked == "auto" and shutil.which(GPU_TOOL) is None):
        yield ok("device", "device.cpu")
        return
    count = _count_gpus()
    index = int(asked.partition(":")[2] or 0)
    if index < count:
        yield ok("device", "device.cuda", count=count)
    elif asked != "auto":
        yield problem("device", "device.missing", asked=asked, count=count)
    elif UVM.exists():
        yield warning("device", "device.unused")
    else:
        yield warning("device", "device.no_uvm", path=str(UVM))


def kernel(config: Config) -> Iterator[Finding]:
    """Say whether the native kernel can be compiled; with `kernel: torch` nothing is."""
    from sould.engine.kernel.build import KernelUnavailable, find_compiler

    if config.body.kernel == "torch" or config.body.device.startswith("cuda"):
        yield ok("kernel", "kernel.not_asked")
        return
    try:
        command = find_compiler()
    except KernelUnavailable as e:
        if config.body.kernel == "native":
            yield problem("kernel", "kernel.missing", error=e.message)
        else:
            yield warning("kernel", "kernel.slow", error=e.message)
        return
    yield ok("kernel", "kernel.good", command=shlex.join(command))


def _count_gpus() -> int:
    count: int = importlib.import_module("torch").cuda.device_count()
    return count
