"""Requests of OpenAI's API as types, and its answers. Fields that change no reply are ignored.

What is asked for and cannot be had is refused, never left out in silence. Pure.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from soul_client.wire import ChatMessage, Finish, SamplingOverrides, SessionId, Usage
from soul_openai.models import Known
from soul_openai.refusals import Refused, unsupported
from soul_openai.sampling import refuse_penalties, sampling

OWNER = "bit-ttt"
FINISHES: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "cancelled": "stop",
    "deadline": "length",
}
"""``finish_reason`` of each end; OpenAI has none for a reply that somebody else stopped."""


class Part(Struct, frozen=True):
    """A piece of a message."""

    type: str
    text: str = ""


class Message(Struct, frozen=True):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def spoken(self) -> ChatMessage:
        """Return it as the daemon has it.

        Raises:
            Refused: it is no text.
        """
        match self.role:
            case "tool" | "function":
                raise unsupported("messages", "there are no tools, so nothing comes from one")
            case "developer":
                return ChatMessage(role="system", text=self._text())
            case role:
                return ChatMessage(role=role, text=self._text())

    def _text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        for part in self.content:
            if part.type != "text":
                raise unsupported(
                    "messages", f"a part of type {part.type!a}; bodies read text only"
                )
        return "\n".join(part.text for part in self.content)


class StreamOptions(Struct, frozen=True):
    """What a stream is to have beside the reply."""

    include_usage: bool | None = None


class ResponseFormat(Struct, frozen=True):
    """What form the reply is to have."""

    type: str = "text"


class Common(Struct, frozen=True, kw_only=True):
    """What both kinds of completions have; ``session`` and what follows is ours, or as llama.cpp
    and vLLM call it.
    """

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    session: SessionId | None = None
    off_record: bool | None = None

    @property
    def has_usage_chunk(self) -> bool:
        """Whether the stream ends with a chunk that has the counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(self, max_tokens: int | None) -> SamplingOverrides:
        """Return how the reply is to be sampled.

        Raises:
            Refused: a value is out of range, or asks for what there is not.
        """
        refuse_penalties(self.presence_penalty, self.frequency_penalty)
        if self.n not in (None, 1):
            raise unsupported("n", "only 1")
        if self.logit_bias:
            raise unsupported("logit_bias", "there is none")
        names = ("temperature", "top_p", "seed", "top_k", "min_p", "repetition_penalty")
        values = {name: getattr(self, name) for name in names}
        return sampling({**values, "max_tokens": max_tokens}, self.stop)


class ChatRequest(Common, frozen=True, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    modalities: list[str] | None = None
    response_format: ResponseFormat | None = None

    def check(self) -> None:
        """Raise ``Refused`` for what a body cannot do."""
        if self.tools and self.tool_choice != "none":
            raise unsupported("tools", "a body calls none")
        if self.functions and self.function_call != "none":
            raise unsupported("functions", "a body calls none")
        if self.modalities not in (None, ["text"]):
            raise unsupported("modalities", "only text")
        if self.logprobs:
            raise unsupported("logprobs", "they are not told")
        if self.response_format and self.response_format.type != "text":
            raise unsupported("response_format", "only text")


class CompletionRequest(Common, frozen=True, kw_only=True):
    """``POST /v1/completions``."""

    prompt: str | list[str]
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | None = None
    best_of: int | None = None

    def text(self) -> str:
        """Return the prompt.

        Raises:
            Refused: it is none, or asks for what there is not.
        """
        for name in ("echo", "suffix", "logprobs"):
            if getattr(self, name):
                raise unsupported(name, "there is none")
        if self.best_of not in (None, 1):
            raise unsupported("best_of", "only 1")
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if len(prompts) != 1 or not prompts[0].strip():
            raise Refused(400, "prompt: one text, that is not blank", param="prompt")
        return prompts[0]


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return what a reply cost."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.reply_tokens,
        "total_tokens": usage.prompt_tokens + usage.reply_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def envelope(kind: str, id: str, model: str) -> dict[str, Any]:
    """Return what an answer, and each chunk of one, begins with."""
    return {"id": id, "object": kind, "created": int(time.time()), "model": model}


def model_of(known: Known) -> dict[str, Any]:
    """Return a model as lists have it; ``created`` is its soul's birth."""
    born = known.soul.created
    created = int(datetime.fromisoformat(born).timestamp()) if born else 0
    return {"id": known.model.id, "object": "model", "created": created, "owned_by": OWNER}
