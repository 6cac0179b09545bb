"""A question and its answer as the body reads them in a chat, ready to be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soul_client.wire import ChatMessage
from sould.engine.template import ChatTemplate


@dataclass(frozen=True)
class Line:
    """What follows the shared beginning of all chats. ``positions`` of ``ids``: the answer."""

    ids: list[int]
    positions: list[int]

    @staticmethod
    def whole(ids: list[int]) -> Line:
        """Return a line that is all answer, but for the token that it begins with."""
        return Line(ids, list(range(1, len(ids))))

    @property
    def answer(self) -> list[int]:
        return [self.ids[p] for p in self.positions]

    def as_prose(self) -> Line:
        """Return what somebody says as text of its own, without what ends it in a chat."""
        return Line.whole(self.ids[:-1])


class ChatForm:
    """Chats of one question under one system prompt ("": the template's own).

    ``prefix``: the ids that all of them begin with. ``ends``: tokens that end a reply.
    """

    def __init__(self, template: ChatTemplate, ends: frozenset[int], *, system: str = "") -> None:
        self._template = template
        self._ends = ends
        self._system = [ChatMessage(role="system", text=system)] if system else []
        one, other = (self._render(text) for text in ("one", "Two?"))
        same = [a == b for a, b in zip(one, other, strict=False)]
        self.prefix = one[: same.index(False)]

    def line(self, question: str, answer: str) -> Line:
        """Return a chat of one turn; the answer goes up to the token that ends it."""
        before = self._render(question)
        ids = self._render(question, answer)
        if ids[: len(before)] != before:  # the template writes past replies differently
            raise ValueError("the chat template does not put a reply where it is said")
        ids = ids[len(self.prefix) :]
        start = len(before) - len(self.prefix)
        end = next((i for i in range(start, len(ids)) if ids[i] in self._ends), len(ids) - 1)
        return Line(ids[: end + 1], list(range(start, end + 1)))

    def messages(self, question: str) -> list[ChatMessage]:
        """Return a chat that asks one question, as it is sent."""
        return [*self._system, ChatMessage(role="user", text=question)]

    def asked(self, question: str) -> list[int]:
        """Return the ids of a question, prefix included, up to where the reply begins."""
        return self._render(question)

    def said(self, question: str, reply: Sequence[int]) -> Line:
        """Return a chat whose reply is these very tokens."""
        asked = self._render(question)[len(self.prefix) :]
        return Line([*asked, *reply], list(range(len(asked), len(asked) + len(reply))))

    def spoken(self, text: str) -> Line:
        """Return what a user says, to be said by them again: their words, and that they end."""
        ids = self._render(text, is_asked=False)[len(self.prefix) :]
        end = next((i for i in range(len(ids)) if ids[i] in self._ends), len(ids) - 1)
        return Line(ids[: end + 1], list(range(end + 1)))

    def _render(
        self, question: str, answer: str | None = None, *, is_asked: bool = True
    ) -> list[int]:
        messages = self.messages(question)
        if answer is not None:
            messages.append(ChatMessage(role="assistant", text=answer))
        return self._template.render(messages, add_generation_prompt=is_asked and answer is None)
