"""Run one command; turn whatever goes wrong into one clear line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from soul_cli import output
from soul_cli.app import cli
from soul_cli.exits import Exit
from soul_cli.settings import Settings
from soul_client.errors import (
    ConfigInvalid,
    ConfigNotFound,
    ConnectionLost,
    DaemonError,
    LaunchFailed,
    NotRunning,
    SoulError,
    TimedOut,
    WireError,
)

_EXITS: dict[type[SoulError], Exit] = {
    NotRunning: Exit.NOT_RUNNING,
    LaunchFailed: Exit.CANNOT_START,
    ConnectionLost: Exit.LOST,
    TimedOut: Exit.LOST,
    ConfigNotFound: Exit.CONFIG,
    ConfigInvalid: Exit.CONFIG,
}


def run(argv: Sequence[str]) -> int:
    """Run ``soul`` with these arguments and return its exit code."""
    output.be_tolerant()
    settings = Settings()
    try:
        # Not cli.main(): it has ideas of its own about Ctrl-C and closed pipes.
        with cli.make_context("soul", list(argv), obj=settings) as ctx:
            code = cli.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.UsageError as e:
        usage_failed(settings, e)
        return Exit.USAGE
    except SoulError as e:
        return failed(settings, e)
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whatever Python still wants to flush at exit goes where it cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE_CLOSED
    return code or Exit.OK


def failed(settings: Settings, error: SoulError) -> Exit:
    """Say what went wrong and return the exit code for it."""
    exit_code = _EXITS.get(type(error), Exit.FAILED)
    if isinstance(error, DaemonError | WireError):
        code, message, hint = error.code.value, error.message, error.hint
        label = settings.texts(f"error.{code}")
    else:
        code, message, hint = exit_code.name.lower(), str(error), getattr(error, "hint", "")
        # These messages are English, and clear to who reads it.
        is_english = settings.texts.language == "en"
        label = "" if is_english else settings.texts(f"exit.{exit_code.name}")
    hint = hint or settings.texts.get(f"hint.{exit_code.name}")
    output.error(settings, code=code, label=label, message=message, hint=hint)
    return exit_code


def usage_failed(settings: Settings, error: click.UsageError) -> None:
    """Say what is wrong with the command line."""
    command = error.ctx.command_path if error.ctx else "soul"
    output.error(
        settings,
        code="usage",
        label="",
        message=error.format_message(),
        hint=settings.texts("hint.usage", command=command),
    )
