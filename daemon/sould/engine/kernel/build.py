"""Compile the kernel once with the system's C compiler and keep the library.

A library's file name holds the hash of everything that went into it (sources, flags, compiler,
processor) and the hash of its own bytes, so a changed machine or a damaged file means building
again, and ``os.replace`` makes builds at the same time harmless.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sould.errors import DeviceUnavailable

log = logging.getLogger(__name__)

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.[ch]")))
FLAGS = ("-std=gnu11", "-O3", "-fno-math-errno", "-fPIC", "-shared", "-fvisibility=hidden")
QUIET = ("-w",)  # the build log of a user's machine is no place for warnings
LIBRARIES = ("-lm", "-pthread")
# The first that the compiler takes. Apple's clang of old knows only the second on Arm.
MACHINE_FLAGS: tuple[tuple[str, ...], ...] = (("-march=native",), ("-mcpu=native",), ())
COMPILERS = ("cc", "gcc", "clang")
BUILD_TIMEOUT_S = 120.0


class KernelUnavailable(DeviceUnavailable):
    """The compiled kernel cannot be used here; the message says why."""


def load_library(
    cache_dir: Path, *, machine_flags: Sequence[Sequence[str]] = MACHINE_FLAGS
) -> ctypes.CDLL:
    """Return the kernel's library, built first where ``cache_dir`` has none that fits.

    ``machine_flags``: flags for the processor, tried in order.

    Raises:
        KernelUnavailable: no compiler, or it fails, or its library cannot be kept or loaded.
    """
    compiler = find_compiler()
    try:
        key = _key(compiler, machine_flags)
        library = _find_cached(cache_dir, key)
        if library is None:
            library = _build(cache_dir, key, compiler, machine_flags)
        return ctypes.CDLL(str(library))
    except OSError as e:
        raise KernelUnavailable(
            f"the kernel could not be built or loaded in {cache_dir}: {e}",
            "make room there, or set body.kernel: torch",
        ) from e


def find_compiler() -> list[str]:
    """Return the command of $CC, else the first of COMPILERS on the path.

    Raises:
        KernelUnavailable: there is none, or $CC is no command.
    """
    asked = os.environ.get("CC", "").strip()
    for name in [asked] if asked else COMPILERS:
        try:
            command = shlex.split(name)
        except ValueError as e:
            raise KernelUnavailable(
                f"$CC ({asked}) is no command: {e}", "set or unset CC, or set body.kernel: torch"
            ) from e
        if shutil.which(command[0]):
            return command
    looked = f"$CC ({asked})" if asked else ", ".join(COMPILERS)
    raise KernelUnavailable(
        f"no C compiler: looked for {looked}", "install gcc or clang, or set body.kernel: torch"
    )


def _key(compiler: Sequence[str], machine_flags: Sequence[Sequence[str]]) -> str:
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update(source.read_bytes())
    version = _run([*compiler, "--version"])
    parts = (*compiler, version, *FLAGS, repr(machine_flags), *LIBRARIES, _processor())
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()[:24]


def _processor() -> str:
    """What -march=native depends on: the model and the features of this processor."""
    lines = {platform.machine(), platform.processor(), platform.system()}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        wanted = ("model name", "flags", "Features", "CPU part")
        lines |= {s for s in cpuinfo.read_text("utf-8").splitlines() if s.startswith(wanted)}
    return "\n".join(sorted(lines))


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except subprocess.CalledProcessError as e:
        last = (e.stderr or e.stdout or "").strip().splitlines()[-1:] or ["no message"]
        raise KernelUnavailable(f"{command[0]} ended with {e.returncode}: {last[0]}") from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise KernelUnavailable(f"{command[0]} could not be run: {e}") from e
    return done.stdout


def _find_cached(cache_dir: Path, key: str) -> Path | None:
    """Return the whole library of that key; remove damaged ones."""
    for path in sorted(cache_dir.glob(f"kernel-{key}-*.so")):
        if path.stem.endswith(_digest(path)):
            return path
        log.warning("kernel library damaged, building it again path=%s", path)
        path.unlink(missing_ok=True)
    return None


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()[:24]


def _build(
    cache_dir: Path, key: str, compiler: Sequence[str], machine_flags: Sequence[Sequence[str]]
) -> Path:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kernel-", dir=cache_dir) as folder:
        made = Path(folder) / "kernel.so"
        _compile(compiler, machine_flags, made)
        library = cache_dir / f"kernel-{key}-{_digest(made)}.so"
        made.replace(library)
    log.info("kernel built compiler=%s path=%s", compiler[0], library)
    return library


def _compile(compiler: Sequence[str], machine_flags: Sequence[Sequence[str]], made: Path) -> None:
    """Compile with the first of ``machine_flags`` that works; raise what the last one said."""
    sources = [str(s) for s in SOURCES if s.suffix == ".c"]
    for i, machine in enumerate(machine_flags):
        try:
            _run([*compiler, *FLAGS, *QUIET, *machine, *sources, "-o", str(made), *LIBRARIES])
            return
        except KernelUnavailable:
            if i + 1 == len(machine_flags):
                raise
