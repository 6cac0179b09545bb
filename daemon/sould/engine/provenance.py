"""Where an answer comes from: how likely it is to souls, and to the body where it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Event

from soul_client.wire import ChatMessage, Progress
from sould.bridge import Generate, Trace, Traced, Weighed
from sould.engine.generate import PROBE, Steps, generate, silently
from sould.engine.loading import Body
from sould.engine.runner import AnySoul
from sould.engine.sampling import NotFinite
from sould.engine.soul.facts import LONGEST, told
from sould.engine.souls import soul_at
from sould.errors import BadRequest, Cancelled, PromptTooLong
from sould.language import is_japanese

_UNRELATED = {
    False: ("The weather is nice.", "I am here today.", "Hello."),
    True: ("今日は天気がいいです。", "私はここにいます。", "こんにちは。"),
}
"""By whether it is Japanese: whatever stands before a question makes some answers likelier."""


def trace(body: Body, params: Trace, stop: Event) -> Steps[Traced]:
    """Say how likely an answer is to souls, and where it is told; every yield ends a small step.

    Raises:
        SouldError: a soul cannot be read, or was grown on another body.
        BadRequest: there is no answer.
        PromptTooLong: all of it does not fit the context.
        NotFinite: the body computed NaN or infinity.
        Cancelled: ``stop`` was set.
    """
    answer = params.answer or (yield from _reply(body, params, stop))
    likelihood = _Likelihood(body, answer, params.system, stop)
    souls = []
    for n, path in enumerate(params.souls):
        yield Progress(stage="tracing", done=n, total=len(params.souls))
        souls.append((yield from likelihood.steps(soul_at(body, path), params.question)))
    texts = [(told(record) or record.text)[:LONGEST] for record in params.told]
    controls = _UNRELATED[is_japanese(params.question)] if texts else ()
    unrelated, weighed = [], []
    for n, text in enumerate([*controls, *texts]):
        yield Progress(stage="weighing", done=n, total=len(controls) + len(texts))
        log_p = yield from likelihood.steps(None, f"{text}\n{params.question}")
        if n < len(controls):
            unrelated.append(log_p)
        else:
            weighed.append(Weighed(text=text, log_p=log_p))
    return Traced(
        answer=answer,
        tokens=len(likelihood.answer),
        souls=souls,
        told=weighed,
        unrelated=max(unrelated, default=0.0),
    )


class _Likelihood:
    """Of one answer as a reply, under one system prompt. ``answer``: its tokens, at least one."""

    def __init__(self, body: Body, answer: str, system: str, stop: Event) -> None:
        self.answer = body.tokenizer.encode(answer)
        if not self.answer:
            raise BadRequest("there is no answer", "say which one is meant")
        self._body = body
        self._system = system
        self._stop = stop
        self._kv = body.decoder.new_cache(body.context_tokens)
        self._soul: AnySoul | None = None  # the one that the cache is of

    def steps(self, soul: AnySoul | None, asked: str) -> Steps[float]:
        """Return ln p a token, what ends the reply not counted. Computed as replies are."""
        ids = self._body.template.render(_messages(self._system, asked))
        size, limit = len(ids) + len(self.answer), self._body.context_tokens
        if size > limit:
            raise PromptTooLong(
                f"question and answer make {size} tokens, the context has {limit}",
                "ask in fewer words, or raise body.context_tokens",
            )
        self._go_back(soul, ids[:-1])
        while self._kv.length < len(ids) - 1:
            start = self._kv.length
            self._forward(soul, ids[start : min(start + self._body.pacer.size, len(ids) - 1)])
            yield None
        total, token = 0.0, ids[-1]
        for wanted in self.answer:
            total += self._log_p(soul, token, wanted)
            token = wanted
            yield None
        return total / len(self.answer)

    def _go_back(self, soul: AnySoul | None, ids: Sequence[int]) -> None:
        """Keep of the cache what holds for this soul and prompt."""
        pairs = zip(self._kv.tokens, ids, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), len(ids))
        self._kv.truncate(same if soul is self._soul else 0)
        self._soul = soul

    def _forward(self, soul: AnySoul | None, ids: list[int]) -> None:
        self._check()
        with self._body.decoder.wearing(soul):
            self._body.decoder.forward(ids, self._kv, want="none")

    def _log_p(self, soul: AnySoul | None, token: int, wanted: int) -> float:
        self._check()
        with self._body.decoder.wearing(soul):
            logits_V = self._body.decoder.forward([token], self._kv)
        assert logits_V is not None
        log_p = float(logits_V[wanted] - logits_V.logsumexp(-1))
        if not math.isfinite(log_p):
            raise NotFinite("the body computed numbers that are not finite")
        return log_p

    def _check(self) -> None:
        if self._stop.is_set():
            raise _stopped()


def _reply(body: Body, params: Trace, stop: Event) -> Steps[str]:
    """Have the last soul answer, greedy, in an empty context."""
    order = Generate(messages=_messages(params.system, params.question), sampling=PROBE)
    soul = soul_at(body, params.souls[-1])
    text = yield from silently(generate(body, order, stop, soul=soul))
    if stop.is_set():
        raise _stopped()
    if not text.strip():
        raise BadRequest("the soul says nothing to it", "say which answer is meant")
    return text


def _messages(system: str, asked: str) -> list[ChatMessage]:
    led = [ChatMessage(role="system", text=system)] if system else []
    return [*led, ChatMessage(role="user", text=asked)]


def _stopped() -> Cancelled:
    return Cancelled("tracing the answer was stopped")
