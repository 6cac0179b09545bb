"""What the server answers itself: Markdown, and the log it has kept."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from soul_client import WireError
from soul_client.codec import convert
from soul_client.wire import ErrorCode
from soul_lab.hub import KEPT_LINES, Hub
from soul_lab.markdown import MOST_CHARS, render
from soul_lab.messages import Asked


class Render(Struct, frozen=True, kw_only=True):
    """Parameters of ``lab.render``: Markdown."""

    text: Annotated[str, Meta(max_length=MOST_CHARS)]


class Log(Struct, frozen=True, kw_only=True):
    """Parameters of ``lab.log``: how many lines at most."""

    limit: Annotated[int, Meta(ge=1, le=KEPT_LINES)] = 500


METHODS = ("lab.render", "lab.log")


class Local:
    """Answers ``METHODS``, for all pages; it renders one text at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._rendering = asyncio.Lock()

    async def answer(self, asked: Asked) -> dict[str, Any]:
        """Return the result of a request.

        Raises:
            WireError: ``bad_request``; ``internal``: the text cannot be rendered.
        """
        if asked.method == "lab.log":
            return {"lines": self._hub.lines(convert(asked.params, Log).limit)}
        text = convert(asked.params, Render).text
        async with self._rendering:
            try:
                return {"html": await asyncio.to_thread(render, text)}
            except Exception as e:  # whatever a parser makes of a hostile text
                message = f"the text cannot be shown as Markdown ({type(e).__name__})"
                raise WireError(ErrorCode.INTERNAL, message) from e
