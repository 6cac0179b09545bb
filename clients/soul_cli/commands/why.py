"""``soul why``: what taught the soul an answer."""

from __future__ import annotations

import click

from soul_cli import output, why_lines
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting


@click.command(cls=Command)
@click.argument("question")
@option("--answer", default="", metavar="TEXT")
@click.pass_obj
def why(settings: Settings, question: str, answer: str) -> None:
    """Say which nights and records made an answer likelier."""
    asked, meant = output.as_text(question).strip(), output.as_text(answer).strip()
    if not asked:
        raise click.UsageError(settings.texts("usage.empty"))
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        found = client.soul_why(asked, meant, on_update=waiting.update)
    if settings.is_json:
        output.say_json(found)
    else:
        print(*why_lines.reason_lines(settings.texts, found), sep="\n")
