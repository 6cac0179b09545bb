"""Save a large soul, and what it learned, where there is room for a small one only.

    python -m tests.fakes.save_in_little_room FOLDER mount|limit

``mount`` puts a file system of 1 MB on FOLDER, which only this process sees; ``limit`` lets
no file of this process grow beyond 100 kB. One JSON line says how it went.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sould.errors import StorageError
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal
from sould.soulfile.meta import Dims
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord
from tests.fakes.souls import BODY, learned, make_entry, make_meta, make_soul, make_tensors, same

LARGE = Dims(n_layers=4, d_model=256, d_ff=1024)  # with ranks of 16 + 16: 2 MB


def main(folder: Path, how: str) -> None:
    if how == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    home = SoulHome(folder / "mika")
    home.create()
    _, meta = save_generation(home.folder, make_soul())
    journal = Journal(home.journal)
    journal.append(make_entry())
    before = learned(SoulRecord(meta, make_soul().tensors), make_entry())
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    large = SoulRecord(make_meta(dims=LARGE), make_tensors(LARGE, {"slow": 16, "fast": 16}))
    entry = make_entry(dims=LARGE, rank=32)  # 2 MB, too
    report: dict[str, object] = {
        "save": _tried(home, before, lambda: save_generation(home.folder, large, keep=1)),
        "append": _tried(home, before, lambda: journal.append(entry)),
        "renew": _tried(home, before, lambda: Journal(home.journal, max_bytes=1).append(entry)),
    }
    journal.append(make_entry(seed=4, level=4))  # what there is room for is kept
    report["appended_later"] = _level(home) == 4
    save_generation(home.folder, make_soul(seed=5, level=5))
    report["saved_later"] = _level(home) == 5
    print(json.dumps(report))


def _tried(home: SoulHome, before: SoulRecord, change: Callable[[], object]) -> dict[str, object]:
    """Try what there is no room for; return what was said, and whether all is as it was."""
    journal = home.journal.read_bytes()
    said = ""
    try:
        change()
    except StorageError as e:
        said = e.message
    found = open_soul(home.folder, BODY)
    assert found is not None
    kept = same(found.record, before) and not found.notes and home.journal.read_bytes() == journal
    return {"said": said, "kept": kept, "left": sorted(p.name for p in home.folder.iterdir())}


def _level(home: SoulHome) -> int:
    found = open_soul(home.folder, BODY)
    assert found is not None
    return found.record.meta.level


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
