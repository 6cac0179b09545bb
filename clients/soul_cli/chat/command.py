"""What a command of the chat is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soul_cli.chat.conversation import Conversation


class Leave(Exception):
    """The chat is over."""


class Misused(Exception):
    """The command cannot be understood; the message says why."""


@dataclass(frozen=True)
class Command:
    """One command. ``run`` gets the conversation and the argument, and returns what to show."""

    name: str
    run: Callable[[Conversation, str], str]
    argument: str = ""
