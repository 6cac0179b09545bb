"""A small Hugging Face hub on loopback: enough of its API that huggingface_hub believes it.

Model info with file hashes, ``resolve`` with Range, and the hub's ways to say no. Faults are
switched on by the fields of ``HubServer`` while it runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/revision/(?P<revision>.+))?")
_FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_CHUNK_BYTES = 16 * 1024


@dataclass
class Repo:
    """``files``: name -> bytes. ``large``: kept as LFS files, with a SHA-256, from this size."""

    files: dict[str, bytes]
    commit: str = "c" * 40
    licence: str = "apache-2.0"
    gated: bool = False
    large_bytes: int = 4096


@dataclass
class HubServer:
    """What is served, what was asked for, and what goes wrong.

    ``drop_after_bytes``: every file answer breaks off there. ``chunk_wait_s``: a slow line.
    ``ignores_ranges``: always the whole file. ``damaged``: files that arrive with a bit
    flipped. ``fail_with``: status codes the next file requests are answered with.
    """

    endpoint: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    drop_after_bytes: int | None = None
    chunk_wait_s: float = 0.0
    ignores_ranges: bool = False
    damaged: set[str] = field(default_factory=set)
    fail_with: list[int] = field(default_factory=list)

    def fetched(self, name: str) -> list[str]:
        """Return the Range headers (``""`` without one) of the requests for a file."""
        return [range_ for path, range_ in self.requests if path.endswith(f"/{name}")]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder as a repository holds them."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Serve until the block ends."""
    hub = HubServer()

    class Handler(_Handler):
        server_hub = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server_hub.requests.append((path, self.headers.get("Range", "")))
        if match := _INFO.fullmatch(path):
            self._send_info(match["repo"], match["revision"])
        elif match := _FILE.fullmatch(path):
            self._send_file(match["repo"], match["revision"], match["name"])
        else:
            self._refuse(404, "EntryNotFound")

    def _send_info(self, name: str, revision: str | None) -> None:
        repo = self.server_hub.repos.get(name)
        if repo is None:
            self._refuse(401, "RepoNotFound")
        elif revision not in (None, "main", repo.commit):
            self._refuse(404, "RevisionNotFound")
        else:
            siblings = [_sibling(repo, file, data) for file, data in repo.files.items()]
            info: dict[str, Any] = {
                "id": name,
                "sha": repo.commit,
                "gated": "manual" if repo.gated else False,
                "cardData": {"license": repo.licence},
                "siblings": siblings,
            }
            self._answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _send_file(self, name: str, revision: str, file: str) -> None:
        hub = self.server_hub
        repo = hub.repos.get(name)
        if hub.fail_with:
            self._refuse(hub.fail_with.pop(0), "")
        elif repo is None or revision != repo.commit:
            self._refuse(404, "RevisionNotFound")
        elif repo.gated:
            self._refuse(403, "GatedRepo")
        elif file not in repo.files:
            self._refuse(404, "EntryNotFound")
        else:
            data = repo.files[file]
            if file in hub.damaged:
                data = bytes([data[0] ^ 1]) + data[1:]
            self._send_bytes(data)

    def _send_bytes(self, data: bytes) -> None:
        hub = self.server_hub
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match and not hub.ignores_ranges else 0
        ranged = match is not None and not hub.ignores_ranges
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = len(data)
        if hub.drop_after_bytes is not None:
            end = min(end, start + hub.drop_after_bytes)
            self.close_connection = end < len(data)
        try:
            for at in range(start, end, _CHUNK_BYTES):
                self.wfile.write(data[at : min(at + _CHUNK_BYTES, end)])
                time.sleep(hub.chunk_wait_s)
        except OSError:  # the client was killed, as some tests want it
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b"{}", {"X-Error-Code": code} if code else {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: tests look at ``HubServer.requests``."""


def _sibling(repo: Repo, name: str, data: bytes) -> dict[str, Any]:
    git_sha1 = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    sibling: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_sha1}
    if len(data) >= repo.large_bytes:
        sha256 = hashlib.sha256(data).hexdigest()
        sibling["lfs"] = {"size": len(data), "sha256": sha256, "pointerSize": 134}
    return sibling
