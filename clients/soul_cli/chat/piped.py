"""Chat through a pipe: each line is a message, stdout gets replies and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

from soul_cli import output
from soul_cli.chat import commands
from soul_cli.chat.command import Leave, Misused, Say
from soul_cli.chat.conversation import Conversation
from soul_cli.exits import Exit
from soul_cli.run import failed
from soul_client.errors import DaemonError, SoulError


def run(conversation: Conversation, lines: Iterable[str]) -> Exit:
    """Answer every line; the exit code is that of the last thing that went wrong.

    Raises:
        SoulError: the daemon is gone; the lines that are left were not said.
    """
    exit_code = Exit.OK
    _tell_of_soul(conversation)
    for line in lines:
        text = line.strip("\r\n")
        if not text.strip():
            continue
        try:
            if not _take(conversation, text):
                return Exit.INTERRUPTED
            _tell_of_soul(conversation)
        except Leave:
            break
        except Misused as e:
            output.error(conversation.settings, code="usage", label="", message=str(e), hint="")
            exit_code = Exit.USAGE
        except DaemonError as e:
            exit_code = failed(conversation.settings, e)
    return exit_code


def _tell_of_soul(conversation: Conversation) -> None:
    """Say what is wrong with the soul, once; never where the replies go."""
    with suppress(SoulError):
        if news := conversation.news_of_soul():
            print(news, file=sys.stderr, flush=True)


def _take(conversation: Conversation, text: str) -> bool:
    """Carry out a command, or have a turn; False if Ctrl-C cut it short."""
    if (command := commands.parse(text)) is None:
        return _say(conversation, commands.message_of(text))
    try:
        print(commands.run(conversation, *command), file=sys.stderr)
    except Say as e:
        return _say(conversation, e.text, e.replaces)
    return True


def _say(conversation: Conversation, text: str, replaces: str | None = None) -> bool:
    """Have one turn; False if Ctrl-C cut it short."""
    if conversation.settings.is_json:
        done = conversation.say(text, lambda piece: None, replaces)
        output.say_json(done)
    else:
        reply = output.Reply()
        try:
            done = conversation.say(text, reply.say, replaces)
        finally:
            reply.end()
    return done.finish != "cancelled"
