"""``soul chat``: talk, at a terminal or through a pipe."""

from __future__ import annotations

import sys
from typing import Any

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, option, sampling_of, sampling_options, session_option
from soul_cli.settings import Settings


@click.command(cls=Command)
@session_option
@option("--continue", "is_continued", is_flag=True)
@option("--system", metavar="TEXT")
@option("--off-record", is_flag=True)
@sampling_options
@click.pass_obj
def chat(
    settings: Settings,
    /,
    session: str | None,
    is_continued: bool,
    system: str | None,
    off_record: bool,
    **sampling: Any,
) -> Exit:
    """Talk with the body; at a terminal with history and commands, else line by line."""
    if session and is_continued:
        raise click.UsageError(settings.texts("usage.session_and_continue"))
    from soul_cli.chat.conversation import Conversation

    with Conversation(
        settings,
        session=session,
        system=None if system is None else output.as_text(system),
        sampling=sampling_of(sampling),
        is_off_record=off_record,
    ) as conversation:
        if is_continued:
            conversation.continue_last()
        conversation.prepare_body()
        if sys.stdin.isatty() and sys.stdout.isatty() and not settings.is_json:
            from soul_cli.chat import terminal

            return terminal.run(conversation)
        from soul_cli.chat import piped

        return piped.run(conversation, sys.stdin)
