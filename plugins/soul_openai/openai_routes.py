"""OpenAI's routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from soul_client import SoulError
from soul_client.wire import ChatDone, ChatMessage
from soul_openai.answers import Streamed, answer, read_body, unless_gone
from soul_openai.asking import headers_of, is_off_record, session_of
from soul_openai.choosing import Chooser
from soul_openai.conversation import conversation
from soul_openai.openai_wire import (
    FINISHES,
    ChatRequest,
    Common,
    CompletionRequest,
    envelope,
    model_of,
    usage_of,
)
from soul_openai.refusals import Refused, openai_error, refused
from soul_openai.turns import Asked, Talker, Turn


class OpenAI:
    """Answers what OpenAI's clients ask."""

    def __init__(self, talker: Talker, chooser: Chooser) -> None:
        self._talker = talker
        self._chooser = chooser

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/v1/models", self.models),
            Route("/v1/models/{model:path}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.complete, methods=["POST"]),
            Route("/v1/embeddings", self.embed, methods=["POST"]),
        ]

    async def models(self, request: Request) -> Response:
        """List the models."""
        found = await self._chooser.list()
        return answer({"object": "list", "data": [model_of(one) for one in found]})

    async def model(self, request: Request) -> Response:
        """Say what a model is."""
        return answer(model_of(await self._chooser.find(request.path_params["model"])))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        wants = await read_body(request, ChatRequest)
        wants.check()
        said = conversation(message.spoken() for message in wants.messages)
        limit = wants.max_completion_tokens or wants.max_tokens
        asked = Asked(
            model=wants.model,
            conversation=said,
            sampling=wants.sampling(limit),
            session=session_of(request, wants.session),
            off_record=is_off_record(request, wants.off_record),
        )
        return await self._reply(request, wants, asked, _Chat())

    async def complete(self, request: Request) -> Response:
        """Answer a prompt, as a message that a conversation begins with: bodies chat."""
        wants = await read_body(request, CompletionRequest)
        asked = Asked(
            model=wants.model,
            conversation=conversation([ChatMessage(role="user", text=wants.text())]),
            sampling=wants.sampling(wants.max_tokens),
            session=session_of(request, wants.session),
            off_record=is_off_record(request, wants.off_record),
        )
        return await self._reply(request, wants, asked, _Completion())

    async def embed(self, request: Request) -> Response:
        """Refuse: no body makes embeddings."""
        raise Refused(501, "bodies make no embeddings, they chat", code="unsupported")

    async def _reply(
        self, request: Request, wants: Common, asked: Asked, form: _Chat | _Completion
    ) -> Response:
        turn = await unless_gone(request.receive, self._talker.begin(asked))
        if wants.stream:
            pieces = self._stream(turn, asked, form, with_usage=wants.has_usage_chunk)
            return Streamed(
                pieces,
                at_end=turn.close,
                media_type="text/event-stream",
                headers=headers_of(turn),
            )
        try:
            done = await unless_gone(request.receive, turn.finish())
        finally:
            await turn.close()
        self._talker.end(asked, done)
        body = envelope(form.kind, f"{form.prefix}-{turn.id}", turn.model.id)
        choice = form.whole(done)
        return answer(
            {**body, "choices": [choice], "usage": usage_of(done.usage)}, headers=headers_of(turn)
        )

    async def _stream(
        self, turn: Turn, asked: Asked, form: _Chat | _Completion, *, with_usage: bool
    ) -> AsyncGenerator[bytes]:
        head = envelope(form.chunk_kind, f"{form.prefix}-{turn.id}", turn.model.id)
        nothing = {"usage": None} if with_usage else {}

        def chunk(choice: dict[str, Any]) -> bytes:
            return _event({**head, "choices": [choice], **nothing})

        if first := form.first():
            yield chunk(first)
        try:
            async for piece in turn.pieces():
                yield chunk(form.piece(piece))
        except SoulError as e:
            yield _event(openai_error(refused(e)))
            return
        self._talker.end(asked, turn.done)
        yield chunk(form.last(turn.done))
        if with_usage:
            yield _event({**head, "choices": [], "usage": usage_of(turn.done.usage)})
        yield b"data: [DONE]\n\n"


class _Chat:
    """How a chat completion is said."""

    kind, chunk_kind, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def first(self) -> dict[str, Any] | None:
        return _choice(delta={"role": "assistant", "content": ""})

    def piece(self, text: str) -> dict[str, Any]:
        return _choice(delta={"content": text})

    def last(self, done: ChatDone) -> dict[str, Any]:
        return _choice(FINISHES[done.finish], delta={})

    def whole(self, done: ChatDone) -> dict[str, Any]:
        message = {"role": "assistant", "content": done.text, "refusal": None}
        return _choice(FINISHES[done.finish], message=message)


class _Completion:
    """How a completion is said."""

    kind, chunk_kind, prefix = "text_completion", "text_completion", "cmpl"

    def first(self) -> dict[str, Any] | None:
        return None

    def piece(self, text: str) -> dict[str, Any]:
        return _choice(text=text)

    def last(self, done: ChatDone) -> dict[str, Any]:
        return _choice(FINISHES[done.finish], text="")

    def whole(self, done: ChatDone) -> dict[str, Any]:
        return _choice(FINISHES[done.finish], text=done.text)


def _choice(finish: str | None = None, **said: Any) -> dict[str, Any]:
    return {"index": 0, **said, "logprobs": None, "finish_reason": finish}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
