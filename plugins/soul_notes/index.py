"""An index of what the user stated, made from the diary's files: it can always be made anew.

``workspace/cache/plugins/soul_notes/notes.sqlite``: SQLite's FTS5, whose ``bm25`` ranks. Files that
only grew are read on; after any other change, such as what was forgotten, all is made anew, so that
nothing of it is left.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_notes.words import passages, terms, units

VERSION = 2
ENOUGH = 0.45
"""The share of what is asked, weighed by how rare it is, that a note must be about."""
CANDIDATES = 32
_DATES = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].jsonl"
_SCHEMA = f"""
CREATE TABLE files (name TEXT PRIMARY KEY, inode INTEGER, mtime_ns INTEGER, done INTEGER,
                    lines INTEGER);
CREATE TABLE said (number INTEGER PRIMARY KEY, id TEXT, ts TEXT, soul TEXT, session TEXT,
                   text TEXT);
CREATE TABLE replaced (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(body, content='', tokenize='porter unicode61');
PRAGMA user_version = {VERSION};
"""


class Found(Struct, frozen=True, kw_only=True):
    """What the user stated, and the record it is from."""

    id: str
    ts: str
    text: str


class _Line(Struct):
    """What is needed of a line of the diary."""

    role: str
    text: str
    id: str = ""
    ts: str = ""
    timestamp: str = ""
    session: str = ""
    learn: bool = True
    soul: str = ""
    ids: list[str] = []


_decoder = msgspec.json.Decoder(_Line)


class Index:
    """The index in a folder, of the diary in another. Opened anew for every use: what is forgotten
    is removed together with its file.
    """

    def __init__(self, folder: Path, diary: Path) -> None:
        self.folder = folder
        self._path = folder / "notes.sqlite"
        self._diary = diary

    def update(self, budget_s: float) -> bool:
        """Take in what is new, the newest day first, for so long; tell whether that is all.

        Raises:
            sqlite3.Error, OSError: it cannot be kept.
        """
        until = time.monotonic() + budget_s
        with self._open() as db:
            files = {path.name: path for path in self._diary.glob(_DATES)}
            rows = db.execute("SELECT * FROM files").fetchall()
            if not any(_is_changed(files, *row) for row in rows):
                return all(_read_on(db, files[name], until) for name in sorted(files, reverse=True))
        self._remove()
        return self.update(until - time.monotonic())

    def find(self, text: str, *, soul: str, but_session: str, most: int) -> list[Found]:
        """Return what was told to a soul that a message is about, oldest first; of what was said
        in several ways the newest, and nothing of one session, which is in the prompt anyway.

        Raises:
            sqlite3.Error, OSError: the index cannot be read.
        """
        asked = units(text)
        if not asked:
            return []
        with self._open() as db:
            ranked = _ranked(db, asked, soul, but_session)
            share = _shares(db, asked, [number for number, _ in ranked])
        found: dict[str, Found] = {}
        for number, one in ranked:
            if share[number] >= ENOUGH:
                found.setdefault(" ".join(terms(one.text)), one)
        return sorted(list(found.values())[:most], key=lambda one: one.ts)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the index; one that is missing, damaged or of another version is begun anew."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(self._path, timeout=0.1)) as db:
            try:
                _prepare(db)
                yield db
            except sqlite3.OperationalError:  # in use, or no room: it is sound
                raise
            except sqlite3.DatabaseError:
                self._remove()
                raise

    def _remove(self) -> None:
        for suffix in ("", "-journal"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA synchronous = OFF")  # a cache: made anew where it is damaged
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(_SCHEMA)
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"the index is of version {version}, not {VERSION}")


def _is_changed(
    files: dict[str, Path], name: str, inode: int, mtime_ns: int, done: int, lines: int
) -> bool:
    """Tell whether a file that was read is not what it was, with lines added at its end."""
    try:
        stat = files[name].stat()
    except (KeyError, FileNotFoundError):
        return True
    if stat.st_ino != inode or stat.st_size < done:
        return True
    return stat.st_size == done and stat.st_mtime_ns != mtime_ns


def _read_on(db: sqlite3.Connection, path: Path, until: float) -> bool:
    """Take in the lines of a file that are new; tell whether there was time for all."""
    row = db.execute("SELECT done, lines FROM files WHERE name = ?", (path.name,)).fetchone()
    done, number = row or (0, 0)
    is_all = True
    with path.open("rb") as file, db:
        file.seek(done)
        for line in file:
            if not line.endswith(b"\n"):
                break
            done, number = done + len(line), number + 1
            _take(db, path.stem, number, line)
            if time.monotonic() > until:  # not before: every call takes in something
                is_all = False
                break
        stat = os.fstat(file.fileno())  # later than what was read: what came since is read next
        seen = (path.name, stat.st_ino, stat.st_mtime_ns, done, number)
        db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", seen)
    return is_all


def _take(db: sqlite3.Connection, day: str, number: int, line: bytes) -> None:
    """Take in a record of the user's that may be learned, or which ones no longer count."""
    try:
        said = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if said.role == "replaced":
        db.executemany("INSERT OR IGNORE INTO replaced VALUES (?)", [(id_,) for id_ in said.ids])
    if said.role != "user" or not said.learn:
        return
    about = (said.id or f"{day}/{number}", said.ts or said.timestamp or f"{day}T00:00:00")
    for passage in passages(said.text):
        body = " ".join(terms(passage))
        row = db.execute(
            "INSERT INTO said (id, ts, soul, session, text) VALUES (?, ?, ?, ?, ?)",
            (*about, said.soul, said.session, passage),
        ).lastrowid
        db.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (row, body))


def _ranked(
    db: sqlite3.Connection, asked: Sequence[tuple[str, ...]], soul: str, but_session: str
) -> list[tuple[int, Found]]:
    """Return the passages that any of this is in, the likeliest first, the newest of equals."""
    rows = db.execute(
        "SELECT number, id, ts, text FROM words JOIN said ON number = words.rowid "
        "WHERE words MATCH ? AND soul IN (?, '') AND session != ? "
        "AND id NOT IN (SELECT id FROM replaced) "
        "ORDER BY bm25(words), ts DESC LIMIT ?",
        (" OR ".join(_match(unit) for unit in asked), soul, but_session, CANDIDATES),
    )
    return [(number, Found(id=id_, ts=ts, text=text)) for number, id_, ts, text in rows]


def _shares(
    db: sqlite3.Connection, asked: Sequence[tuple[str, ...]], numbers: Sequence[int]
) -> dict[int, float]:
    """Return of each passage how much of what is asked it is about, from 0 to 1."""
    (total,) = db.execute("SELECT count(*) FROM said").fetchone()
    share = dict.fromkeys(numbers, 0.0)
    whole = 0.0
    for unit in asked:
        hits = {
            row[0]
            for row in db.execute("SELECT rowid FROM words WHERE words MATCH ?", [_match(unit)])
        }
        weight = math.log(1 + total / max(1, len(hits)))
        whole += weight
        for number in hits & share.keys():
            share[number] += weight
    return {number: weight / whole for number, weight in share.items()}


def _match(unit: tuple[str, ...]) -> str:
    """Return the query for a word: all of its terms."""
    return "(" + " AND ".join(f'"{term}"' for term in unit) + ")"
