"""Persona, quiz and text files: their schema, and everything that can be wrong with them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from soul_client.errors import ExamInvalid

Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]
Texts = Annotated[list[Text], Meta(min_length=1)]


class Update(Struct, frozen=True, kw_only=True):
    """Which earlier fact a probe replaces: a night, and the fact's place in its ``say``."""

    night: Annotated[int, Meta(ge=0)]
    fact: Annotated[int, Meta(ge=0)]


class Probe(Struct, frozen=True, kw_only=True):
    """Questions about one fact: ``ask`` has a direct wording first, then indirect ones.

    ``accept``: any of these in an answer is a hit. ``stale``: what was right before.
    """

    fact: Annotated[int, Meta(ge=0)]
    ask: Texts
    accept: Texts
    updates: Update | None = None
    stale: list[Text] = []


class Night(Struct, frozen=True, kw_only=True):
    """One day: what is said, facts and small talk, and what is asked afterwards."""

    say: Texts
    probes: list[Probe]
    small_talk: list[Text] = []


class NeverTold(Struct, frozen=True, kw_only=True):
    """A question about something that was never said."""

    ask: Text


class Style(Struct, frozen=True, kw_only=True):
    """How an invented user talks. ``signature``: turns of phrase that come back again and again.

    ``held_out``: utterances in the same voice that are never said, to be read as plain text.
    """

    held_out: Texts
    signature: list[Text] = []


class Persona(Struct, frozen=True, kw_only=True):
    """An invented user, who talks on some days; every day ends with a night."""

    name: Text
    language: Literal["en", "ja"]
    nights: Annotated[list[Night], Meta(min_length=1)]
    never_told: list[NeverTold] = []
    style: Style | None = None


class QuizItem(Struct, frozen=True, kw_only=True):
    """A question of general knowledge."""

    ask: Text
    accept: Texts


class Quiz(Struct, frozen=True, kw_only=True):
    """A list of questions of general knowledge."""

    items: Annotated[list[QuizItem], Meta(min_length=1)]


class Prose(Struct, frozen=True, kw_only=True):
    """A text of general interest, in paragraphs, to measure how likely it is to a body."""

    paragraphs: Texts


def load(path: Path) -> Persona | Quiz | Prose:
    """Read a persona file, a general quiz (a list of ``{ask, accept}``), or a ``.txt`` file.

    In a text every line that is not blank is a paragraph.

    Raises:
        ExamInvalid: the file, where in it, and what is wrong there.
    """
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".txt":
            return _prose(path, data)
        raw = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
        loaded: Persona | Quiz
        if isinstance(raw, list):
            loaded = Quiz(items=msgspec.convert(raw, Annotated[list[QuizItem], Meta(min_length=1)]))
            faults = _quiz_faults(loaded)
        else:
            loaded = msgspec.convert(raw, Persona)
            faults = _persona_faults(loaded)
    except OSError as e:
        raise ExamInvalid(f"{path} cannot be read: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise ExamInvalid(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}") from e
    except msgspec.MsgspecError as e:
        raise ExamInvalid(f"{path} is no persona and no quiz: {e}") from e
    except RecursionError as e:
        raise ExamInvalid(f"{path} is no persona and no quiz: it is nested too deeply") from e
    if fault := next(faults, ""):
        raise ExamInvalid(f"{path}: {fault}")
    return loaded


def _prose(path: Path, data: bytes) -> Prose:
    lines = data.decode("utf-8-sig").splitlines()
    paragraphs = [line.strip() for line in lines if line.strip()]
    if not paragraphs:
        raise ExamInvalid(f"{path} has no text in it")
    return Prose(paragraphs=paragraphs)


def _quiz_faults(quiz: Quiz) -> Iterator[str]:
    for n, item in enumerate(quiz.items):
        yield from _telling(f"$[{n}]", [item.ask], item.accept)


def _persona_faults(persona: Persona) -> Iterator[str]:
    for n, night in enumerate(persona.nights):
        seen: set[int] = set()
        for p, probe in enumerate(night.probes):
            at = f"$.nights[{n}].probes[{p}]"
            if probe.fact >= len(night.say):
                yield f"fact {probe.fact} is not one of the {len(night.say)} in say - at {at}.fact"
            if probe.fact in seen:
                yield f"fact {probe.fact} has another probe already - at {at}.fact"
            seen.add(probe.fact)
            yield from _telling(at, probe.ask, [*probe.accept, *probe.stale])
            yield from _update_faults(persona, n, probe, at)
    yield from _style_faults(persona)


def _style_faults(persona: Persona) -> Iterator[str]:
    if persona.style is None:
        return
    said = {text for night in persona.nights for text in (*night.say, *night.small_talk)}
    for n, text in enumerate(persona.style.held_out):
        if text in said:
            yield f"{text!r} is said, so it is not held out - at $.style.held_out[{n}]"


def _update_faults(persona: Persona, night: int, probe: Probe, at: str) -> Iterator[str]:
    if probe.updates is None:
        if probe.stale:
            yield f"stale without updates - at {at}.stale"
        return
    if not probe.stale:
        yield f"updates without stale values - at {at}"
    earlier, fact = probe.updates.night, probe.updates.fact
    if earlier >= night:
        yield f"night {earlier} is not before night {night} - at {at}.updates.night"
    elif all(one.fact != fact for one in persona.nights[earlier].probes):
        yield f"night {earlier} has no probe for fact {fact} - at {at}.updates.fact"


def _telling(at: str, asks: Sequence[str], values: Sequence[str]) -> Iterator[str]:
    """A question that has its own answer in it scores when it is repeated."""
    for k, ask in enumerate(asks):
        for value in values:
            if value.casefold() in ask.casefold():
                yield f"the question {ask!r} has its answer {value!r} in it - at {at}.ask[{k}]"
