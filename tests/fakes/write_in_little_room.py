"""Write a large soul over a small one where there is no room for it.

    python -m tests.fakes.write_in_little_room FOLDER mount|limit

``mount`` puts a file system of 1 MB on FOLDER, which only this process sees; ``limit`` lets
no file of this process grow beyond 100 kB. One JSON line says how it went.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from sould.errors import StorageError
from sould.soulfile.meta import Dims
from sould.soulfile.record import SoulRecord, read, write
from tests.fakes.souls import make_meta, make_soul, make_tensors, same

LARGE = Dims(n_layers=4, d_model=256, d_ff=1024)  # with ranks of 16 + 16: 2 MB


def main(folder: Path, how: str) -> None:
    if how == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    path = folder / "mika.soul"
    small = make_soul()
    small = SoulRecord(write(path, small), small.tensors)
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    large = SoulRecord(make_meta(dims=LARGE), make_tensors(LARGE, {"slow": 16, "fast": 16}))
    said = hint = ""
    try:
        write(path, large)
    except StorageError as e:
        said, hint = e.message, e.hint
    report = {
        "said": said,
        "hint": hint,
        "kept": same(read(path), small),
        "left": sorted(entry.name for entry in folder.iterdir()),
    }
    write(path, make_soul(seed=1))  # what there is room for is saved
    report["saved_later"] = read(path).meta.sha256 != small.meta.sha256
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
