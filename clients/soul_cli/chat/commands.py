"""Commands of the chat: lines that begin with a slash. No terminal is needed here."""

from __future__ import annotations

import difflib

from soul_cli import output
from soul_cli.chat import again_commands, soul_commands
from soul_cli.chat.command import Command, Leave, Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.commands.daemon import status_rows
from soul_cli.options import SESSION_ID
from soul_cli.texts import LANGUAGES
from soul_cli.waiting import Waiting

NEAR = 0.65
"""How alike a word must be to a command for that to be suggested: "exit" is not "export"."""


def parse(line: str) -> tuple[str, str] | None:
    """Split a command line into name and argument; None for a message.

    ``//`` at the beginning makes a message that begins with one slash: see ``message_of``.
    What has several lines was pasted: it is a message, whatever it begins with.
    """
    if not line.startswith("/") or line.startswith("//") or "\n" in line:
        return None
    name, _, argument = line[1:].partition(" ")
    return name.strip().lower(), argument.strip()


def message_of(line: str) -> str:
    """Return the message a line that is no command stands for."""
    return line[1:] if line.startswith("//") and "\n" not in line else line


def run(conversation: Conversation, name: str, argument: str) -> str:
    """Carry out a command and return what to show.

    Raises:
        Misused: it is unknown, or its argument is wrong.
        Say: it says something, in place of what was said before.
        Leave: it was ``/quit``.
        SoulError: the daemon could not do it.
    """
    command = COMMANDS.get(name)
    if command is None:
        raise Misused(_unknown(conversation, name))
    return command.run(conversation, argument)


def _unknown(conversation: Conversation, name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=NEAR)
    texts = conversation.settings.texts
    if near:
        return texts("chat.unknown_near", name=name, near=near[0])
    return texts("chat.unknown", name=name)


def _help(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    names = {one.name: f"/{one.name} {one.argument}".rstrip() for one in COMMANDS.values()}
    indent = max(map(len, names.values()))
    lines = [f"{names[name]:{indent}}  {texts(f'chat.help.{name}')}" for name in names]
    return "\n".join([*lines, texts("chat.help_keys")])


def _status(conversation: Conversation, argument: str) -> str:
    settings = conversation.settings
    rows = [
        *status_rows(settings, conversation.client.status()),
        (settings.texts("status.session"), conversation.session or settings.texts("chat.new")),
    ]
    return "\n".join(output.columns(rows))


def _temp(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    try:
        value = float(argument)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise Misused(texts("chat.bad_temp", value=argument))
    conversation.set_sampling(temperature=value)
    return texts("chat.temp", value=f"{value:g}")


def _len(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if not argument.isascii() or not argument.isdigit() or not 1 <= int(argument) <= 1_000_000:
        raise Misused(texts("chat.bad_len", value=argument))
    conversation.set_sampling(max_tokens=int(argument))
    return texts("chat.len", value=int(argument))


def _stop(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    stopped = conversation.client.cancel(argument)
    if stopped:
        return texts("stop.stopped", ids=", ".join(stopped))
    return texts("stop.unknown" if argument else "stop.nothing", id=argument)


def _off(conversation: Conversation, argument: str) -> str:
    conversation.is_off_record = True
    return conversation.settings.texts("chat.off")


def _on(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if not conversation.client.status().memory:
        raise Misused(texts("chat.memory_off"))
    conversation.is_off_record = False
    return texts("chat.on")


def _notes(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if argument not in ("", "on", "off"):
        raise Misused(texts("chat.bad_notes"))
    if argument:
        conversation.takes_notes = argument == "on"
    return texts("chat.notes_on" if conversation.takes_notes else "chat.notes_off")


def _session(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if not argument:
        return conversation.session or texts("chat.new")
    if not SESSION_ID.fullmatch(argument):
        raise Misused(texts("usage.session", value=argument))
    conversation.session = argument
    return texts("chat.session", session=argument)


def _body(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if not argument:
        listed = conversation.client.body_list().bodies
        return "\n".join(("* " if one.loaded else "  ") + one.name for one in listed)
    with Waiting(texts) as waiting:
        loaded = conversation.client.body_load(argument, on_update=waiting.update)
    return texts("chat.body", name=loaded.name, seconds=f"{loaded.load_s:.1f}")


def _lang(conversation: Conversation, argument: str) -> str:
    if argument not in LANGUAGES:
        choices = " | ".join(LANGUAGES)
        raise Misused(conversation.settings.texts("chat.bad_lang", choices=choices))
    conversation.settings.language = argument
    return conversation.settings.texts("chat.lang")


def _quit(conversation: Conversation, argument: str) -> str:
    raise Leave


COMMANDS = {
    command.name: command
    for command in (
        Command("help", _help),
        Command("status", _status),
        Command("temp", _temp, "X"),
        Command("len", _len, "N"),
        Command("stop", _stop, "[ID]"),
        *again_commands.COMMANDS,
        soul_commands.NEW,
        Command("session", _session, "[ID]"),
        Command("off", _off),
        Command("on", _on),
        Command("notes", _notes, "[on|off]"),
        Command("body", _body, "[NAME]"),
        *soul_commands.COMMANDS,
        Command("lang", _lang, "en|ja"),
        Command("quit", _quit),
    )
}
