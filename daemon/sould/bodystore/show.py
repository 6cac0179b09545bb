"""How a pull or inspect tells its progress: JSON lines for a program, a bar for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec

from soul_client.errors import SoulError
from soul_client.wire import Error, ErrorCode, Progress
from sould.bodystore.progress import OnProgress
from sould.errors import SouldError

_WORDS = {"downloading": "fetching", "queued": "waiting"}


def write_json(key: str, value: msgspec.Struct) -> None:
    """Write one line ``{"progress" | "done" | "error": {…}}`` to stdout."""
    sys.stdout.write(msgspec.json.encode({key: value}).decode() + "\n")
    sys.stdout.flush()


def as_error(e: SouldError | SoulError) -> Error:
    """Return the wire form of an error."""
    if isinstance(e, SoulError):  # the config was not found
        return Error(code=ErrorCode.BAD_REQUEST, message=str(e))
    return Error(code=e.code, message=e.message, hint=e.hint)


def cancelled() -> Error:
    """Return what is answered when a signal ended the work."""
    return Error(
        code=ErrorCode.CANCELLED, message="the pull was cancelled", hint="pull again to go on"
    )


def end_with_error(error: Error, for_programs: bool) -> None:
    """Tell the error: as the last JSON line, or to a person on stderr."""
    if for_programs:
        write_json("error", error)
    else:
        hint = f"; {error.hint}" if error.hint else ""
        print(f"error: {error.message}{hint}", file=sys.stderr)


@contextmanager
def progress_bar(file: IO[str]) -> Iterator[OnProgress]:
    """Show progress to a person: a bar on a terminal, one plain line per stage elsewhere."""
    if not file.isatty():
        yield _plain_lines(file)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=file), transient=True) as bars:

        def on_progress(progress: Progress) -> None:
            description = _describe(progress)
            if not bars.tasks or bars.tasks[0].description != description:
                for task in bars.task_ids:
                    bars.remove_task(task)
                bars.add_task(description, total=progress.total or None)
            bars.update(bars.task_ids[0], completed=progress.done)

        yield on_progress


def _plain_lines(file: IO[str]) -> OnProgress:
    said: set[str] = set()

    def on_progress(progress: Progress) -> None:
        line = _describe(progress)
        if line not in said:
            said.add(line)
            print(line, file=file, flush=True)

    return on_progress


def _describe(progress: Progress) -> str:
    return f"{_WORDS.get(progress.stage, progress.stage)} {progress.note}".rstrip()
