"""``soul sessions``: the conversations in the diary."""

from __future__ import annotations

import click

from soul_cli import output
from soul_cli.options import Command, check_session, option
from soul_cli.settings import Settings


@click.command(cls=Command)
@click.argument("session", metavar="[ID]", required=False, callback=check_session)
@option("--imported", is_flag=True)
@click.pass_obj
def sessions(settings: Settings, session: str | None, imported: bool) -> None:
    """List the conversations, or print one."""
    with settings.connect_or_start() as client:
        if session is not None:
            history = client.session(session)
            if settings.is_json:
                output.say_json(history)
                return
            for message in history.messages:
                who = settings.texts(f"role.{message.role}")
                print(f"{who}: {output.for_terminal(message.text)}")
            return
        listed = client.sessions(imported=imported)
    if settings.is_json:
        output.say_json(listed)
    elif not listed.sessions:
        print(settings.texts("sessions.none"))
    else:
        output.table(
            (
                one.session,
                one.last_ts[:16].replace("T", " "),
                str(one.turns),
                output.for_terminal(one.title),
            )
            for one in listed.sessions
        )
