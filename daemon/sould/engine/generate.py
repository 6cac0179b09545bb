"""One reply: choose the prompt, find its beginning in the cache, compute the rest, speak."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from soul_client.wire import ChatMessage, Chunk, Finish, Progress, Sampling, Usage
from sould.bridge import Generate, Generated
from sould.engine.prefixcache import Said
from sould.engine.prompt import Prompt, fit, reply_room
from sould.engine.runner import AnySoul, Cache
from sould.engine.sampling import Sampler
from sould.engine.stopping import StopTexts
from sould.errors import BadRequest

if TYPE_CHECKING:
    from sould.engine.loading import Body

T = TypeVar("T")
Steps: TypeAlias = Generator[Progress | Chunk | None, None, T]

PROBE = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=64)
"""To see what a soul says: greedy, nothing held against what was said before."""


def generate(
    body: Body, request: Generate, stop: Event, *, soul: AnySoul | None = None
) -> Steps[Generated]:
    """Answer the last message of ``request`` with ``soul``; every yield ends one small step.

    All chunks joined are ``Generated.text``. A stop is noticed at the next step; what was
    said by then is the reply.

    Raises:
        BadRequest: the last message is not the user's.
        PromptTooLong: it does not fit the context.
        NotFinite: the body computed NaN or infinity.
    """
    if stop.is_set():
        return Generated(text="", finish="cancelled", usage=Usage(), keep_from=request.keep_from)
    return (yield from _Reply(body, request, stop, soul).steps())


def to_its_end(steps: Steps[Generated]) -> Generator[None, None, Generated]:
    """Run a reply whose chunks nobody is told, and return it."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(Generated, end.value)
        yield


def silently(steps: Steps[Generated]) -> Generator[None, None, str]:
    """Do the same, and return its text."""
    return (yield from to_its_end(steps)).text


