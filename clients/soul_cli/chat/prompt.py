"""The prompt: where the user types."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from soul_cli import output
from soul_cli.settings import Settings
from soul_cli.typed import history_path

PROMPT = "> "


class History(FileHistory):
    """The history file; what is typed while not ``is_kept`` never gets there."""

    is_kept = True

    def store_string(self, string: str) -> None:
        """Write a message to the file."""
        if self.is_kept:
            super().store_string(string)


class Prompt:
    """Reads one message at a time; its history is kept, private, in the workspace.

    Enter sends. Alt-Enter, or a backslash before Enter, begins a new line. What is pasted is
    one message, however many lines it has.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._history = History(str(private_file(history_path(settings.config_path))))
        self._session: PromptSession[str] = PromptSession(
            history=self._history,
            multiline=True,
            key_bindings=key_bindings(),
            prompt_continuation=lambda width, line, wrapped: " " * width,
            color_depth=None if output.has_colour(sys.stdout) else ColorDepth.DEPTH_1_BIT,
        )

    def read(self, *, is_off_record: bool = False) -> str:
        """Wait for a message; off the record it is not kept, and the prompt shows that.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C.
        """
        self._history.is_kept = not is_off_record
        note = self._settings.texts("chat.off_record") if is_off_record else ""
        return self._session.prompt(f"{note} {PROMPT}".lstrip())


def key_bindings() -> KeyBindings:
    """Return what Enter and Alt-Enter do."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        accept_or_continue(event.current_buffer)

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def accept_or_continue(buffer: Buffer) -> None:
    """Send the message, or turn a backslash before the cursor into a new line."""
    if buffer.document.char_before_cursor == "\\":
        buffer.delete_before_cursor()
        buffer.insert_text("\n")
    else:
        buffer.validate_and_handle()


def private_file(path: Path) -> Path:
    """Return the history file; made, open to its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    path.chmod(0o600)
    return path
