"""The prompt of the chat, fed with the bytes a terminal sends."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from soul_cli.chat.prompt import Prompt
from soul_cli.settings import Settings

ENTER, CTRL_C, CTRL_D, ALT_ENTER, UP = "\r", "\x03", "\x04", "\x1b\r", "\x1b[A"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "config.yaml"
    config.write_text("bit_ttt: 1\n", "utf-8")
    return Settings(config=str(config))


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


def typed(settings: Settings, keyboard: PipeInput, keys: str) -> str:
    keyboard.send_text(keys)
    return Prompt(settings).read()


def test_enter_sends(settings: Settings, keyboard: PipeInput) -> None:
    assert typed(settings, keyboard, "こんにちは 🙂" + ENTER) == "こんにちは 🙂"


@pytest.mark.parametrize("newline", [ALT_ENTER, "\\" + ENTER])
def test_a_message_of_two_lines(settings: Settings, keyboard: PipeInput, newline: str) -> None:
    assert typed(settings, keyboard, f"one{newline}two{ENTER}") == "one\ntwo"


def test_what_is_pasted_is_one_message(settings: Settings, keyboard: PipeInput) -> None:
    pasted = "\x1b[200~def f():\n    return 1\n\nf()\x1b[201~"
    assert typed(settings, keyboard, pasted + ENTER) == "def f():\n    return 1\n\nf()"


def test_ctrl_d_leaves_and_ctrl_c_interrupts(settings: Settings, keyboard: PipeInput) -> None:
    with pytest.raises(EOFError):
        typed(settings, keyboard, CTRL_D)
    with pytest.raises(KeyboardInterrupt):
        typed(settings, keyboard, "half a message" + CTRL_C)


def test_the_history_is_kept_and_private(settings: Settings, keyboard: PipeInput) -> None:
    typed(settings, keyboard, "one\\" + ENTER + "two" + ENTER)
    assert typed(settings, keyboard, UP + UP + ENTER) == "one\ntwo"
    history = settings.config_path.parent / "workspace" / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_what_is_typed_off_the_record_is_not_kept(settings: Settings, keyboard: PipeInput) -> None:
    prompt = Prompt(settings)
    keyboard.send_text("one" + ENTER + "hidden" + ENTER + "two" + ENTER)
    assert prompt.read() == "one"
    assert prompt.read(is_off_record=True) == "hidden"
    assert prompt.read() == "two"
    history = (settings.config_path.parent / "workspace" / "chat_history").read_text("utf-8")
    assert "one" in history and "two" in history and "hidden" not in history
