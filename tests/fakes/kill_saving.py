"""Kill what changes a soul's folder before every line it runs, each in a process of its own.

    python -m tests.fakes.kill_saving FOLDER save|append|renew|undo|import

In FOLDER, 'mika' has generations of level 1 and 2 and a journal of level 3; it is about to be
changed. After each kill one JSON line says what it is opened as then, and what the same change,
made again, leaves behind; where a kill left the same files as the one before, so does all else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Set
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from sould import durable
from sould.errors import SoulExists
from sould.soulfile import history, home, journal, opening, writing
from sould.soulfile.history import SoulHome
from sould.soulfile.home import SoulFolder
from sould.soulfile.journal import Journal
from sould.soulfile.layout import is_fast
from sould.soulfile.meta import BodyShape, Dims
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord, Weights
from tests.fakes.kill_write import files_in
from tests.fakes.souls import BODY, BOTH, make_entry, make_meta, make_tensors, undo

Report = dict[str, Any]

_DIMS = Dims(n_layers=1, d_model=2, d_ff=3)
_BODY = BodyShape(fingerprint=BODY.fingerprint, name=BODY.name, dims=_DIMS)
_NOW = datetime(2026, 3, 4, tzinfo=UTC)


def main(folder: Path, what: str) -> None:
    """Kill at line after line until the change comes through."""
    first, souls = folder / "first", SoulFolder(folder / "souls")
    _prepare(SoulFolder(first))
    change, modules = CHANGES[what]
    watched = {module.__file__ for module in modules if module.__file__}
    known, report = dict[str, bytes](), Report()
    for line in range(1, 10_000):
        shutil.rmtree(souls.folder, ignore_errors=True)
        shutil.copytree(first, souls.folder)
        was_killed = _killed_at(line, watched, lambda: change(souls))
        found = files_in(souls.folder)
        if found != known:
            known, report = found, _judge(souls, change)
        print(json.dumps({"killed": was_killed, **report}), flush=True)
        if not was_killed:
            return


def _judge(souls: SoulFolder, change: Callable[[SoulFolder], None]) -> Report:
    left, after_kill = _drafts(souls), _state(souls)
    with contextlib.suppress(SoulExists):  # it had come through before the kill
        change(souls)
    return {
        "after_kill": after_kill,
        "left": left,
        "after_next": _state(souls),
        "left_next": _drafts(souls),
        "generations": [found.meta.level for found in _mika(souls).generations() if found.meta],
    }


def _prepare(souls: SoulFolder) -> None:
    mika = souls.new("mika")
    parent = ""
    for level in (1, 2):
        parent = save_generation(mika.folder, _soul(level, parent))[1].sha256
    Journal(mika.journal).append(make_entry(level=3, seed=3, dims=_DIMS))
    souls.set_active("mika")
    souls.export("mika", souls.folder.with_name("exported.soul"), replace=False)


def _soul(level: int, parent: str) -> SoulRecord:
    meta = make_meta(level=level, dims=_DIMS, parent=parent)
    return SoulRecord(meta, make_tensors(_DIMS, seed=level))


def _mika(souls: SoulFolder) -> SoulHome:
    return souls.home("mika")


def _save(souls: SoulFolder) -> None:
    found = open_soul(_mika(souls).folder, _BODY)
    assert found is not None
    save_generation(_mika(souls).folder, _soul(4, found.record.meta.sha256), keep=2)


def _append(souls: SoulFolder) -> None:
    Journal(_mika(souls).journal).append(make_entry(level=4, seed=4, dims=_DIMS))


def _renew(souls: SoulFolder) -> None:
    path = _mika(souls).journal
    Journal(path, max_bytes=1).append(make_entry(level=4, seed=4, dims=_DIMS))


def _import(souls: SoulFolder) -> None:
    souls.import_file(souls.folder.with_name("exported.soul"), "yuki", now=_NOW)


def _undo(souls: SoulFolder) -> None:
    undo(_mika(souls), to=1, now=_NOW)


# What is done, and in whose lines it is killed: those that write, or have it written.
CHANGES: dict[str, tuple[Callable[[SoulFolder], None], tuple[ModuleType, ...]]] = {
    "save": (_save, (durable, history, opening)),
    "append": (_append, (durable, journal)),
    "renew": (_renew, (durable, journal)),
    "undo": (_undo, (durable, history)),
    "import": (_import, (durable, history, home, writing)),
}


def _killed_at(line: int, watched: Set[str], change: Callable[[], object]) -> bool:
    pid = os.fork()
    if pid == 0:
        left = line

        def count(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename not in watched:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return count

        sys.settrace(count)
        change()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _state(souls: SoulFolder) -> dict[str, int]:
    """Return the levels of all souls, opened; raises where weights are not those of the level."""
    assert souls.active() == "mika"
    levels = {}
    for name in souls.names():
        found = open_soul(souls.home(name).folder, _BODY)
        assert found is not None
        level = levels[name] = found.record.meta.level
        assert _weights(found.record.tensors) in _WEIGHTS[level]
    return levels


def _weights(tensors: Weights) -> bytes:
    return b"".join(array.tobytes() for name, array in sorted(tensors.items()) if is_fast(name))


_WEIGHTS = {
    level: {_weights(make_tensors(_DIMS, ranks, level)) for ranks in (BOTH, {"fast": 1})}
    for level in (1, 2, 3, 4)
}


def _drafts(souls: SoulFolder) -> int:
    return len(list(souls.folder.rglob(".*")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
