"""``soul logs | events``: look on while the daemon works."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, option
from soul_cli.settings import Settings

if TYPE_CHECKING:
    from soul_client.exchange import SeenEvent

LINES = 40
LOOK_EVERY_S = 0.2
_OF_STATE = ("state", "body_configured")


@click.command(cls=Command)
@option("--follow", "-f", is_flag=True)
@option("--lines", "-n", type=click.IntRange(0), default=LINES, metavar="N")
@click.pass_obj
def logs(settings: Settings, follow: bool, lines: int) -> Exit:
    """Print the end of the daemon's log; it need not run."""
    return show_log(settings, follow=follow, lines=lines)


def show_log(settings: Settings, *, follow: bool, lines: int) -> Exit:
    """Print the end of the daemon's log, and with ``follow`` what comes."""
    from soul_client.locate import log_file

    path = log_file(settings.config_path)
    if not path.exists() and not follow:
        message = settings.texts("logs.none", path=path)
        output.error(settings, code="not_found", label="", message=message, hint="")
        return Exit.FAILED
    for line in tail(path, lines) if not follow else follow_file(path, lines):
        if settings.is_json:
            output.say_json({"line": line})
        else:
            print(output.for_terminal(line), flush=True)
    return Exit.OK


@click.command(cls=Command)
@click.pass_obj
def events(settings: Settings) -> None:
    """Print what happens, as it happens."""
    with settings.connect() as client, client.events() as stream:
        for seen in stream:
            if settings.is_json:
                import msgspec

                fields = msgspec.to_builtins(seen.event)
                output.say_json({"seq": seen.seq, "missed": seen.missed, **fields})
            else:
                print(event_line(settings, seen), flush=True)


def event_line(settings: Settings, seen: SeenEvent) -> str:
    """Return one event as a line: time, name, and what says most of its data."""
    import json

    data = _telling(seen.event.data) if seen.event.name == "soul" else seen.event.data
    if isinstance(progress := data.get("progress"), dict):
        data = data | {key: value for key, value in progress.items() if value}
    is_state = seen.event.name in ("state", "welcome")
    shown = " ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in data.items()
        if (key in _OF_STATE if is_state else isinstance(value, str | int | float))
    )
    gap = settings.texts("events.missed", count=seen.missed) + " " if seen.missed else ""
    clock = seen.event.ts[11:19]
    return output.for_terminal(f"{clock}  {gap}{seen.event.name:8} {shown}".rstrip())


def _telling(soul: dict[str, Any]) -> dict[str, Any]:
    """Return of a soul what there is to tell: what waits, and what is wrong, only if it is so."""
    always = ("name", "level", "generation", "worn")
    return {key: value for key, value in soul.items() if value or key in always}


def tail(path: Path, count: int) -> list[str]:
    """Return the last lines of a file; none if it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def follow_file(path: Path, count: int) -> Iterator[str]:
    """Yield the last lines of a file, then new ones as they come; rotation is followed."""
    inode = position = 0
    rest = b""
    most: int | None = count
    while True:
        if path.exists():
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_ino != inode or stat.st_size < position:
                    inode, position, rest = stat.st_ino, 0, b""
                file.seek(position)
                *lines, rest = (rest + file.read()).split(b"\n")
                position = file.tell()
            for line in deque(lines, maxlen=most):
                yield line.decode("utf-8", "replace")
        most = None  # all that comes from now on
        time.sleep(LOOK_EVERY_S)