class _Reply:
    """A reply in the making. ``ids`` are those said so far, ``texts`` the chunks.

    ``said`` is what the body should not go on repeating: its earlier replies and this one.
    ``n_whole``: the first so many ids spell exactly what was said; None if no number does.
    """

    def __init__(self, body: Body, request: Generate, stop: Event, soul: AnySoul | None) -> None:
        self.body = body
        self.soul = soul
        self.sampling = request.sampling
        self.echo_prompt = request.echo_prompt
        self.stop = stop
        self.stops = StopTexts([*request.sampling.stop, *body.template.stop])
        self.stream = body.tokenizer.stream()
        self.prompt = self._fit_prompt(request)
        self.said, heard = spoken(
            request.messages, body.tokenizer.encode, request.sampling.repetition_window
        )
        self.sampler = Sampler(
            request.sampling, vocab_size=body.vocab_size, exempt=body.ends | heard
        )
        self.ids: list[int] = []
        self.n_whole: int | None = 0
        self.texts: list[str] = []
        self.prefill_s = [0.0]
        self.decode_s = [0.0]

    def steps(self) -> Steps[Generated]:
        prefixes, limit = self.body.prefixes, self.body.context_tokens
        ids = self._as_said()
        with self.body.decoder.wearing(self.soul):
            slot = prefixes.take(ids, room=min(limit, len(ids) + self.sampling.max_tokens))
        cached_tokens = slot.kv.length
        try:
            yield from self._prefill(ids[:-1], slot.kv)
            finish = yield from self._speak(ids[-1], slot.kv)
            if held := self.stops.finish():
                yield self._chunk(held)
        except BaseException:
            prefixes.drop(slot)  # half a step may be in it
            raise
        text = "".join(self.texts)
        prefixes.give_back(slot, self._remembered(ids, text))
        usage = Usage(
            prompt_tokens=len(ids),
            cached_tokens=cached_tokens,
            reply_tokens=len(self.ids),
            prefill_s=sum(self.prefill_s),
            decode_s=sum(self.decode_s),
        )
        return Generated(
            text=text,
            finish=finish,
            usage=usage,
            keep_from=self.prompt.keep_from,
            prompt=self.body.tokenizer.transcribe(ids) if self.echo_prompt else None,
        )

    def _fit_prompt(self, request: Generate) -> Prompt:
        if not request.messages or request.messages[-1].role != "user":
            raise BadRequest("the last message of a conversation must be the user's")
        limit = self.body.context_tokens
        return fit(
            request.messages,
            keep_from=request.keep_from,
            context_tokens=limit,
            room=reply_room(request.sampling.max_tokens, limit),
            render=self.body.template.render,
        )

    def _as_said(self) -> list[int]:
        """Return the prompt with earlier replies in the tokens they were said in, if they fit."""
        tokenizer, limit = self.body.tokenizer, self.body.context_tokens
        ids = self.body.prefixes.as_said(
            self.prompt.ids, control=tokenizer.control_ids, decode=tokenizer.decode
        )
        room = reply_room(self.sampling.max_tokens, limit)
        return ids if len(ids) <= limit - room else self.prompt.ids

    def _prefill(self, ids: list[int], kv: Cache) -> Steps[None]:
        """Compute what of ``ids`` is not in the cache, in pieces; a stop ends it early."""
        pacer, start = self.body.pacer, kv.length
        while kv.length < len(ids) and not self.stop.is_set():
            piece = ids[kv.length : kv.length + pacer.size]
            with _timed(self.prefill_s), self.body.decoder.wearing(self.soul):
                self.body.decoder.forward(piece, kv, want="none")
            pacer.note(len(piece), self.prefill_s[-1])
            yield Progress(stage="prefill", done=kv.length - start, total=len(ids) - start)

    def _speak(self, token: int, kv: Cache) -> Steps[Finish]:
        """Say one token after the other, the first of them after ``token``.

        The last token of a prompt is computed here too: so a reply's logits come out of the
        same computation, whatever of the prompt was in the cache.
        """
        while not self.stop.is_set():
            with _timed(self.decode_s):
                token = self._next_token(token, kv)
                if token in self.body.ends:
                    return "stop"
                self.ids.append(token)
                self.said.append(token)
                text = self._heard(token)
            yield self._chunk(text) if text else None
            if self.stops.has_stopped:
                return "stop"
            if len(self.ids) == self.sampling.max_tokens or kv.length == self.body.context_tokens:
                return "length"
        return "cancelled"

    def _next_token(self, token: int, kv: Cache) -> int:
        with self.body.decoder.wearing(self.soul):
            logits_V = self.body.decoder.forward([token], kv)
        assert logits_V is not None
        return self.sampler.draw(logits_V.numpy(force=True), self.said)

    def _heard(self, token: int) -> str:
        """Return what may be shown after ``token``."""
        text = self.stream.push(token)
        if self.stream.is_whole:
            self.n_whole = len(self.ids)
        elif text:
            self.n_whole = None
        return self.stops.feed(text)

    def _remembered(self, prompt_ids: list[int], text: str) -> Said | None:
        if self.n_whole is None or self.stops.has_stopped:
            return None
        return Said(self.prompt.ids, text, [*prompt_ids, *self.ids[: self.n_whole]])

    def _chunk(self, text: str) -> Chunk:
        self.texts.append(text)
        return Chunk(text=text)


def spoken(
    messages: Sequence[ChatMessage], encode: Callable[[str], list[int]], window: int
) -> tuple[list[int], set[int]]:
    """Return the tokens of the newest replies, ``window`` or some more, and the user's since.

    The first are penalised as repetition, the second never: names and other words of the
    user must stay sayable.
    """
    said: list[int] = []
    heard: set[int] = set()
    for message in reversed(messages):
        ids = encode(message.text)
        if message.role == "assistant":
            said = ids + said
        elif message.role == "user":
            heard.update(ids)
        if len(said) >= window:
            break
    return said, heard


@contextmanager
def _timed(times_s: list[float]) -> Iterator[None]:
    """Append how long the block took; the time of other jobs' steps is not in it."""
    start_s = time.perf_counter()
    try:
        yield
    finally:
        times_s.append(time.perf_counter() - start_s)
