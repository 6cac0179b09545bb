"""``soul import-chats``: take a chat log of another program into the diary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soul_cli import naming, output
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.texts import Texts
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.wire import DiaryImported, Skipped


@click.command(cls=Command)
@click.argument("file")
@option("--dry-run", is_flag=True)
@click.pass_obj
def import_chats(settings: Settings, file: str, dry_run: bool) -> None:
    """Take a chat log into the diary of the soul in use."""
    if not file:
        raise click.UsageError(settings.texts("usage.import"))
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        done = client.diary_import(naming.absolute(file), dry_run=dry_run, on_update=waiting.update)
    if settings.is_json:
        output.say_json(done)
    else:
        print(*_lines(settings.texts, done), sep="\n")


def _lines(texts: Texts, done: DiaryImported) -> list[str]:
    days = texts("chats.days", first=done.first, last=done.last) if done.first else ""
    lines = [
        texts(
            "chats.read",
            kind=texts(f"chats.kind.{done.kind}"),
            conversations=f"{done.conversations:,}",
            messages=f"{done.messages:,}",
            days=days,
        ),
        texts(
            "chats.would_add" if done.dry_run else "chats.added",
            soul=done.soul,
            added=f"{done.added:,}",
            known=f"{done.known:,}",
        ),
    ]
    if done.secrets:
        lines.append(texts("chats.secrets", count=f"{done.secrets:,}"))
    lines += [_skipped(texts, one) for one in done.skipped]
    if done.added and not done.dry_run:
        lines.append(texts("chats.nights"))
    return lines


def _skipped(texts: Texts, one: Skipped) -> str:
    return texts(
        "chats.skipped",
        why=texts.get(f"chats.skip.{one.why}") or one.why,
        count=f"{one.count:,}",
        places=texts("chats.place", places=", ".join(map(str, one.places))),
    )
