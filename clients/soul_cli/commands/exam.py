"""``soul exam``: ask what the weights alone remember, and print every answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soul_cli import output
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.exam import Answer, Persona, Question, Quiz

MAX_TOKENS = 64


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@option("--night", type=click.IntRange(1), metavar="N")
@option("--max-tokens", "--len", type=click.IntRange(1), default=MAX_TOKENS, metavar="N")
@option("--no-controls", is_flag=True)
@click.pass_obj
def exam(
    settings: Settings, file: Path, night: int | None, max_tokens: int, no_controls: bool
) -> None:
    """Ask the questions of a persona or quiz file; nothing else is in the context."""
    from soul_client import exam as paper

    loaded = paper.load(file)
    questions, system = _plan(settings, loaded, night)
    with settings.connect_or_start() as client:
        answers = _ask(settings, client, questions, max_tokens, "stage.asking")
        controls: dict[str, list[Answer]] = {}
        if system and not no_controls:
            told = [one for one in questions if one.kind != "never_told"]
            controls["facts_in_prompt"] = _ask(
                settings, client, told, max_tokens, "stage.asking_with_facts", system
            )
        body = client.status().body
    about = {
        "file": str(file),
        "night": night_of(loaded, night),
        "max_tokens": max_tokens,
        "body": {"name": body.name, "fingerprint": body.fingerprint} if body else None,
    }
    if settings.is_json:
        output.say_json({**about, **report(answers), "controls": _reports(controls)})
    else:
        _show(settings, answers, controls, about)


def night_of(loaded: Persona | Quiz, night: int | None) -> int:
    """Return after which night is asked: the last by default, 0 for a quiz."""
    from soul_client.exam import Persona

    return (night or len(loaded.nights)) if isinstance(loaded, Persona) else 0


def report(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return scores and answers as builtins."""
    import msgspec

    from soul_client.exam import score

    scores = {
        name: {"hits": one.hits, "asked": one.asked, "share": round(one.share, 4)}
        for name, one in score(answers).items()
    }
    return {"scores": scores, "answers": msgspec.to_builtins(answers)}


def _reports(controls: dict[str, list[Answer]]) -> dict[str, Any]:
    return {name: report(answers) for name, answers in controls.items()}


def _plan(
    settings: Settings, loaded: Persona | Quiz, night: int | None
) -> tuple[list[Question], str]:
    """Return what to ask, and the system prompt of the control with all facts ("": none)."""
    from soul_client import exam as paper

    if isinstance(loaded, paper.Quiz):
        if night is not None:
            raise click.UsageError(settings.texts("usage.night_of_quiz"))
        return paper.quiz_questions(loaded), ""
    after = check_night(settings, loaded, night_of(loaded, night))
    system = paper.with_facts(paper.statements(loaded, after), loaded.language)
    return paper.questions_of(loaded, after), system


def check_night(settings: Settings, persona: Persona, night: int) -> int:
    """Return the night if the persona has it.

    Raises:
        UsageError: it has not so many.
    """
    if night > len(persona.nights):
        count = len(persona.nights)
        raise click.UsageError(settings.texts("usage.night", night=night, count=count))
    return night


def _ask(
    settings: Settings,
    client: Client,
    questions: Sequence[Question],
    max_tokens: int,
    stage: str,
    system: str | None = None,
) -> list[Answer]:
    from soul_client.exam import ask_all

    answers: list[Answer] = []
    with Waiting(settings.texts) as waiting:
        waiting.show(settings.texts(stage), 0, len(questions))
        for answer in ask_all(client, questions, max_tokens=max_tokens, system=system):
            answers.append(answer)
            waiting.show(settings.texts(stage), len(answers), len(questions))
    return answers


def _show(
    settings: Settings,
    answers: Sequence[Answer],
    controls: dict[str, list[Answer]],
    about: dict[str, Any],
) -> None:
    texts = settings.texts
    print(texts("exam.quiz" if not about["night"] else "exam.persona", **about))
    print()
    output.table([_row(settings, answer) for answer in answers])
    print()
    output.table(_score_rows(settings, answers))
    for name, control in controls.items():
        print()
        print(texts(f"control.{name}"))
        output.table(_score_rows(settings, control))


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
    from soul_client.exam import score

    return [
        (settings.texts(f"score.{name}"), f"{one.hits} / {one.asked}", f"{one.share:.2f}")
        for name, one in score(answers).items()
    ]
