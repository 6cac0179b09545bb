"""Uploads of souls, without a network: what is too much, breaks off, or finds no daemon."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from soul_lab.hub import Hub
from soul_lab.soul_files import MOST_BYTES, SoulFiles

PIECE = b"\0" * (1 << 20)
GONE = {"type": "http.disconnect"}


@pytest.fixture
async def files(tmp_path: Path) -> SoulFiles:
    """Where no daemon runs."""
    config = tmp_path / "config.yaml"
    config.write_text("bit_ttt: 1\nruntime_dir: run\n")
    left = tmp_path / "uploads" / "left"
    left.mkdir(parents=True)
    return SoulFiles(Hub(str(config)), tmp_path / "uploads")


def upload(pieces: Iterable[bytes], *last: dict[str, Any], name: str = "") -> Request:
    """Make a request whose body comes in these pieces; ``last`` comes in place of its end."""
    messages = [{"type": "http.request", "body": one, "more_body": True} for one in pieces]
    messages += last or ({"type": "http.request", "body": b"", "more_body": False},)
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    query = f"name={name}".encode()
    scope = {"type": "http", "method": "POST", "path": "/souls", "query_string": query}
    return Request({**scope, "headers": []}, receive)


async def code_of(files: SoulFiles, request: Request) -> tuple[int, str]:
    answer = await files.take_in(request)
    return answer.status_code, json.loads(bytes(answer.body))["error"]["code"]


def kept(folder: Path) -> list[Path]:
    return list((folder / "uploads").rglob("*"))


async def test_what_a_killed_server_left_is_gone(files: SoulFiles, tmp_path: Path) -> None:
    assert kept(tmp_path) == [] and (tmp_path / "uploads").stat().st_mode & 0o077 == 0


async def test_no_more_than_the_limit_is_taken(files: SoulFiles, tmp_path: Path) -> None:
    most = MOST_BYTES // len(PIECE)
    assert await code_of(files, upload([PIECE] * most + [b"x"])) == (413, "too_large")
    assert kept(tmp_path) == []


async def test_one_that_breaks_off(files: SoulFiles, tmp_path: Path) -> None:
    assert await code_of(files, upload([PIECE], GONE)) == (408, "deadline")
    assert kept(tmp_path) == []


async def test_without_a_daemon(files: SoulFiles, tmp_path: Path) -> None:
    assert await code_of(files, upload([PIECE])) == (503, "disconnected")
    assert kept(tmp_path) == []


async def test_the_folder_may_have_been_taken_away(files: SoulFiles, tmp_path: Path) -> None:
    (tmp_path / "uploads").rmdir()
    assert (await code_of(files, upload([b"x"])))[1] == "disconnected"
    (tmp_path / "uploads").rmdir()
    (tmp_path / "uploads").write_text("in the way")
    assert await code_of(files, upload([b"x"])) == (507, "storage")


@pytest.mark.parametrize("name", ["../x", "a%2Fb", "x" * 65, ".x", "-x", "a%00b", "a%5Cb"])
async def test_what_no_soul_is_called(files: SoulFiles, name: str) -> None:
    assert await code_of(files, upload([b"x"], name=name)) == (400, "bad_request")
