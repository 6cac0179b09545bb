"""An exam of questions, a persona's or a quiz's: asked, with controls, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from soul_cli import exam_prose, output
from soul_cli.exam_prose import Passage
from soul_cli.settings import Settings
from soul_cli.waiting import watched
from soul_client import exam as paper
from soul_client.exam import Answer, Persona, Question, Quiz, Score

if TYPE_CHECKING:
    from soul_client.client import Client


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """The answers with the soul, and those of each control by its name.

    ``kept``: of a quiz, what the bare body answers and is still answered; None where that
    is not known, or nothing. ``style``: how likely the persona's held-out phrases are; None
    where it has none.
    """

    night: int
    max_tokens: int
    answers: list[Answer]
    controls: dict[str, list[Answer]]
    kept: Score | None
    style: Passage | None

    def report(self) -> dict[str, Any]:
        """Return scores and answers as builtins."""
        return {
            "night": self.night,
            "max_tokens": self.max_tokens,
            **_report(self.answers),
            "kept": _share(self.kept) if self.kept else None,
            "controls": {name: _report(answers) for name, answers in self.controls.items()},
            "style": self.style.report() if self.style else None,
        }

    def show(self, settings: Settings, about: dict[str, Any]) -> None:
        """Print every answer, then the scores and those of the controls."""
        texts = settings.texts
        about = {**about, "night": self.night, "max_tokens": self.max_tokens}
        print(texts("exam.persona" if self.night else "exam.quiz", **about))
        print()
        output.table([_row(settings, answer) for answer in self.answers])
        print()
        rows = _score_rows(settings, self.answers)
        if self.kept:
            rows.append(_score_row(settings, "kept", self.kept))
        output.table(rows)
        for name, answers in self.controls.items():
            print()
            print(texts(f"control.{name}"))
            output.table(_score_rows(settings, answers))
        if self.style:
            print()
            print(texts("exam.style", tokens=f"{self.style.tokens:,}"))
            self.style.show_table(settings, about)


def ask(
    settings: Settings,
    client: Client,
    loaded: Persona | Quiz,
    night: int,
    max_tokens: int,
    *,
    has_controls: bool,
) -> Sitting:
    """Ask what is to be asked after a night (0: a quiz), then the controls."""
    questions, facts = _plan(loaded, night)

    def asked(stage: str, questions: Sequence[Question], **control: Any) -> list[Answer]:
        every = paper.ask_all(client, questions, max_tokens=max_tokens, **control)
        return watched(settings.texts, stage, every, len(questions))

    answers = asked("stage.asking", questions)
    controls: dict[str, list[Answer]] = {}
    if has_controls:
        controls["bare"] = asked("stage.asking_bare", questions, bare=True)
        if facts:
            told = [one for one in questions if one.kind != "never_told"]
            controls["facts_in_prompt"] = asked(
                "stage.asking_with_facts", told, system=facts, bare=True
            )
    kept = paper.kept(controls["bare"], answers) if has_controls and not night else None
    return Sitting(
        night=night,
        max_tokens=max_tokens,
        answers=answers,
        controls=controls,
        kept=kept if kept and kept.asked else None,
        style=_style(settings, client, loaded),
    )


def _style(settings: Settings, client: Client, loaded: Persona | Quiz) -> Passage | None:
    """Have the held-out phrases read. Always against the bare body: only the change says anything,
    and they are few.
    """
    if not isinstance(loaded, Persona) or loaded.style is None:
        return None
    return exam_prose.read(settings, client, loaded.style.held_out, has_controls=True)


def _plan(loaded: Persona | Quiz, night: int) -> tuple[list[Question], str]:
    """Return what to ask, and the system prompt of the control with all facts ("": none)."""
    if isinstance(loaded, Quiz):
        return paper.quiz_questions(loaded), ""
    facts = paper.with_facts(paper.statements(loaded, night), loaded.language)
    return paper.questions_of(loaded, night), facts


def _report(answers: Sequence[Answer]) -> dict[str, Any]:
    scores = {name: _share(one) for name, one in paper.score(answers).items()}
    return {"scores": scores, "answers": msgspec.to_builtins(answers)}


def _share(score: Score) -> dict[str, Any]:
    return {"hits": score.hits, "asked": score.asked, "share": round(score.share, 4)}


def _row(settings: Settings, answer: Answer) -> tuple[str, ...]:
    question, texts = answer.question, settings.texts
    shown = texts(f"verdict.{answer.verdict}")
    if answer.is_stale:
        shown += " " + texts("verdict.stale")
    return (
        shown,
        f"{question.night}.{question.fact}" if question.night else "",
        texts.get(f"wording.{question.wording}"),
        question.ask,
        output.for_terminal(" ".join(answer.text.split())),
    )


def _score_rows(settings: Settings, answers: Sequence[Answer]) -> list[tuple[str, ...]]:
    return [_score_row(settings, name, one) for name, one in paper.score(answers).items()]


def _score_row(settings: Settings, name: str, score: Score) -> tuple[str, ...]:
    shown = settings.texts(f"score.{name}")
    return shown, f"{score.hits} / {score.asked}", f"{score.share:.2f}"
