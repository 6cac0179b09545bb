"""A body inside a wheel: fetched by pip, never installed, and only the very bytes expected."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from soul_client.wire import Progress
from sould.bodystore.catalog import WheelMember
from sould.bodystore.fetch_wheel import WheelFetcher
from sould.bodystore.staging import Stage, free_bytes, open_stage
from sould.errors import PullFailed


def ignore(progress: Progress) -> None:
    """Where nobody watches."""


def write_wheel(folder: Path, data: bytes, *, member: str = "tiny_wheel/body.gguf") -> WheelMember:
    folder.mkdir()
    about = "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n"
    layout = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "tiny_wheel-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_wheel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, data)
        wheel.writestr(f"{record}/METADATA", about)
        wheel.writestr(f"{record}/WHEEL", layout)
        wheel.writestr(f"{record}/RECORD", "")
    return WheelMember(
        requirement="tiny-wheel==1.0",
        member="tiny_wheel/body.gguf",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with open_stage(tmp_path / "models", "tiny", free_bytes, lambda: None) as opened:
        yield opened


def fetch_wheel(member: WheelMember, stage: Stage) -> Path:
    fetcher = WheelFetcher(member, name="tiny", licence="MIT", wheel_bytes=1000)
    return fetcher.fetch(stage, ignore)


def test_the_member_is_taken_out_of_the_wheel(tmp_path: Path, stage: Stage) -> None:
    data = os.urandom(100_000)
    body = fetch_wheel(write_wheel(tmp_path / "index", data), stage)
    assert body.name == "tiny.gguf" and body.read_bytes() == data


def test_a_wheel_that_came_whole_is_not_fetched_again(tmp_path: Path, stage: Stage) -> None:
    member = write_wheel(tmp_path / "index", b"body")
    fetch_wheel(member, stage)
    (tmp_path / "index" / "tiny_wheel-1.0-py3-none-any.whl").unlink()
    assert fetch_wheel(member, stage).read_bytes() == b"body"


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, stage: Stage) -> None:
    good = write_wheel(tmp_path / "index", b"good")
    member = WheelMember(
        requirement=good.requirement, member=good.member, sha256="0" * 64, size_bytes=4
    )
    with pytest.raises(PullFailed, match="expected 0000"):
        fetch_wheel(member, stage)


def test_a_wheel_with_more_bytes_is_refused_before_they_are_unpacked(
    tmp_path: Path, stage: Stage
) -> None:
    bomb = write_wheel(tmp_path / "index", bytes(10_000_000))
    member = WheelMember(
        requirement=bomb.requirement, member=bomb.member, sha256=bomb.sha256, size_bytes=4
    )
    with pytest.raises(PullFailed, match="has 10000000 bytes, expected 4"):
        fetch_wheel(member, stage)
    assert list(stage.files.iterdir()) == []


def test_a_wheel_without_the_member_is_refused(tmp_path: Path, stage: Stage) -> None:
    member = write_wheel(tmp_path / "index", b"x", member="../../body.gguf")
    with pytest.raises(PullFailed, match=r"does not hold tiny_wheel/body\.gguf"):
        fetch_wheel(member, stage)


def test_what_pip_says_is_passed_on(tmp_path: Path, stage: Stage) -> None:
    (tmp_path / "index").mkdir()
    member = WheelMember(requirement="tiny-wheel==9", member="x", sha256="", size_bytes=1)
    with pytest.raises(PullFailed, match="No matching distribution"):
        fetch_wheel(member, stage)
