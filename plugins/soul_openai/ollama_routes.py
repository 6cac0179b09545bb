"""Ollama's routes that its common clients need."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from soul_client import AsyncClient, SoulError
from soul_client.wire import ChatMessage
from soul_openai.answers import Streamed, answer, read_body, unless_gone
from soul_openai.asking import headers_of, is_off_record, session_of
from soul_openai.choosing import Chooser
from soul_openai.conversation import Conversation, conversation
from soul_openai.models import Model
from soul_openai.ollama_wire import (
    VERSION,
    ChatRequest,
    Common,
    GenerateRequest,
    ShowRequest,
    head,
    listed,
    shown,
    tail,
)
from soul_openai.refusals import Refused, ollama_error, refused
from soul_openai.turns import Asked, Talker, Turn

Said = Callable[[str], dict[str, Any]]
"""Puts a piece of a reply where a line of the answer has it."""


class Ollama:
    """Answers what Ollama's clients ask."""

    def __init__(self, talker: Talker, chooser: Chooser, client: AsyncClient) -> None:
        self._talker = talker
        self._chooser = chooser
        self._client = client

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/api/version", self.version),
            Route("/api/tags", self.tags),
            Route("/api/ps", self.running),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/chat", self.chat, methods=["POST"]),
            Route("/api/generate", self.generate, methods=["POST"]),
            Route("/api/embed", self.embed, methods=["POST"]),
            Route("/api/embeddings", self.embed, methods=["POST"]),
        ]

    async def version(self, request: Request) -> Response:
        """Say which release of Ollama this is like."""
        return answer({"version": VERSION})

    async def tags(self, request: Request) -> Response:
        """List the models."""
        return answer({"models": [listed(one) for one in await self._chooser.list()]})

    async def running(self, request: Request) -> Response:
        """List the model that is loaded."""
        body = (await self._client.status()).body
        found = await self._chooser.list() if body else []
        return answer(
            {
                "models": [
                    {**listed(one), "context_length": body.context_tokens}
                    for one in found[:1]
                    if body and one.body.name == body.name
                ]
            }
        )

    async def show(self, request: Request) -> Response:
        """Say what a model is."""
        wants = await read_body(request, ShowRequest)
        known = await self._chooser.find(wants.wanted())
        return answer(shown(known, await self._client.body_info(known.body.name)))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation; without messages, load the model, or unload it."""
        wants = await read_body(request, ChatRequest)
        wants.check()
        if not wants.messages:
            return await self._load(request, wants, _message)
        said = conversation(message.spoken() for message in wants.messages)
        return await self._reply(request, wants, said, _message)

    async def generate(self, request: Request) -> Response:
        """Answer a prompt, as the first message of a conversation; without one as ``chat``."""
        wants = await read_body(request, GenerateRequest)
        wants.check()
        if not wants.prompt.strip():
            return await self._load(request, wants, _response)
        first = conversation([ChatMessage(role="user", text=wants.prompt)])
        said = msgspec.structs.replace(first, system=wants.system)
        return await self._reply(request, wants, said, _response)

    async def embed(self, request: Request) -> Response:
        """Refuse: no body makes embeddings."""
        raise Refused(501, "bodies make no embeddings, they chat")

    async def _load(self, request: Request, wants: Common, put: Said) -> Response:
        work = self._unloaded if wants.unloads else self._loaded
        model = await unless_gone(request.receive, work(wants.model))
        reason = "unload" if wants.unloads else "load"
        return answer({**head(model.id), **put(""), "done": True, "done_reason": reason})

    async def _loaded(self, name: str) -> Model:
        async with self._chooser.using(name) as model:
            await self._client.body_load(model.body)
        return model

    async def _unloaded(self, name: str) -> Model:
        model = (await self._chooser.find(name)).model
        body = (await self._client.status()).body
        if body and body.name == model.body:
            await self._client.body_unload()
        return model

    async def _reply(
        self, request: Request, wants: Common, said: Conversation, put: Said
    ) -> Response:
        asked = Asked(
            model=wants.model,
            conversation=said,
            sampling=wants.options.sampling(),
            session=session_of(request, wants.session),
            off_record=is_off_record(request, wants.off_record),
        )
        begun_s = time.monotonic()
        turn = await unless_gone(request.receive, self._talker.begin(asked))
        if wants.stream is not False:  # Ollama streams unless it is told not to
            return Streamed(
                self._stream(turn, asked, put, begun_s),
                at_end=turn.close,
                media_type="application/x-ndjson",
                headers=headers_of(turn),
            )
        try:
            done = await unless_gone(request.receive, turn.finish())
        finally:
            await turn.close()
        self._talker.end(asked, done)
        spent_s = time.monotonic() - begun_s
        return answer(
            {**head(turn.model.id), **put(done.text), **tail(done, spent_s)},
            headers=headers_of(turn),
        )

    async def _stream(
        self, turn: Turn, asked: Asked, put: Said, begun_s: float
    ) -> AsyncGenerator[bytes]:
        model = turn.model.id
        try:
            async for piece in turn.pieces():
                yield _line({**head(model), **put(piece), "done": False})
        except SoulError as e:
            yield _line(ollama_error(refused(e)))
            return
        self._talker.end(asked, turn.done)
        spent_s = time.monotonic() - begun_s
        yield _line({**head(model), **put(""), **tail(turn.done, spent_s)})


def _message(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def _response(text: str) -> dict[str, Any]:
    return {"response": text}


def _line(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body) + b"\n"
