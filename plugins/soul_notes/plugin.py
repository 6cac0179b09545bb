"""The hooks: the index is kept up to date beside the turns, and looked into before each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soul_notes.index import Found, Index
from soul_notes.words import is_japanese
from sould import plugin
from sould.plugin import Added, Home, Turn, hookimpl

AWAITED_S = 0.05
UNAWAITED_S = 0.5
"""How long the index is brought up to date for: while the user waits, and while nobody does."""
_HEADINGS = {
    False: "Notes of what I told you before (the later one is right where two differ):",
    True: "以前あなたに話したことのメモ(食い違うときは新しいほうが正しい):",
}


class Settings(plugin.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``most``: so many notes may be put before a message."""

    most: Annotated[int, Meta(ge=1, le=20)] = 3


_opened: list[Index] = []  # that of the daemon this process belongs to


@hookimpl
def daemon_ready(home: Home) -> None:
    """Begin the index, or go on with it.

    Raises:
        SQLiteWithoutFTS5: that of this Python cannot search texts.
    """
    require_fts5()
    workspace = Path(home.workspace)
    folder = workspace / "cache" / "plugins" / "soul_notes"
    _opened[:] = [Index(folder, workspace / "memories")]
    _opened[0].update(UNAWAITED_S)


@hookimpl
def before_turn(turn: Turn, settings: Settings) -> Added | None:
    """Return what was told before and the message is about."""
    (index,) = _opened
    index.update(AWAITED_S)
    found = index.find(turn.text, soul=turn.soul, but_session=turn.session, most=settings.most)
    if not found:
        return None
    return Added(note=note(found, turn.text), records=list(dict.fromkeys(f.id for f in found)))


@hookimpl
def after_turn() -> None:
    """Take in what was said."""
    _opened[0].update(UNAWAITED_S)


def note(found: list[Found], asked: str) -> str:
    """Return notes as the body reads them, in the language of the message. Pure."""
    lines = [f"- {one.ts[:10]}: {one.text}" for one in found]
    return "\n".join([_HEADINGS[is_japanese(asked)], *lines])


class SQLiteWithoutFTS5(RuntimeError):
    """What the log says of this plugin where it cannot work: of a failure it has the type only."""


def require_fts5() -> None:
    """Find out whether SQLite has the search that the index needs.

    Raises:
        SQLiteWithoutFTS5: it was built without.
    """
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute("CREATE VIRTUAL TABLE words USING fts5(body)")
        except sqlite3.OperationalError as e:
            version = sqlite3.sqlite_version
            raise SQLiteWithoutFTS5(f"SQLite {version} was built without FTS5") from e
