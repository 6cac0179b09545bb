"""Chat at a terminal: history, lines of several lines, Ctrl-C stops the reply and stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from soul_cli import output
from soul_cli.chat import commands
from soul_cli.chat.command import Leave, Misused, Say
from soul_cli.chat.conversation import Conversation
from soul_cli.chat.prompt import Prompt
from soul_cli.exits import Exit
from soul_cli.run import failed
from soul_client.errors import SoulError

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.plugin_wire import TurnNote


def run(conversation: Conversation) -> Exit:
    """Talk until Ctrl-D or ``/quit``."""
    settings = conversation.settings
    status = conversation.client.status()
    print(settings.texts("chat.welcome", body=status.body_configured))
    if not status.memory:
        conversation.is_off_record = True
        print(settings.texts("chat.memory_off"))
    if conversation.session:
        print(settings.texts("chat.session", session=conversation.session))
    prompt = Prompt(settings)
    is_slowness_explained = False
    _tell_of_soul(conversation)
    while True:
        try:
            line = prompt.read(is_off_record=conversation.is_off_record)
        except EOFError:
            return Exit.OK
        except KeyboardInterrupt:
            print(settings.texts("chat.how_to_leave"))
            continue
        try:
            if not _take(conversation, line):
                continue
            _tell_of_soul(conversation)
            if not is_slowness_explained:
                is_slowness_explained = True
                _explain_slowness(conversation)
        except Leave:
            return Exit.OK
        except Misused as e:
            print(e)
        except KeyboardInterrupt:  # the second, while the first was being obeyed
            print()
        except SoulError as e:
            failed(settings, e)


def _take(conversation: Conversation, line: str) -> bool:
    """Carry out a command, or have a turn; tell whether a reply was heard to its end."""
    text = line.strip("\n")
    if not text.strip():
        return False
    if (command := commands.parse(text)) is None:
        return _say(conversation, commands.message_of(text))
    try:
        print(commands.run(conversation, *command))
    except Say as e:
        return _say(conversation, e.text, e.replaces)
    return False


def _say(conversation: Conversation, text: str, replaces: str | None = None) -> bool:
    """Have a turn; tell whether the reply was heard to its end."""
    reply = output.Reply()
    with unechoed():
        try:
            done = conversation.say(text, reply.say, replaces)
        finally:
            reply.end()
    texts = conversation.settings.texts
    if done.notes:
        print(output.faint(note_line(texts, done.notes)))
    if done.finish != "stop":
        print(texts(f"chat.finish.{done.finish}"))
    print()
    return done.finish != "cancelled"


def note_line(texts: Texts, notes: Sequence[TurnNote]) -> str:
    """Return which plugins added to the prompt, and from how many of the diary's records."""
    named = [
        texts("chat.noted_from", plugin=one.plugin, count=len(one.records))
        if one.records
        else one.plugin
        for one in notes
    ]
    return output.for_terminal(texts("chat.noted", plugins=", ".join(named)))


def _tell_of_soul(conversation: Conversation) -> None:
    """Say what is wrong with the soul, once. A daemon that is gone is told of where it matters."""
    with suppress(SoulError):
        if news := conversation.news_of_soul():
            print(news)


def _explain_slowness(conversation: Conversation) -> None:
    """Say why the quick kernel is not used, where that was nobody's wish."""
    body = conversation.client.status().body
    if body is None or body.device != "cpu":
        return
    for reason in body.reasons:
        if reason.startswith("kernel torch: ") and reason != "kernel torch: asked for":
            print(conversation.settings.texts("chat.slow", reason=reason))


@contextmanager
def unechoed() -> Iterator[None]:
    """Keep what is typed meanwhile off the screen; the next prompt gets it."""
    if sys.platform == "win32":
        yield
        return
    import termios

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    changed = termios.tcgetattr(fd)
    changed[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)
