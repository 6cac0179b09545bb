"""Fixtures every test may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

# Before torch is imported: OpenMP threads that spin while they wait turn each small operation
# into milliseconds as soon as another process wants the same cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DEFAULT_BODY = Path(__file__).parents[1] / "models" / "smollm2-135m-instruct.gguf"


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: much of what tests do is to wait for processes."""
    return min(4, (os.cpu_count() or 1) + 1)


@pytest.fixture(scope="session")
def default_body() -> Path:
    """Return the default body's file; fails where it is missing (mark tests ``real_body``)."""
    if not DEFAULT_BODY.is_file():
        pytest.fail(f"{DEFAULT_BODY} is missing; run 'make body' (or 'make test', which does)")
    return DEFAULT_BODY


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the kernel as it is compiled for this machine, one for all workers of this run;
    without a compiler there is nothing in it, and who needs a kernel is told why.
    """
    from sould.engine.kernel import KernelUnavailable  # imports torch
    from tests.fakes.kernel_cache import compile_once

    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kernels"
    cache.mkdir(exist_ok=True)
    with contextlib.suppress(KernelUnavailable):
        compile_once(cache)
    return cache
