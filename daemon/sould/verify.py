"""``sould verify``: say whether a ``.soul`` file is sound, as JSON lines; a process of its own,
since it needs numpy and reads what may be hostile."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from soul_client.wire import SoulVerified
from sould.bodystore import show
from sould.errors import SouldError
from sould.soulfile.record import verify


def verified(path: Path) -> SoulVerified:
    """Check every bit of a file.

    Raises:
        SoulMissing: there is none.
    """
    report = verify(path)
    faults = list(report.faults)
    if report.meta is None:
        return SoulVerified(path=str(path), faults=faults)
    meta = report.meta
    return SoulVerified(
        path=str(path),
        faults=faults,
        name=meta.name,
        level=meta.level,
        body=meta.body,
        body_name=meta.body_name,
        created=meta.created,
        saved=meta.saved,
        taught=len(meta.taught),
    )


def main(argv: Sequence[str]) -> int:
    """Run ``sould verify``; returns the exit code: 0, or 1 if it could not be checked."""
    parser = argparse.ArgumentParser("sould verify", description="Check a .soul file.")
    parser.add_argument("path", type=Path)
    args = parser.parse_args(argv)
    try:
        found = verified(args.path.absolute())
    except SouldError as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", found)
    return 0
