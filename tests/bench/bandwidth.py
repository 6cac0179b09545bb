"""How fast memory can be read here, for benchmarks that are held to that."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sould.engine.kernel.build import find_compiler

NUMBERS = 1 << 25  # 256 MiB: no cache holds them


class Memory:
    """A stretch of memory that is read by some threads at once."""

    def __init__(self, threads: int) -> None:
        self._parts = np.array_split(np.arange(NUMBERS, dtype=np.uint64), threads)
        self._pool = ThreadPoolExecutor(threads)
        self._sum = _compiled()

    def bytes_per_second(self) -> float:
        """Read it once."""
        started_s = time.perf_counter()
        list(self._pool.map(lambda part: self._sum(part.ctypes.data, len(part)), self._parts))
        return 8 * NUMBERS / (time.perf_counter() - started_s)


def _compiled() -> ctypes._NamedFuncPointer:
    source = Path(__file__).with_name("bandwidth.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "bandwidth.so"
        flags = ["-O3", "-march=native", "-fPIC", "-shared"]
        subprocess.run([*find_compiler(), *flags, str(source), "-o", str(library)], check=True)
        function = ctypes.CDLL(str(library)).sum_all
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_uint64
    return function
