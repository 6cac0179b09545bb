"""``soul rehearse``: say a persona's lines as a user would, in real turns."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, option, session_option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.exam import Line
    from soul_client.wire import ChatDone

IDLE_S = 30.0
TICK_S = 0.1


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@option("--night", type=click.IntRange(1), required=True, metavar="N")
@option("--idle", type=click.FloatRange(0), default=IDLE_S, metavar="SECONDS")
@session_option
@click.pass_obj
def rehearse(settings: Settings, file: Path, night: int, idle: float, session: str | None) -> Exit:
    """Say what a persona says on the day before a night."""
    from soul_cli.commands.exam import check_night
    from soul_cli.speaking import speak
    from soul_client import exam as paper
    from soul_client.calls import chat

    persona = paper.load(file)
    if not isinstance(persona, paper.Persona):
        raise click.UsageError(settings.texts("usage.quiz_says_nothing", file=file))
    lines = paper.lines_of(persona, check_night(settings, persona, night))
    with settings.connect_or_start() as client:
        if not client.status().memory:
            raise click.UsageError(settings.texts("chat.memory_off"))
        for n, line in enumerate(lines, start=1):
            if not settings.is_json:
                print(f"[{n}/{len(lines)}] {line.text}", flush=True)
            done = speak(client, chat(line.text, session=session), settings, lambda _: None)
            _show(settings, n, line, done)
            if done.finish == "cancelled":
                return Exit.INTERRUPTED
            session = done.session
            _idle(settings, idle)
    return Exit.OK


def _show(settings: Settings, n: int, line: Line, done: ChatDone) -> None:
    if settings.is_json:
        import msgspec

        fields = msgspec.to_builtins(done)
        output.say_json({"n": n, "kind": line.kind, "said": line.text, "done": fields})
    else:
        print("    " + output.for_terminal(" ".join(done.text.split())), flush=True)


def _idle(settings: Settings, seconds: float) -> None:
    """Give the daemon the time a user takes to read and to type."""
    ends_s = time.monotonic() + seconds
    with Waiting(settings.texts) as waiting:
        while (left_s := ends_s - time.monotonic()) > 0:
            done = int(100 * (seconds - left_s) / seconds)
            waiting.show(settings.texts("stage.idle"), done, 100)
            time.sleep(min(TICK_S, left_s))
