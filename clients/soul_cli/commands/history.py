"""``soul history | undo | diff | reset``: what a soul was, and the way back."""

from __future__ import annotations

import sys

import click

from soul_cli import naming, output, soul_lines
from soul_cli.commands.souls import change
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting


@click.command(cls=Command)
@click.argument("name", default="")
@click.pass_obj
def history(settings: Settings, name: str) -> None:
    """List the generations of a soul."""
    with settings.connect_or_start() as client:
        found = client.soul_history(name)
    if settings.is_json:
        output.say_json(found)
    else:
        print(*soul_lines.history_lines(settings.texts, found), sep="\n")


@click.command(cls=Command)
@click.argument("steps", type=click.IntRange(1), metavar="[N]", required=False)
@option("--to", type=click.IntRange(1), metavar="G")
@click.pass_obj
def undo(settings: Settings, steps: int | None, to: int | None) -> None:
    """Go back to an older generation."""
    if steps is not None and to is not None:
        raise click.UsageError(settings.texts("usage.steps_and_to"))
    change(settings, lambda client, told: client.soul_undo(steps or 1, to=to, on_update=told))


@click.command(cls=Command)
@click.argument("a")
@click.argument("b", default="")
@option("--ask", multiple=True, metavar="QUESTION")
@click.pass_obj
def diff(settings: Settings, a: str, b: str, ask: tuple[str, ...]) -> None:
    """Compare two souls, and what they answer."""
    probes = [output.as_text(one) for one in ask if one.strip()]
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        pair = naming.compared(a, b, "" if b else settings.soul_in_use(client).name)
        found = client.soul_diff(
            *pair, probes or default_probes(settings), on_update=waiting.update
        )
    if settings.is_json:
        output.say_json(found)
    else:
        print(*soul_lines.diff_lines(settings.texts, found), sep="\n")


def default_probes(settings: Settings) -> list[str]:
    """Return general questions about oneself, in the language in force."""
    return settings.texts("diff.probes").splitlines()


@click.command(cls=Command)
@option("--yes", "-y", is_flag=True)
@click.pass_obj
def reset(settings: Settings, yes: bool) -> None:
    """Let the soul in use forget all it learned."""
    if not yes:
        _confirm(settings)
    change(settings, lambda client, told: client.soul_reset(on_update=told))
    if not settings.is_json:
        print(settings.texts("reset.undo", command="soul undo"))


def _confirm(settings: Settings) -> None:
    """Ask on the terminal; without one, nobody can have agreed."""
    if not sys.stdin.isatty():
        raise click.UsageError(settings.texts("usage.reset"))
    with settings.connect_or_start() as client:
        soul = settings.soul_in_use(client)
    question = settings.texts("reset.confirm", name=soul.name, level=soul.level)
    click.confirm(question, abort=True, err=True)
