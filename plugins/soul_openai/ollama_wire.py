"""Requests of Ollama's API as types, and its answers.

Options about memory and speed are ignored: the daemon has its own. What is asked for and cannot
be had is refused. Pure.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from soul_client.wire import BodyInfo, ChatDone, ChatMessage, Finish, SamplingOverrides, SessionId
from soul_openai.models import Known
from soul_openai.refusals import Refused, unsupported
from soul_openai.sampling import refuse_penalties, sampling

VERSION = "0.6.4"
"""The release of Ollama whose routes ours are like: clients ask for one that is new enough."""
REASONS: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "cancelled": "stop",
    "deadline": "length",
}
"""``done_reason`` of each end."""
_NO_LIMIT = (-1, -2)
_NO_TIME = (0, "0", "0s", "0m")


class Message(Struct, frozen=True):
    """A message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: list[Any] | None = None

    def spoken(self) -> ChatMessage:
        """Return it as the daemon has it.

        Raises:
            Refused: it is no text.
        """
        if self.images:
            raise unsupported("images", "bodies read text only")
        if self.role == "tool":
            raise unsupported("messages", "there are no tools, so nothing comes from one")
        return ChatMessage(role=self.role, text=self.content or "")


class Options(Struct, frozen=True, kw_only=True):
    """How a reply is sampled."""

    num_predict: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: Annotated[int, Meta(ge=-1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat: int | None = None
    typical_p: float | None = None
    tfs_z: float | None = None

    def sampling(self) -> SamplingOverrides:
        """Return how the reply is to be sampled.

        Raises:
            Refused: a value is out of range, or asks for what there is not.
        """
        refuse_penalties(self.presence_penalty, self.frequency_penalty)
        for name, off in (("mirostat", 0), ("typical_p", 1.0), ("tfs_z", 1.0)):
            if getattr(self, name) not in (None, off):
                raise unsupported(name, f"only {off:g}")
        window = MOST_WINDOW if self.repeat_last_n == -1 else self.repeat_last_n
        values = {
            "max_tokens": None if self.num_predict in _NO_LIMIT else self.num_predict,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "min_p": self.min_p,
            "repetition_penalty": self.repeat_penalty,
            "repetition_window": window,
            "seed": self.seed,
        }
        return sampling(values, self.stop)


MOST_WINDOW = 1_000_000
"""Tokens looked back at where all of the context is meant."""


class Common(Struct, frozen=True, kw_only=True):
    """What both kinds of requests have; ``session`` and ``off_record`` are ours."""

    model: str
    stream: bool | None = None
    options: Options = Options()
    format: Any = None
    think: bool | str | None = None
    keep_alive: float | str | None = None
    session: SessionId | None = None
    off_record: bool | None = None

    @property
    def unloads(self) -> bool:
        """Whether a request without words is to free the memory, not to take it."""
        return self.keep_alive in _NO_TIME

    def check(self) -> None:
        """Raise ``Refused`` for what a body cannot do."""
        if self.format:
            raise unsupported("format", "only text")
        if self.think:
            raise unsupported("think", f"{self.model!a} does not support thinking")


class ChatRequest(Common, frozen=True, kw_only=True):
    """``POST /api/chat``."""

    messages: list[Message] = []
    tools: list[Any] | None = None

    def check(self) -> None:
        """Raise ``Refused`` for what a body cannot do."""
        super().check()
        if self.tools:
            raise unsupported("tools", f"{self.model!a} does not support tools")


class GenerateRequest(Common, frozen=True, kw_only=True):
    """``POST /api/generate``."""

    prompt: str = ""
    system: str | None = None
    suffix: str | None = None
    template: str | None = None
    raw: bool | None = None
    context: list[int] | None = None
    images: list[Any] | None = None

    def check(self) -> None:
        """Raise ``Refused`` for what a body cannot do."""
        super().check()
        for name in ("suffix", "template", "raw", "context", "images"):
            if getattr(self, name):
                raise unsupported(name, "there is none; /api/chat goes on with a conversation")


class ShowRequest(Struct, frozen=True, kw_only=True):
    """``POST /api/show``; ``name`` is what ``model`` was called before."""

    model: str = ""
    name: str = ""

    def wanted(self) -> str:
        """Return the name of the model.

        Raises:
            Refused: there is none.
        """
        if not (self.model or self.name):
            raise Refused(400, "model is missing", param="model")
        return self.model or self.name


def head(model: str) -> dict[str, Any]:
    """Return what every line of an answer begins with."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"model": model, "created_at": now}


def tail(done: ChatDone, total_s: float) -> dict[str, Any]:
    """Return what the last line says of the reply; durations in nanoseconds."""
    usage = done.usage
    return {
        "done": True,
        "done_reason": REASONS[done.finish],
        "total_duration": _ns(total_s),
        "load_duration": 0,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": _ns(usage.prefill_s),
        "eval_count": usage.reply_tokens,
        "eval_duration": _ns(usage.decode_s),
    }


def listed(known: Known) -> dict[str, Any]:
    """Return a model as lists have it. ``digest`` tells models apart; it is no hash of weights."""
    body, soul = known.body, known.soul
    identity = f"{known.model.id}\n{body.size_bytes}\n{soul.saved}"
    return {
        "name": known.model.id,
        "model": known.model.id,
        "modified_at": soul.saved or soul.created or None,
        "size": body.size_bytes + soul.size_bytes,
        "digest": hashlib.sha256(identity.encode()).hexdigest(),
        "details": {"parent_model": body.name, "format": body.format},
    }


def shown(known: Known, info: BodyInfo) -> dict[str, Any]:
    """Return what ``/api/show`` says of a model."""
    soul = known.soul
    about = {
        "general.architecture": info.family,
        "general.parameter_count": info.parameters,
        f"{info.family}.context_length": info.context_max,
        f"{info.family}.embedding_length": info.hidden,
        f"{info.family}.block_count": info.layers,
        "soul.name": soul.name,
        "soul.level": soul.level,
    }
    details = {
        "parent_model": info.name,
        "format": info.format,
        "family": info.family,
        "families": [info.family],
        "parameter_size": f"{info.parameters / 1e6:.0f}M",
        "quantization_level": info.quantisation,
    }
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "license": info.licence,
        "details": details,
        "model_info": about,
        "capabilities": ["completion"],
        "modified_at": soul.saved or soul.created or None,
    }


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
