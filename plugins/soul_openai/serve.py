"""The frontend's process: ``python -m soul_openai.serve``, which the daemon keeps running."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from soul_client import AsyncClient
from soul_client.http_frontend import HttpFrontend, announced, listen
from soul_openai.app import make_app
from soul_openai.keys import read_or_make_token
from soul_openai.settings import Serving
from sould.plugin import frontend_settings

NAME = "soul_openai"
MOST_CONNECTIONS = 256
"""More are answered with 503."""
END_WITHIN_S = 1
"""For answers under way, when the daemon ends us: it waits two seconds."""


def main() -> int:
    """Serve until the daemon ends us."""
    settings = frontend_settings(Serving)
    workspace = Path(settings.workspace)
    token = "" if settings.token == "none" else read_or_make_token(workspace)
    try:
        listening = listen(settings.host, settings.port)
    except OSError as e:
        print(f"{settings.host} port {settings.port} cannot be had: {e.strerror}", file=sys.stderr)
        return 1
    client = AsyncClient(name=NAME)
    config = uvicorn.Config(
        make_app(client, settings, token),
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=END_WITHIN_S,
    )
    # uvicorn raises the signal that ended it once more: what is announced has to be taken back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listening, _announce(workspace, listening, token):
        uvicorn.Server(config).run(sockets=[listening])
    return 0


@contextlib.contextmanager
def _announce(workspace: Path, listening: socket.socket, token: str) -> Iterator[None]:
    """Say where we are, for ``soul api``, while we are there."""
    host, port = listening.getsockname()[:2]
    at = f"[{host}]" if ":" in host else host
    told = HttpFrontend(url=f"http://{at}:{port}", token=token, pid=os.getpid())
    with announced(workspace, NAME, told):
        yield


if __name__ == "__main__":
    sys.exit(main())
