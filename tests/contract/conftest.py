"""What the contract tests share: kernels that are compiled once for all workers."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from sould.engine.kernel import NativeKernel, load_kernel
from sould.engine.kernel.build import MACHINE_FLAGS
from tests.fakes.kernel_cache import compile_once

IS_X86 = platform.machine() in ("x86_64", "AMD64")
BUILDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "native": MACHINE_FLAGS,  # of which the first are -march=native
    "plain": (("-DPLAIN_C",),),
}
if IS_X86 and "avx2" in Path("/proc/cpuinfo").read_text("utf-8"):
    BUILDS["avx2"] = (("-march=x86-64-v3",),)


@pytest.fixture(scope="session", params=BUILDS)
def kernel(request: pytest.FixtureRequest, kernels: Path) -> NativeKernel:
    """The kernel in every form its source has, on two threads."""
    compile_once(kernels, BUILDS[request.param])
    return load_kernel(kernels, threads=2, machine_flags=BUILDS[request.param])


@pytest.fixture(scope="session")
def native(kernels: Path) -> NativeKernel:
    return load_kernel(kernels, threads=2)
