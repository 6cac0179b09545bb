"""What was typed in the chat: the file of it, and taking something out of it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from soul_client.errors import DaemonError
from soul_client.locate import workspace_dir
from soul_client.wire import ErrorCode

if TYPE_CHECKING:
    from soul_client.wire import DiaryRecord

HISTORY_NAME = "chat_history"


def history_path(config: Path) -> Path:
    """Return where a workspace keeps what was typed."""
    return workspace_dir(config) / HISTORY_NAME


def forget(path: Path, what: str, records: Iterable[DiaryRecord]) -> None:
    """Take out of the file every entry that has ``what`` in it, or is one of these records.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    if not path.exists():
        return
    gone = {_plain(record.text) for record in records}

    def is_gone(entry: str) -> bool:
        line = _plain(said(entry))
        return _plain(what) in line or line.removeprefix("/edit ") in gone

    typed = entries(path.read_text("utf-8", errors="replace"))
    kept = [entry for entry in typed if not is_gone(entry)]
    draft = path.with_name(f".{path.name}.new")
    with open(draft, "w", encoding="utf-8", opener=_private) as file:
        file.writelines(kept)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def cleared(path: Path, what: str, records: Iterable[DiaryRecord]) -> Iterator[None]:
    """Take it out of the file, whatever becomes of what is done inside, unless the daemon refuses:
    it finishes what it began when nobody waits any more.
    """
    is_refused = False
    try:
        yield
    except DaemonError as e:
        is_refused = e.code is not ErrorCode.STORAGE  # that is finished later
        raise
    finally:
        if not is_refused:
            forget(path, what, records)


def entries(text: str) -> list[str]:
    """Return the entries of a history file of prompt_toolkit: a comment, then lines with a +."""
    found = [""]
    for line in text.splitlines(keepends=True):
        if not line.startswith("+") and said(found[-1]):
            found.append("")
        found[-1] += line
    return found


def said(entry: str) -> str:
    """Return what an entry says."""
    return "\n".join(line[1:] for line in entry.splitlines() if line.startswith("+"))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
