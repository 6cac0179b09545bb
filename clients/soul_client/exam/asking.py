"""Ask a daemon the questions of an exam, each in a context of its own, off the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from soul_client import calls
from soul_client.errors import ExamRefused
from soul_client.exam.plan import Question
from soul_client.exam.scoring import Answer, leak_in, mark
from soul_client.wire import ChatDone, SamplingOverrides

if TYPE_CHECKING:
    from soul_client.client import Client

_HEADINGS = {"en": "The user told you:", "ja": "ユーザーから聞いたこと:"}


def ask_all(
    client: Client,
    questions: Sequence[Question],
    *,
    max_tokens: int,
    system: str | None = None,
    bare: bool = False,
) -> Iterator[Answer]:
    """Yield the answer to every question, greedy; nothing is in a prompt but the question.

    ``bare`` and ``system`` make controls: the body without its soul, and a system prompt such
    as ``with_facts``, with which the prompts are not checked.

    Raises:
        ExamRefused: a prompt has an answer in it or is not told, or a reply was stopped.
        SoulError: the daemon failed, or is lost.
    """
    sampling = SamplingOverrides(max_tokens=max_tokens, temperature=0.0, repetition_penalty=1.0)
    for question in questions:
        call = calls.chat(
            question.ask,
            system=system,
            sampling=sampling,
            off_record=True,
            echo_prompt=True,
            bare=bare,
        )
        done = client.start(call).wait()
        _check(question, done, may_leak=system is not None)
        yield mark(question, done.text)


def with_facts(statements: Sequence[str], language: str) -> str:
    """Return a system prompt with all that was told in it."""
    return "\n".join([_HEADINGS[language], *(f"- {text}" for text in statements)])


def _check(question: Question, done: ChatDone, *, may_leak: bool) -> None:
    if done.finish in ("cancelled", "deadline"):
        raise ExamRefused(f"not scored: the reply to {question.ask!r} was stopped")
    if done.recorded or done.prompt is None:
        raise ExamRefused("not scored: this daemon is too old to be examined; restart it")
    if not may_leak and (leak := leak_in(done.prompt, question)):
        raise ExamRefused(
            f"not scored: the prompt of {question.ask!r} has the answer {leak!r} in it; "
            "look at chat.system_prompt"
        )
