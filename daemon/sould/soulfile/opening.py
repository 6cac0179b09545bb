"""A soul opened for a body, its newest generation and its journal together, and saved again."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sould.errors import SoulInvalid, SoulMissing, StorageError
from sould.soulfile.generations import list_files, none_sound, passed_over
from sould.soulfile.header import require_body
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal, JournalEntry, JournalRead
from sould.soulfile.jsontext import Unsound
from sould.soulfile.layout import is_fast, largest_bytes, table, table_faults
from sould.soulfile.limits import MAX_FILE_BYTES
from sould.soulfile.meta import BodyShape, SoulMeta
from sould.soulfile.record import SoulRecord, read, weight_faults, write

log = logging.getLogger(__name__)

_AGAIN = "what is missing waits in the diary to be learned again"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A soul as it was when something was last learned.

    ``number`` and ``record.meta.sha256``: of the generation it was read from, whether there was
    more in the journal (``is_journaled``) or not. ``notes``: what had to be mended, for people.
    """

    number: int
    record: SoulRecord
    is_journaled: bool
    notes: tuple[str, ...]


def open_soul(folder: Path, expect: BodyShape) -> Opened | None:
    """Return the newest sound state of a soul, None if it has no generation yet.

    Damaged generations are passed over, and a journal that cannot be used is dropped: what it
    held waits in the diary to be learned again. Afterwards the journal is the one that follows
    the generation returned, ready to be appended to.

    Raises:
        SoulMissing: there is no such folder.
        SoulInvalid: there are generations, and none can be used; or sizes not of the body.
        SoulMismatch: the newest sound one was grown on another body.
        StorageError: the folder cannot be read, or the journal not be mended.
    """
    number, record, notes = _newest(folder, expect)
    if record is None:
        return None
    journal = Journal(SoulHome(folder).journal)
    learned = None
    try:
        found = _read(journal, expect)
        if found and found.after == record.meta.sha256:
            learned = _applied(record, found.entry) if found.entry else record
            if found.cut_bytes:
                notes.append(f"the last {found.cut_bytes} bytes of the journal were torn; {_AGAIN}")
    except (Unsound, StorageError) as e:
        notes.append(f"the journal cannot be used and is dropped: {e}; {_AGAIN}")
    if learned is None:  # none that can be used, or of another generation: one later was saved
        journal.begin(record.meta.sha256)
    return Opened(
        number=number,
        record=learned or record,
        is_journaled=learned is not None and learned is not record,
        notes=tuple(notes),
    )


def save_generation(
    folder: Path, record: SoulRecord, *, keep: int | None = None
) -> tuple[int, SoulMeta]:
    """Write the next generation of a soul and begin its journal, both durably; prune if asked.

    ``record.meta`` is written as it is, but for its seal: ``parent`` and ``saved`` are the
    caller's. Returns the number and the sealed metadata.

    Raises:
        SoulMissing: there is no such folder.
        SoulInvalid: not finite, over the cap, or not what a soul must be.
        StorageError: the newest generation and its journal are as they were.
    """
    home = SoulHome(folder)
    number, path = home.next_path()
    meta = write(path, record)
    home.begin_journal(path, meta)
    if keep is not None:
        try:
            home.prune(keep, sound=number)
        except StorageError as e:  # it is saved all the same
            log.warning("old generations of soul '%s' are not removed: %s", home.name, e)
    return number, meta


def _newest(folder: Path, expect: BodyShape) -> tuple[int, SoulRecord | None, list[str]]:
    notes = list[str]()
    limit = max(MAX_FILE_BYTES, largest_bytes(expect.dims))
    for number, path in list_files(folder):
        try:
            record = read(path, max_bytes=limit)
        except (SoulInvalid, SoulMissing) as e:
            notes.append(passed_over(number, e.message))
            continue
        require_body(record.meta, expect)
        return number, record, notes
    if notes:
        raise none_sound(folder.name, notes)
    return 0, None, []


def _read(journal: Journal, expect: BodyShape) -> JournalRead | None:
    """Return what a journal holds, None if there is none.

    Raises:
        Unsound: what is there is no journal.
        StorageError: it cannot be read.
    """
    found = journal.read(max_bytes=largest_bytes(expect.dims))
    if found is None and journal.path.exists():
        raise Unsound("what is there is none")
    return found


def _applied(record: SoulRecord, entry: JournalEntry) -> SoulRecord:
    """Return a generation with what an entry of its journal says was learned since.

    Raises:
        Unsound: the entry does not fit it, or its weights are not sound.
    """
    slow = {name: array for name, array in record.tensors.items() if not is_fast(name)}
    shapes = {name: array.shape for name, array in slow.items()} | dict(entry.shapes)
    for fault in table_faults(record.meta.dims, table(shapes)):
        raise Unsound(fault)
    fast = {
        name: np.frombuffer(data, "<f4").reshape(shape)
        for (name, shape), data in zip(entry.shapes.items(), entry.data, strict=True)
    }
    for fault in weight_faults(fast):
        raise Unsound(fault)
    tensors = slow | fast
    taught = record.meta.taught | entry.taught
    meta = dataclasses.replace(record.meta, level=entry.level, taught=taught)
    return SoulRecord(meta, {name: tensors[name] for name in sorted(tensors)})
