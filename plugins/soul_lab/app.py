"""What is answered where."""

from __future__ import annotations

import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from soul_lab.answers import outside
from soul_lab.bridge import TRY_AGAIN_LATER, Bridge
from soul_lab.door import Door, Guard
from soul_lab.files import INDEX, PageFiles
from soul_lab.hub import Hub
from soul_lab.local import Local
from soul_lab.soul_files import SoulFiles

MOST_PAGES = 24
"""That are open at once."""


def make_app(door: Door, hub: Hub, *, uploads: Path) -> ASGIApp:
    """Return the whole application. ``uploads``: a folder for files on their way, which is made
    anew.
    """
    files = PageFiles()
    souls = SoulFiles(hub, uploads)
    local = Local(hub)

    async def enter(request: Request) -> Response:
        shown = request.query_params.get("token", "")
        if shown and door.lets_in(shown, now_s=time.time()):
            return _let_in(door)
        return files.answer(INDEX, request) if door.is_known(request.headers) else outside()

    async def file(request: Request) -> Response:
        return files.answer(request.path_params["name"], request)

    async def page(socket: WebSocket) -> None:
        if hub.page_count >= MOST_PAGES:
            await socket.close(TRY_AGAIN_LATER)
            return
        await Bridge(socket, hub, local).serve()

    routes = [
        Route("/", enter),
        WebSocketRoute("/ws", page),
        Route("/souls", souls.take_in, methods=["POST"]),
        Route("/souls/{name}.soul", souls.hand_out),
        Route("/{name:path}", file),
    ]
    return Guard(Starlette(routes=routes), door)


def _let_in(door: Door) -> Response:
    """Give the browser the cookie, and take the token out of its address bar."""
    answer = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        door.cookie_name, door.cookie, max_age=400 * 86400, httponly=True, samesite="strict"
    )
    return answer
