"""Answers over HTTP: read a request, answer it at once or piece by piece, notice who leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from soul_openai.refusals import ClientGone, Refused, ollama_error, openai_error

MOST_BYTES = 8 * 1024 * 1024
"""Of a request: what the daemon takes in one frame, and room for what JSON adds to it."""

T = TypeVar("T")


async def read_body(request: Request, form: type[T]) -> T:
    """Read a request's JSON, whatever its content type says.

    Raises:
        Refused: too large, no JSON, or not of that form.
    """
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise Refused(413, f"the request has more than {MOST_BYTES} bytes", code="too_large")
    try:
        return msgspec.json.decode(bytes(data), type=form)
    except msgspec.ValidationError as e:
        raise wrong_field(e) from e
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise Refused(400, f"the request is not JSON: {e}") from e


def wrong_field(error: msgspec.ValidationError) -> Refused:
    """Make the refusal of a field that is not what it should be. Pure."""
    what, _, at = str(error).partition(" - at `$")
    return Refused(400, str(error), param=at.strip(".`") if what else "")


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    data = msgspec.json.encode(body)
    return Response(data, status, headers, media_type="application/json")


def refusal(path: str, why: Refused) -> Response:
    """Answer with an error, in the form of the API that the path belongs to."""
    body = ollama_error(why) if path.startswith("/api/") else openai_error(why)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}
    return answer(body, why.status, headers.get(why.status))


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client whose request has been read; cancel it when the client goes away.

    Raises:
        ClientGone: it did.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)
    return task.result()


class Streamed(Response):
    """An answer that is sent as it is made. ``at_end`` is called however it ends: all is sent, or
    the client went away.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        *,
        at_end: Callable[[], Awaitable[None]],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(None, 200, {**headers, "Cache-Control": "no-cache"}, media_type)
        del self.headers["content-length"]
        self._pieces = pieces
        self._at_end = at_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await unless_gone(receive, self._send(start, send))
        except ClientGone:
            return
        finally:
            await self._at_end()

    async def _send(self, start: dict[str, Any], send: Send) -> None:
        await send(start)
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
