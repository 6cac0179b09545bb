"""``soul feed``: take documents in, list them, or forget one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soul_cli import naming, output
from soul_cli.commands.forget import forget_document
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.texts import Texts
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.wire import Documents, Fed


@click.command(cls=Command)
@click.argument("path", required=False)
@option("--dry-run", is_flag=True)
@option("--list", "is_list", is_flag=True)
@option("--forget", "document", metavar="NAME")
@option("--yes", "-y", is_flag=True)
@click.pass_obj
def feed(
    settings: Settings,
    path: str | None,
    dry_run: bool,
    is_list: bool,
    document: str | None,
    yes: bool,
) -> None:
    """Feed documents to the soul in use."""
    if path == "" or sum((path is not None, is_list, document is not None)) != 1:
        raise click.UsageError(settings.texts("usage.feed"))
    if document is not None:
        forget_document(settings, document, dry_run=dry_run, yes=yes)
    elif path is not None:
        _feed(settings, path, dry_run)
    else:
        _list(settings)


def _feed(settings: Settings, path: str, dry_run: bool) -> None:
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        done = client.diary_feed(naming.absolute(path), dry_run=dry_run, on_update=waiting.update)
    if settings.is_json:
        output.say_json(done)
    else:
        print(*_fed_lines(settings.texts, done), sep="\n")


def _list(settings: Settings) -> None:
    with settings.connect_or_start() as client:
        found = client.diary_documents()
    if settings.is_json:
        output.say_json(found)
    else:
        print(*_list_lines(settings.texts, found), sep="\n")


def _fed_lines(texts: Texts, done: Fed) -> list[str]:
    lines = [
        texts("feed.read", documents=f"{done.documents:,}", statements=f"{done.statements:,}"),
        texts(
            "feed.would_add" if done.dry_run else "feed.added",
            soul=done.soul,
            added=f"{done.added:,}",
            known=f"{done.known:,}",
        ),
    ]
    if done.left_out:
        lines.append(texts("feed.left_out", count=f"{done.left_out:,}"))
    if done.secrets:
        lines.append(texts("feed.secrets", count=f"{done.secrets:,}"))
    if done.unread_count:
        lines.append(texts("feed.unread", count=f"{done.unread_count:,}"))
    for one in done.unread:
        why = texts.get(f"feed.why.{one.why}") or one.why
        lines.append(f"  {output.for_terminal(one.name)}: {why}")
    if more := done.unread_count - len(done.unread):
        lines.append(f"  {texts('feed.more', count=f'{more:,}')}")
    if done.added and not done.dry_run:
        lines.append(texts("feed.nights"))
    return lines


def _list_lines(texts: Texts, found: Documents) -> list[str]:
    if not found.documents:
        return [texts("feed.none", soul=found.soul)]
    header = [texts(f"feed.{name}") for name in ("name", "statements", "learned", "fed")]
    rows = [
        (
            output.for_terminal(one.name),
            str(one.statements),
            str(one.learned),
            output.moment(one.fed),
        )
        for one in found.documents
    ]
    return output.columns(rows, header)
