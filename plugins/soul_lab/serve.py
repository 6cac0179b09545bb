"""The frontend: serves the page until the daemon ends us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import TypedDict

import uvicorn

from soul_client.http_frontend import listen
from soul_client.lab_door import LabDoor, read_door, write_door
from soul_lab.app import make_app
from soul_lab.door import Door
from soul_lab.hub import Hub
from soul_lab.messages import MOST_MESSAGE_BYTES
from sould.plugin import frontend_settings

MOST_CONNECTIONS = 128
END_WITHIN_S = 1
UPLOADS = Path("cache", "plugins", "soul_lab")
"""In the workspace: for files on their way."""


class Told(TypedDict):
    """What the plugin declared."""

    workspace: str
    port: int
    host: str
    hosts: list[str]


def main() -> int:
    """Serve; return why that is not possible, as an exit code with a last line."""
    told = frontend_settings(Told)
    try:
        listening = listen(told["host"], told["port"])
    except OSError as e:
        print(f"{told['host']} port {told['port']} cannot be used: {e.strerror}", file=sys.stderr)
        return 1
    with listening:
        asyncio.run(serve(listening, told))
    return 0


async def serve(listening: socket.socket, told: Told) -> None:
    """Answer on a socket until SIGTERM."""
    port = listening.getsockname()[1]
    workspace = Path(told["workspace"])
    token = read_token(workspace)
    door = Door(token=token, port=port, hosts=[*own_hosts(port), *told["hosts"]])
    hub = Hub()
    write_door(workspace, LabDoor(url=url_of(told["host"], port), token=token, pid=os.getpid()))
    server = uvicorn.Server(_config(make_app(door, hub, uploads=workspace / UPLOADS)))
    following = asyncio.create_task(hub.run())
    following.add_done_callback(lambda _: setattr(server, "should_exit", True))  # nobody follows
    try:
        await server.serve([listening])
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await hub.close()


def own_hosts(port: int) -> list[str]:
    """Return the names by which this machine calls itself."""
    return [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]


def url_of(host: str, port: int) -> str:
    """Return where a browser of this machine finds the page."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}/" if ":" in reachable else f"http://{reachable}:{port}/"


def read_token(workspace: Path) -> str:
    """Return the token of this workspace: that of last time, if it has one."""
    import secrets

    door = read_door(workspace)
    return door.token if door else secrets.token_urlsafe(32)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="h11",  # it has a limit for heads
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        access_log=False,  # the token is in an address
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=END_WITHIN_S,
    )


if __name__ == "__main__":
    sys.exit(main())
