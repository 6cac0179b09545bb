"""What a command of the chat is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soul_cli.chat.conversation import Conversation


class Leave(Exception):
    """The chat is over."""


class Misused(Exception):
    """The command cannot be understood; the message says why."""


class Say(Exception):
    """The command says ``text``, in the place of the message with the id ``replaces``."""

    def __init__(self, text: str, replaces: str) -> None:
        super().__init__(text)
        self.text = text
        self.replaces = replaces


@dataclass(frozen=True)
class Command:
    """One command. ``run`` gets the conversation and the argument, and returns what to show."""

    name: str
    run: Callable[[Conversation, str], str]
    argument: str = ""
