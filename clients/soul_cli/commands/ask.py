"""``soul ask``: one message, one reply."""

from __future__ import annotations

import sys
from typing import Any

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, option, sampling_of, sampling_options, session_option
from soul_cli.settings import Settings


@click.command(cls=Command)
@click.argument("text")
@session_option
@option("--system", metavar="TEXT")
@sampling_options
@option("--off-record", is_flag=True)
@option("--deadline", type=click.FloatRange(0, min_open=True), metavar="SECONDS")
@click.pass_obj
def ask(
    settings: Settings,
    /,
    text: str,
    session: str | None,
    system: str | None,
    off_record: bool,
    deadline: float | None,
    **sampling: Any,
) -> Exit:
    """Say something and print the reply."""
    from soul_cli.speaking import speak
    from soul_client.calls import chat

    message = sys.stdin.read() if text == "-" else output.as_text(text)
    if not message.strip():
        raise click.UsageError(settings.texts("usage.empty"))
    call = chat(
        message,
        session=session,
        system=None if system is None else output.as_text(system),
        sampling=sampling_of(sampling),
        deadline_s=deadline,
        off_record=off_record,
    )
    reply = output.Reply()
    with settings.connect_or_start() as client:
        try:
            done = speak(
                client, call, settings, (lambda _: None) if settings.is_json else reply.say
            )
        finally:
            reply.end()
    if settings.is_json:
        output.say_json(done)
    if done.finish == "deadline" and not done.text:
        return _nothing_was_said(settings)
    return Exit.INTERRUPTED if done.finish == "cancelled" else Exit.OK


def _nothing_was_said(settings: Settings) -> Exit:
    """Say that the deadline came before the first word; JSON said it already."""
    if not settings.is_json:
        message = settings.texts("error.deadline")
        output.error(settings, code="deadline", label="", message=message, hint="")
    return Exit.FAILED
