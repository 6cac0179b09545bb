"""``soul exam``: measure what the weights alone remember, and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from soul_cli import output
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.exam import Persona, Prose, Quiz
    from soul_client.wire import SoulStatus, Status

MAX_TOKENS = 64


class Examined(Protocol):
    """What an exam found: for programs, and for people."""

    def report(self) -> dict[str, Any]:
        """Return all of it as builtins."""

    def show(self, settings: Settings, about: dict[str, Any]) -> None:
        """Print it."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@option("--night", type=click.IntRange(1), metavar="N")
@option("--max-tokens", "--len", type=click.IntRange(1), default=MAX_TOKENS, metavar="N")
@option("--no-controls", is_flag=True)
@option("--no-wait", is_flag=True)
@click.pass_obj
def exam(
    settings: Settings,
    file: Path,
    night: int | None,
    max_tokens: int,
    no_controls: bool,
    no_wait: bool,
) -> None:
    """Ask the questions of a persona or quiz file, or have a text read; there is no context."""
    from soul_client import exam as paper

    loaded = paper.load(file)
    night = night_of(settings, loaded, night)
    with settings.connect_or_start() as client:
        before = None if no_wait else _settle(settings, client)
        examined = _examine(
            settings, client, loaded, night, max_tokens, has_controls=not no_controls
        )
        now = client.status()
    if before is not None:
        paper.check_unchanged(before, now.soul)
    about = _about(file, now)
    if settings.is_json:
        output.say_json({**about, **examined.report()})
    else:
        examined.show(settings, about)


def night_of(settings: Settings, loaded: Persona | Quiz | Prose, night: int | None) -> int:
    """Return after which night is asked: the last by default, 0 where there are none.

    Raises:
        UsageError: there is no such night.
    """
    from soul_client.exam import Persona

    if isinstance(loaded, Persona):
        return check_night(settings, loaded, night or len(loaded.nights))
    if night is not None:
        raise click.UsageError(settings.texts("usage.night_of_quiz"))
    return 0


def check_night(settings: Settings, persona: Persona, night: int) -> int:
    """Return the night if the persona has it.

    Raises:
        UsageError: it has not so many.
    """
    if night > len(persona.nights):
        count = len(persona.nights)
        raise click.UsageError(settings.texts("usage.night", night=night, count=count))
    return night


def _settle(settings: Settings, client: Client) -> SoulStatus | None:
    """Wait until the soul has learned what was said to it, and show that."""
    from soul_client.exam import settle

    most = 0
    with Waiting(settings.texts) as waiting:

        def show(pending: int) -> None:
            nonlocal most
            most = max(most, pending)
            waiting.show(settings.texts("stage.settling"), most - pending, most)

        return settle(client, on_update=waiting.update, on_wait=show)


def _examine(
    settings: Settings,
    client: Client,
    loaded: Persona | Quiz | Prose,
    night: int,
    max_tokens: int,
    *,
    has_controls: bool,
) -> Examined:
    from soul_cli import exam_prose, exam_questions
    from soul_client.exam import Prose

    if isinstance(loaded, Prose):
        return exam_prose.read(settings, client, loaded.paragraphs, has_controls=has_controls)
    return exam_questions.ask(
        settings, client, loaded, night, max_tokens, has_controls=has_controls
    )


def _about(file: Path, now: Status) -> dict[str, Any]:
    """Return what was examined."""
    body, soul = now.body, now.soul
    return {
        "file": str(file),
        "body": {"name": body.name, "fingerprint": body.fingerprint} if body else None,
        "soul": (
            {"name": soul.name, "level": soul.level, "generation": soul.generation}
            if soul
            else None
        ),
    }
