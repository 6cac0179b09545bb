"""A soul made one that was never taught some records: back to before them, and no way forward.

Every step may be the last before a crash: made again, the change goes on from where it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Set
from datetime import datetime

from sould.durable import sync_dir
from sould.errors import SoulInvalid
from sould.soulfile.generations import GenerationFile, list_files, storing
from sould.soulfile.history import SoulHome, again_of, heard_of, meta_of, since_of, stamped
from sould.soulfile.journal import Journal
from sould.soulfile.taught import pack
from sould.soulfile.writing import restamp, write_empty


def forget(home: SoulHome, ids: Set[str], *, again: Collection[str], now: datetime) -> list[int]:
    """Go back to before any of these records was learned; return the generations removed.

    What was learned since then waits in the diary: by the ``since`` of the state that is left,
    or named in ``again``, with what that named before. Removed for good is every generation that
    has heard one of the records, or is damaged so that nobody can say; the journal if it was.

    Raises:
        SoulMissing, SoulInvalid: there is no sound generation; nothing was changed.
        StorageError: it is not done; make it again.
    """
    newest = home.require_newest()
    taught = _taught_now(home, newest)
    if (taught | heard_of(meta_of(newest))) & ids:
        base = base_of(home, taught - ids, without=ids)
        _go_back(home, newest, base, {*again, *again_of(meta_of(newest))} - ids, now)
    return _remove(home, ids)


def base_of(
    home: SoulHome, stays: Set[str], *, without: Set[str] = frozenset()
) -> GenerationFile | None:
    """Return the newest sound generation that was taught nothing but ``stays`` and has heard
    nothing of ``without``; None: the soul has to begin anew.

    Raises:
        SoulMissing, StorageError: the folder cannot be read.
    """
    for found in home.generations():
        meta = found.meta
        if meta is not None and meta.taught <= stays and not heard_of(meta) & without:
            try:
                return home.number(found.number)
            except SoulInvalid:
                continue
    return None


def touched(home: SoulHome, ids: Set[str]) -> list[int]:
    """Return the numbers of the generations that have heard one of these records, by headers.

    Raises:
        SoulMissing, StorageError: as :func:`base_of`.
    """
    return [
        found.number for found in home.generations() if found.meta and heard_of(found.meta) & ids
    ]


def _taught_now(home: SoulHome, newest: GenerationFile) -> Set[str]:
    """Return what the state on disk was taught; a journal of another generation is dropped."""
    seal = meta_of(newest).sha256
    read = Journal(home.journal).read()
    if read is None or read.after != seal:
        Journal(home.journal).begin(seal)
        return meta_of(newest).taught
    return meta_of(newest).taught | (read.entry.taught if read.entry else frozenset())


def _go_back(
    home: SoulHome,
    newest: GenerationFile,
    base: GenerationFile | None,
    again: Set[str],
    now: datetime,
) -> None:
    since = since_of(meta_of(newest))
    waits = again - meta_of(base).taught if base else again
    named = pack(waits) if waits else None
    changed = {"since": since, "again": named} | ({} if base else {"heard": None})
    meta = stamped(base or newest, now, home.name, why="forget", **changed)
    if base is not None:
        source = base.path
        home.add(lambda path: restamp(source, path, meta))
        return
    empty = dataclasses.replace(meta, level=0, taught=frozenset(), scores={}, parent="")
    home.add(lambda path: write_empty(path, empty))


def _remove(home: SoulHome, ids: Set[str]) -> list[int]:
    """Remove what holds what is to be forgotten, drafts of killed writers included."""
    kept = home.require_newest().number
    removed = []
    for number, path in list_files(home.folder):
        if number != kept and _may_hold(home, number, ids):
            with storing(path, "removed"):
                path.unlink(missing_ok=True)
            removed.append(number)
    with storing(home.folder, "cleared"):
        for draft in home.folder.glob(".*.new"):
            draft.unlink(missing_ok=True)
        sync_dir(home.folder)
    return removed


def _may_hold(home: SoulHome, number: int, ids: Set[str]) -> bool:
    try:
        return bool(heard_of(meta_of(home.number(number))) & ids)
    except SoulInvalid:
        return True
