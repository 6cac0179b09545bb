"""The server's routes, all of them, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from soul_client import AsyncClient, SoulError
from soul_openai.answers import answer, refusal
from soul_openai.choosing import Chooser
from soul_openai.guard import Guard
from soul_openai.ollama_routes import Ollama
from soul_openai.openai_routes import OpenAI
from soul_openai.refusals import Refused, refused
from soul_openai.settings import Settings
from soul_openai.turns import Talker


def make_app(client: AsyncClient, settings: Settings, token: str) -> Starlette:
    """Return the server; it talks to the daemon of ``client``. ``token`` "": none is asked for."""
    chooser = Chooser(client, settings)
    talker = Talker(client, chooser)

    async def health(request: Request) -> Response:
        """Say that the daemon can be reached."""
        await client.ping()
        return answer({"status": "ok"})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await client.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", _greet),
            Route("/health", health),
            *OpenAI(talker, chooser).routes(),
            *Ollama(talker, chooser, client).routes(),
        ],
        middleware=[Middleware(Guard, settings=settings, token=token)],
        exception_handlers={
            Refused: _refuse,
            SoulError: _refuse,
            HTTPException: _refuse,
            Exception: _fail,
        },
    )


async def _greet(request: Request) -> Response:
    """Say who is there: some clients look before they ask."""
    return PlainTextResponse("Bit-TTT is running")


async def _refuse(request: Request, error: Any) -> Response:
    match error:
        case Refused():
            why = error
        case SoulError():
            why = refused(error)
        case _:
            why = Refused(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    return refusal(request.url.path, why)


async def _fail(request: Request, error: Exception) -> Response:
    """Answer for a fault of ours: its words may be the user's, so they are not told."""
    why = Refused(500, f"a fault in soul_openai ({type(error).__name__})", code="internal")
    return refusal(request.url.path, why)
