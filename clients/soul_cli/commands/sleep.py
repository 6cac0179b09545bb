"""``soul sleep | wake | report``: let the soul go over the day as dreams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soul_cli import output, soul_lines
from soul_cli.options import Command
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.wire import SleepReport


@click.command(cls=Command)
@click.pass_obj
def sleep(settings: Settings) -> None:
    """Let the soul in use sleep."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        report = client.soul_sleep(on_update=waiting.update)
    _show(settings, report)


@click.command(cls=Command)
@click.pass_obj
def wake(settings: Settings) -> None:
    """Wake the soul that is asleep."""
    with settings.connect() as client:
        woken = wake_up(client)
    if settings.is_json:
        output.say_json({"woken": woken})
    else:
        print(settings.texts("wake.woken" if woken else "wake.awake"))


@click.command(cls=Command)
@click.pass_obj
def report(settings: Settings) -> None:
    """Show what came of the last night."""
    with settings.connect_or_start() as client:
        found = client.soul_report()
    _show(settings, found)


def wake_up(client: Client) -> bool:
    """Stop the night, if it is night; tell whether it was."""
    asleep = [one.id for one in client.status().requests if one.method == "soul.sleep"]
    return any([client.cancel(id_) for id_ in asleep])


def _show(settings: Settings, found: SleepReport) -> None:
    if settings.is_json:
        output.say_json(found)
    else:
        print(*soul_lines.report_lines(settings.texts, found), sep="\n")
