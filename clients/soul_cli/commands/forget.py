"""``soul forget``: take what was said out of the diary and out of the soul, for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from soul_cli import forget_lines, output, typed
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.wire import Forgotten


@click.command(cls=Command)
@click.argument("what", metavar="TEXT|ID")
@option("--dry-run", is_flag=True)
@option("--wait", is_flag=True)
@option("--yes", "-y", is_flag=True)
@click.pass_obj
def forget(settings: Settings, what: str, dry_run: bool, wait: bool, yes: bool) -> None:
    """Forget what was said, after showing what that is."""
    what = output.as_text(what).strip()
    if not what:
        raise click.UsageError(settings.texts("usage.empty"))
    if dry_run:
        _show(settings, _ask(settings, what, dry_run=True), is_done=False)
        return
    planned = _ask(settings, what, dry_run=True) if yes else _confirm(settings, what)
    with typed.cleared(typed.history_path(settings.config_path), what, planned.records):
        done = _ask(settings, what, wait=wait)
    _show(settings, done, is_done=True)


def forget_document(settings: Settings, name: str, *, dry_run: bool, yes: bool) -> None:
    """Forget all that a document says, after showing what that is."""
    if dry_run:
        _show(settings, _ask(settings, name, dry_run=True, document=True), is_done=False)
        return
    if not yes:
        _confirm(settings, name, document=True)
    _show(settings, _ask(settings, name, document=True), is_done=True)


def _confirm(settings: Settings, what: str, *, document: bool = False) -> Forgotten:
    """Show what would be forgotten and ask; without a terminal, nobody can have agreed."""
    if not sys.stdin.isatty():
        raise click.UsageError(settings.texts("usage.forget"))
    planned = _ask(settings, what, dry_run=True, document=document)
    for line in forget_lines.plan_lines(settings.texts, planned):
        click.echo(line, err=True)
    click.confirm(settings.texts("forget.confirm"), abort=True, err=True)
    return planned


def _ask(
    settings: Settings,
    what: str,
    *,
    dry_run: bool = False,
    wait: bool = False,
    document: bool = False,
) -> Forgotten:
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        return client.soul_forget(
            what, dry_run=dry_run, wait=wait, document=document, on_update=waiting.update
        )


def _show(settings: Settings, found: Forgotten, *, is_done: bool) -> None:
    if settings.is_json:
        output.say_json(found)
        return
    show = forget_lines.done_lines if is_done else forget_lines.plan_lines
    print(*show(settings.texts, found), sep="\n")
