"""``soul souls | use | new | save | load``: which souls there are, and which one is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from soul_cli import naming, output, soul_lines
from soul_cli.options import Command
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.stream import OnUpdate
    from soul_client.wire import SoulStatus


@click.command(cls=Command)
@click.pass_obj
def souls(settings: Settings) -> None:
    """List the souls."""
    with settings.connect_or_start() as client:
        listed = client.souls()
    if settings.is_json:
        output.say_json(listed)
    else:
        print(*soul_lines.list_lines(settings.texts, listed), sep="\n")


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def use(settings: Settings, name: str) -> None:
    """Use another soul."""
    change(settings, lambda client, told: client.soul_use(name, on_update=told))


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def new(settings: Settings, name: str) -> None:
    """Begin an empty soul and use it."""
    change(settings, lambda client, told: client.soul_new(name, on_update=told))


@click.command(cls=Command)
@click.argument("name", default="")
@click.pass_obj
def save(settings: Settings, name: str) -> None:
    """Save the soul in use now; with a name, a copy too."""
    change(settings, lambda client, told: client.soul_save(name, on_update=told))
    if name and not settings.is_json:
        print(settings.texts("save.copied", name=name))


@click.command(cls=Command)
@click.argument("source", metavar="NAME|FILE")
@click.pass_obj
def load(settings: Settings, source: str) -> None:
    """Use a soul by name, or import a file and use that."""
    change(
        settings,
        lambda client, told: client.soul_load(naming.source_of(client, source), on_update=told),
    )


def change(settings: Settings, ask: Callable[[Client, OnUpdate], SoulStatus]) -> None:
    """Let the soul in use be changed, and show what it is then."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        soul = ask(client, waiting.update)
    if settings.is_json:
        output.say_json(soul)
    else:
        print(*soul_lines.status_lines(settings.texts, soul), sep="\n")
