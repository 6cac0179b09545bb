"""The files of the page, from memory: those there are, and no others.

A browser takes its time with each file, so the script and the style sheet that the page begins with
are sent with all that they import.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from soul_lab.joined import join_script, join_style

PAGE = Path(__file__).with_name("page")
INDEX = "index.html"
JOINED: dict[str, Callable[[Path], str]] = {
    "app/main.js": join_script,
    "style/main.css": join_style,
}
"""What is sent with all that it imports."""
Stamp = tuple[tuple[int, int], ...]
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
"""Of which the machine's own table may say something else."""
_SHORTEST_ZIPPED_BYTES = 512


class PageFile(Struct, frozen=True, kw_only=True):
    """A file as it is sent. ``zipped``: b"" where it is not worth it."""

    stamp: Stamp
    body: bytes
    zipped: bytes
    type: str
    etag: str


class PageFiles:
    """The files of a folder, by the path they are asked for by. One that changes is read anew."""

    def __init__(self, folder: Path = PAGE) -> None:
        paths = (path for path in folder.rglob("*") if path.is_file())
        self._paths = {path.relative_to(folder).as_posix(): path for path in paths}
        self._read: dict[str, PageFile] = {}

    def answer(self, name: str, request: Request) -> Response:
        """Return a file, or nothing but its mark if the browser has it."""
        if name not in self._paths:
            return Response("not found", status_code=404, media_type="text/plain")
        file = self._newest(name)
        is_zipped = bool(file.zipped) and _takes_gzip(request)
        etag = f'"{file.etag}{"-gz" if is_zipped else ""}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if is_zipped:
            headers["Content-Encoding"] = "gzip"
        body = file.zipped if is_zipped else file.body
        return Response(body, headers=headers, media_type=file.type)

    def _newest(self, name: str) -> PageFile:
        path = self._paths[name]
        join = JOINED.get(name)
        parts = [path] if join is None else self._of_kind(path.suffix)
        stamp = tuple((stat.st_mtime_ns, stat.st_size) for stat in map(Path.stat, parts))
        file = self._read.get(name)
        if file is None or file.stamp != stamp:
            body = path.read_bytes() if join is None else join(path).encode()
            file = self._read[name] = _file(path, body, stamp)
        return file

    def _of_kind(self, suffix: str) -> list[Path]:
        """Return all that a script, or a style sheet, can import."""
        return [path for path in self._paths.values() if path.suffix == suffix]


def _file(path: Path, body: bytes, stamp: Stamp) -> PageFile:
    zipped = gzip.compress(body, mtime=0) if len(body) >= _SHORTEST_ZIPPED_BYTES else b""
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return PageFile(
        stamp=stamp,
        body=body,
        zipped=zipped if len(zipped) < len(body) else b"",
        type=_TYPES.get(path.suffix, guessed),
        etag=hashlib.sha256(body).hexdigest()[:24],
    )


def _takes_gzip(request: Request) -> bool:
    offered = request.headers.get("accept-encoding", "").split(",")
    return any(one.split(";")[0].strip() == "gzip" and "q=0" not in one for one in offered)
