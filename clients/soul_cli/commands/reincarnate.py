"""``soul reincarnate``: have a soul reborn on another body, from the diary."""

from __future__ import annotations

import click

from soul_cli import output, reborn_lines
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting


@click.command(cls=Command)
@click.argument("name")
@option("--body", metavar="BODY", default="")
@option("--accept", is_flag=True)
@click.pass_obj
def reincarnate(settings: Settings, name: str, body: str, accept: bool) -> None:
    """Have a soul reborn, and show how it compares with the old one."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        card = client.soul_reincarnate(name, body, accept=accept, on_update=waiting.update)
        configured = client.status().body_configured
    if settings.is_json:
        output.say_json(card)
        return
    print(*reborn_lines.card_lines(settings.texts, card), sep="\n")
    if not card.accepted:
        command = f"soul reincarnate {card.soul} --body {card.body} --accept"
        print(settings.texts("reborn.accept", command=command, name=card.soul))
    elif configured != card.body:
        path = settings.config_path
        print(settings.texts("reborn.configure", body=card.body, path=path))
