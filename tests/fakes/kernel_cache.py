"""The compiled kernel of all tests: to compile it takes a core for seconds, so it is done once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from sould.engine.kernel.build import MACHINE_FLAGS, load_library


def compile_once(cache: Path, machine_flags: Sequence[Sequence[str]] = MACHINE_FLAGS) -> None:
    """Have a cache hold the kernel for these flags; who comes meanwhile waits for it.

    Raises:
        KernelUnavailable: no compiler, or it fails.
    """
    with FileLock(cache.with_suffix(".lock")):  # beside it: the product makes no such file
        load_library(cache, machine_flags=machine_flags)


def lend_kernels(cache: Path, other: Path) -> None:
    """Put the kernels of a cache into another one: ``workspace/cache`` is the one of a daemon."""
    other.mkdir(parents=True, exist_ok=True)
    for library in cache.glob("kernel-*.so"):
        shutil.copy(library, other)
