"""Souls in and out: an upload is taken in by the daemon's own checks, a download is a copy.

The files between lie in a folder of the workspace that is the owner's only, for as long as it
takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from soul_client import DaemonError, SoulError, WireError
from soul_client.wire import ErrorCode
from soul_lab.answers import refusal
from soul_lab.hub import Hub
from soul_lab.messages import DISCONNECTED

MOST_BYTES = 64 << 20
MOST_AT_ONCE = 2
SILENCE_S = 30.0
"""How long an upload may send nothing."""
SEND_WITHIN_S = 900.0
NAME = re.compile(r"(?![.-])[^/\\\x00-\x1f\x7f]{1,64}")
"""What can be the name of a soul, as far as paths go; the daemon has the last word."""
_STATUS = {
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.BUSY: 503,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.STORAGE: 507,
    ErrorCode.INTERNAL: 500,
    ErrorCode.ENGINE_DIED: 500,
    ErrorCode.SHUTTING_DOWN: 503,
}


class SoulFiles:
    """Answers ``POST /souls`` and ``GET /souls/NAME.soul``. ``folder`` is its own."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self._hub = hub
        self._folder = folder
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed server left
        folder.mkdir(mode=0o700, parents=True)

    async def take_in(self, request: Request) -> Response:
        """Answer an upload: the body is the file, ``name`` of the query what it is to be called."""
        name = request.query_params.get("name", "")
        if name and not NAME.fullmatch(name):
            return refusal(400, "bad_request", f"{name[:80]!a} cannot be the name of a soul")
        if int(request.headers.get("content-length", "0")) > MOST_BYTES:
            return _too_large()
        if self._room.locked():
            return _busy()
        path: Path | None = None
        try:
            async with self._room, self._private() as folder:
                path = folder / "upload.soul"
                await _save(request, path)
                taken = await self._hub.client.soul_import(str(path), name)
        except TooLarge:
            return _too_large()
        except SoulError as e:  # before OSError: one of them is a TimeoutError, too
            return _failed(e, path)
        except (TimeoutError, ClientDisconnect):
            return refusal(408, "deadline", "the upload stopped")
        except OSError as e:
            return _unkept(e)
        return JSONResponse({"name": taken.name, "size_bytes": taken.size_bytes})

    async def hand_out(self, request: Request) -> Response:
        """Answer a download."""
        name = request.path_params["name"]
        if not NAME.fullmatch(name):
            return refusal(404, "not_found", f"{name[:80]!a} cannot be the name of a soul")
        return Download(self, name)

    @contextlib.asynccontextmanager
    async def copy_of(self, name: str) -> AsyncIterator[Path]:
        """Have a soul copied, for as long as the copy is needed."""
        async with self._room, self._private() as folder:
            path = folder / "download.soul"
            await self._hub.client.soul_export(str(path), name)
            yield path

    @contextlib.asynccontextmanager
    async def _private(self) -> AsyncIterator[Path]:
        folder = await asyncio.to_thread(self._new_folder)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _new_folder(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # 'soul forget' takes it away
        return Path(tempfile.mkdtemp(dir=self._folder))


class Download(Response):
    """A copy of a soul that is made when it is sent, and gone afterwards, however that ends."""

    def __init__(self, files: SoulFiles, name: str) -> None:
        self._files = files
        self._name = name
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or why it cannot be."""
        try:
            async with self._files.copy_of(self._name) as path:
                with contextlib.suppress(TimeoutError):  # somebody who does not read
                    async with asyncio.timeout(SEND_WITHIN_S):
                        await self._answer(path)(scope, receive, send)
                return
        except SoulError as e:
            failed = _failed(e)
        except OSError as e:
            failed = _unkept(e)
        await failed(scope, receive, send)

    def _answer(self, path: Path) -> Response:
        disposition = f"attachment; filename*=UTF-8''{quote(self._name)}.soul"
        headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
        return FileResponse(path, headers=headers, media_type="application/octet-stream")


class TooLarge(Exception):
    """An upload is over the limit."""


async def _save(request: Request, path: Path) -> None:
    """Write what comes to a new file.

    Raises:
        TooLarge: it is over the limit; what came until then is there.
        TimeoutError: nothing came for too long.
        ClientDisconnect: the browser has gone.
        OSError: the disk is full.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    size_bytes = 0
    with os.fdopen(handle, "wb") as file:
        pieces = request.stream()
        while True:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(pieces, None)
            if piece is None:
                return
            size_bytes += len(piece)
            if size_bytes > MOST_BYTES:
                raise TooLarge
            await asyncio.to_thread(file.write, piece)


def _failed(error: SoulError, upload: Path | None = None) -> Response:
    if isinstance(error, DaemonError | WireError):
        status = _STATUS.get(error.code, 422)
        message = error.message.replace(str(upload), "the file") if upload else error.message
        return refusal(status, error.code.value, message, error.hint)
    return refusal(503, DISCONNECTED, str(error))


def _unkept(error: OSError) -> Response:
    return refusal(507, "storage", f"the file could not be kept: {error.strerror}")


def _too_large() -> Response:
    return refusal(413, "too_large", f"a soul has at most {MOST_BYTES >> 20} MB here")


def _busy() -> Response:
    return refusal(503, "busy", f"{MOST_AT_ONCE} souls are on their way already", "try again")
