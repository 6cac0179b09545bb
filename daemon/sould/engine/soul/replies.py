"""What souls reply to questions, each in an empty context: greedy, and cut short."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from threading import Event
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sould.bridge import Generate, Probe
from sould.engine.generate import PROBE, generate, silently
from sould.engine.runner import AnySoul
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.night import Answers, NightsEnd

if TYPE_CHECKING:
    from sould.engine.loading import Body

MOST_ANSWERS = 8  # of a night
LONGEST = 24  # tokens of a reply


def answers_of(
    body: Body, form: ChatForm, worn: AnySoul, dreamt: NightsEnd, probes: Sequence[Probe]
) -> Generator[None, None, dict[str, Answers]]:
    """Return what is replied before and after a night, if it is kept, where some of its facts are
    asked for: those whose marks changed, then the newest. ``probes``: of all, oldest first.
    """
    if dreamt.soul is None:
        return {}
    before, after = dreamt.before.known, dreamt.after.known
    newest = [probe for probe in reversed(probes) if probe.id in after]
    asked = sorted(newest, key=lambda one: before.get(one.id) == after[one.id])[:MOST_ANSWERS]
    found = {}
    for probe in asked:
        evening = yield from _reply(body, form, worn, probe.question)
        morning = yield from _reply(body, form, dreamt.soul, probe.question)
        found[probe.id] = Answers(question=probe.question, before=evening, after=morning)
    return found


def _reply(body: Body, form: ChatForm, soul: AnySoul, question: str) -> Generator[None, None, str]:
    """Return the beginning of a reply; yields after each small step."""
    sampling = replace(PROBE, max_tokens=LONGEST)
    order = Generate(messages=form.messages(question), sampling=sampling)
    text = yield from silently(generate(body, order, Event(), soul=soul))
    return text.strip()
