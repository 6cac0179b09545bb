"""What souls reply to questions, each in an empty context: greedy, and cut short."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from torch import Tensor

from sould.bridge import Probe
from sould.engine.decoder import Decoder
from sould.engine.kvcache import KVCache
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.night import Answers, NightsEnd
from sould.engine.soul.weights import Soul
from sould.engine.tokenizer import Tokenizer

MOST_ANSWERS = 8  # of a night
LONGEST = 24  # tokens of a reply
PIECE = 64  # tokens of a question that are read at once


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Asks souls of one body. ``vocab_size``: of the tokenizer.

    Everything yields after each small step; others may use the body then.
    """

    decoder: Decoder
    form: ChatForm
    tokenizer: Tokenizer
    vocab_size: int

    def night(
        self, worn: Soul, dreamt: NightsEnd, probes: Sequence[Probe]
    ) -> Generator[None, None, dict[str, Answers]]:
        """Return what is replied before and after a night, if it is kept, where some of its facts
        are asked for: those whose marks changed, then the newest. ``probes``: of all, oldest first.
        """
        if not isinstance(dreamt.soul, Soul):
            return {}
        before, after = dreamt.before.known, dreamt.after.known
        newest = [probe for probe in reversed(probes) if probe.id in after]
        asked = sorted(newest, key=lambda one: before.get(one.id) == after[one.id])[:MOST_ANSWERS]
        questions = [probe.question for probe in asked]
        evening = yield from self.replies(worn, questions)
        morning = yield from self.replies(dreamt.soul, questions)
        return {
            probe.id: Answers(question=probe.question, before=said, after=says)
            for probe, said, says in zip(asked, evening, morning, strict=True)
        }

    def replies(
        self, soul: Soul | None, questions: Sequence[str]
    ) -> Generator[None, None, list[str]]:
        """Return the first ``LONGEST`` tokens of each reply of a soul, or of the bare body."""
        found = []
        for question in questions:
            ids, logits_V = self.form.asked(question), None
            cache = self.decoder.new_cache(len(ids) + LONGEST)
            for start in range(0, len(ids), PIECE):
                logits_V = self._read(soul, ids[start : start + PIECE], cache)
                yield
            reply: list[int] = []
            while logits_V is not None and len(reply) < LONGEST:
                token = int(logits_V[: self.vocab_size].argmax())
                if token in self.form.ends:
                    break
                reply.append(token)
                logits_V = self._read(soul, [token], cache)
                yield
            found.append(self.tokenizer.decode(reply).strip())
        return found

    def _read(self, soul: Soul | None, ids: list[int], cache: KVCache) -> Tensor | None:
        with self.decoder.wearing(soul):
            return self.decoder.forward(ids, cache)
