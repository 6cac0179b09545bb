"""``soul sleep | wake | report``: let the soul go over the day as dreams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soul_cli import output, soul_lines
from soul_cli.options import Command
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.wire import SleepReport


@click.command(cls=Command)
@click.option("--wait", "is_waiting", is_flag=True)
@click.pass_obj
def sleep(settings: Settings, is_waiting: bool) -> None:
    """Let the soul in use sleep."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        fall_asleep = client.soul_sleep if is_waiting else client.soul_fall_asleep
        report = fall_asleep(on_update=waiting.update)
    if report is not None:
        _show(settings, report)
    elif settings.is_json:
        output.say_json({"outcome": "begun"})
    else:
        print(settings.texts("sleep.begun"))


@click.command(cls=Command)
@click.pass_obj
def wake(settings: Settings) -> None:
    """Wake the soul that is asleep."""
    with settings.connect() as client:
        woken = client.soul_wake()
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


def _show(settings: Settings, found: SleepReport) -> None:
    if settings.is_json:
        output.say_json(found)
    else:
        print(*soul_lines.report_lines(settings.texts, found), sep="\n")
