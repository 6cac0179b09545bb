"""Commands of the chat that are about the soul: the words of the command line.

Where another soul answers from now on, or one that has forgotten, a new conversation begins:
the old one would tell it what it is not to know.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from soul_cli import forget_lines, naming, output, reborn_lines, soul_lines, typed, why_lines
from soul_cli.chat.command import Command, Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.waiting import Waiting
from soul_client import calls
from soul_client.client import Client
from soul_client.stream import OnUpdate
from soul_client.wire import SoulStatus

AGREED = "yes"
"""What ``/reset`` must be followed by, and ``/forget`` the second time."""


def _souls(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    return "\n".join(soul_lines.list_lines(texts, conversation.client.souls()))


def _use(conversation: Conversation, argument: str) -> str:
    name = _one(conversation, "use", argument)
    return _begin(conversation, lambda client, told: client.soul_use(name, on_update=told))


def _new(conversation: Conversation, argument: str) -> str:
    """A new conversation; with a name, with a new soul."""
    if argument:
        name = _one(conversation, "new", argument)
        return _begin(conversation, lambda client, told: client.soul_new(name, on_update=told))
    conversation.session = None
    return conversation.settings.texts("chat.new_session")


def _save(conversation: Conversation, argument: str) -> str:
    shown = _change(conversation, lambda client, told: client.soul_save(argument, on_update=told))
    copied = conversation.settings.texts("save.copied", name=argument) if argument else ""
    return f"{shown}\n{copied}".rstrip()


def _load(conversation: Conversation, argument: str) -> str:
    text = _one(conversation, "load", argument)
    source = naming.source_of(conversation.client, text)
    return _begin(conversation, lambda client, told: client.soul_load(source, on_update=told))


def _history(conversation: Conversation, argument: str) -> str:
    history = conversation.client.soul_history(argument)
    return "\n".join(soul_lines.history_lines(conversation.settings.texts, history))


def _undo(conversation: Conversation, argument: str) -> str:
    steps = argument or "1"
    if not steps.isascii() or not steps.isdigit() or int(steps) < 1:
        raise Misused(conversation.settings.texts("chat.bad_undo", value=argument))
    return _change(conversation, lambda client, told: client.soul_undo(int(steps), on_update=told))


def _diff(conversation: Conversation, argument: str) -> str:
    settings, client = conversation.settings, conversation.client
    words = _words(conversation, "diff", argument)
    if not 1 <= len(words) <= 2:
        raise Misused(_usage(conversation, "diff"))
    a, b = words[0], words[1] if len(words) > 1 else ""
    pair = naming.compared(a, b, "" if b else settings.soul_in_use(client).name)
    probes = settings.texts("diff.probes").splitlines()
    with Waiting(settings.texts) as waiting:
        found = client.soul_diff(*pair, probes, on_update=waiting.update)
    return "\n".join(soul_lines.diff_lines(settings.texts, found))


def _why(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if not argument:
        raise Misused(_usage(conversation, "why"))
    with Waiting(texts) as waiting:
        found = conversation.client.soul_why(argument, on_update=waiting.update)
    return "\n".join(why_lines.reason_lines(texts, found))


def _reset(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    if argument.lower() != AGREED:
        soul = conversation.settings.soul_in_use(conversation.client)
        raise Misused(texts("chat.reset_confirm", name=soul.name, level=soul.level))
    shown = _begin(conversation, lambda client, told: client.soul_reset(on_update=told))
    return f"{shown}\n{texts('reset.undo', command='/undo')}"


def _forget(conversation: Conversation, argument: str) -> str:
    """First show what would be forgotten; agreed to, forget it, and begin a new conversation."""
    settings, client = conversation.settings, conversation.client
    if not argument:
        raise Misused(_usage(conversation, "forget"))
    if argument.lower() != AGREED or not conversation.to_forget:
        what = output.as_text(_one(conversation, "forget", argument))
        found = client.soul_forget(what, dry_run=True)
        conversation.to_forget = found, what
        lines = forget_lines.plan_lines(settings.texts, found)
        return "\n".join([*lines, settings.texts("chat.forget_confirm")])
    (planned, what), conversation.to_forget = conversation.to_forget, None
    history = typed.history_path(settings.config_path)
    with typed.cleared(history, what, planned.records), Waiting(settings.texts) as waiting:
        done = client.soul_forget(what, on_update=waiting.update)
    conversation.session = None
    lines = forget_lines.done_lines(settings.texts, done)
    return "\n".join([*lines, settings.texts("chat.new_session")])


def _export(conversation: Conversation, argument: str) -> str:
    settings, client = conversation.settings, conversation.client
    words = _words(conversation, "export", argument)
    if len(words) > 2:
        raise Misused(_usage(conversation, "export"))
    name, file = naming.split_export(words)
    path = naming.export_path(file, name or settings.soul_in_use(client).name)
    with Waiting(settings.texts) as waiting:
        done = client.soul_export(path, name, on_update=waiting.update)
    return soul_lines.file_line(done)


def _import(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    words = _words(conversation, "import", argument)
    if not 1 <= len(words) <= 2:
        raise Misused(_usage(conversation, "import"))
    name = words[1] if len(words) > 1 else ""
    with Waiting(texts) as waiting:
        path = naming.absolute(words[0])
        done = conversation.client.soul_import(path, name, on_update=waiting.update)
    shown = soul_lines.file_line(done)
    return f"{shown}\n{texts('import.use', command=f'/use {done.name}')}"


def _verify(conversation: Conversation, argument: str) -> str:
    texts = conversation.settings.texts
    path = naming.absolute(_one(conversation, "verify", argument))
    with Waiting(texts) as waiting:
        found = conversation.client.soul_verify(path, on_update=waiting.update)
    return "\n".join(soul_lines.verified_lines(texts, found))


def _sleep(conversation: Conversation, argument: str) -> str:
    with Waiting(conversation.settings.texts) as waiting:
        report = conversation.client.soul_fall_asleep(on_update=waiting.update)
    if report is None:
        return conversation.settings.texts("sleep.begun")
    return "\n".join(soul_lines.report_lines(conversation.settings.texts, report))


def _wake(conversation: Conversation, argument: str) -> str:
    woken = conversation.client.soul_wake()
    return conversation.settings.texts("wake.woken" if woken else "wake.awake")


def _report(conversation: Conversation, argument: str) -> str:
    report = conversation.client.soul_report()
    return "\n".join(soul_lines.report_lines(conversation.settings.texts, report))


def _reincarnate(conversation: Conversation, argument: str) -> str:
    """Begin a rebirth, or go on with it, and leave it to itself."""
    settings, client = conversation.settings, conversation.client
    words = _words(conversation, "reincarnate", argument)
    if not 1 <= len(words) <= 2:
        raise Misused(_usage(conversation, "reincarnate"))
    with Waiting(settings.texts) as waiting:
        card = client.start(calls.soul_reincarnate(*words)).begin(waiting.update)
    if card is None:
        name, *body = words
        command = shlex.join(["soul", "reincarnate", name, *(["--body", *body] if body else [])])
        return settings.texts("reborn.begun", name=name, command=command)
    return "\n".join(reborn_lines.card_lines(settings.texts, card))


def _begin(conversation: Conversation, ask: Callable[[Client, OnUpdate], SoulStatus]) -> str:
    """Let the soul be changed, and begin a new conversation with it."""
    shown = _change(conversation, ask)
    conversation.session = None
    return f"{shown}\n{conversation.settings.texts('chat.new_session')}"


def _change(conversation: Conversation, ask: Callable[[Client, OnUpdate], SoulStatus]) -> str:
    with Waiting(conversation.settings.texts) as waiting:
        soul = ask(conversation.client, waiting.update)
    return "\n".join(soul_lines.status_lines(conversation.settings.texts, soul))


def _one(conversation: Conversation, name: str, argument: str) -> str:
    """Return the one argument a command needs; a path may have spaces, in quotes or without."""
    if not argument:
        raise Misused(_usage(conversation, name))
    return argument.strip("\"'")


def _words(conversation: Conversation, name: str, argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError as e:  # a quote that does not end
        raise Misused(_usage(conversation, name)) from e


def _usage(conversation: Conversation, name: str) -> str:
    command = next(one for one in (NEW, *COMMANDS) if one.name == name)
    return conversation.settings.texts("chat.usage", usage=f"/{name} {command.argument}")


NEW = Command("new", _new, "[NAME]")
COMMANDS = (
    Command("sleep", _sleep),
    Command("wake", _wake),
    Command("report", _report),
    Command("souls", _souls),
    Command("use", _use, "NAME"),
    Command("save", _save, "[NAME]"),
    Command("load", _load, "NAME|FILE"),
    Command("history", _history, "[NAME]"),
    Command("undo", _undo, "[N]"),
    Command("diff", _diff, "A [B]"),
    Command("why", _why, "QUESTION"),
    Command("reset", _reset, AGREED),
    Command("forget", _forget, "TEXT|ID"),
    Command("reincarnate", _reincarnate, "NAME [BODY]"),
    Command("export", _export, "[NAME] [FILE]"),
    Command("import", _import, "FILE [NAME]"),
    Command("verify", _verify, "FILE"),
)
