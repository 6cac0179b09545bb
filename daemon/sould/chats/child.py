"""What the processes have in common that read files of others: their arguments, their limit, and
how they answer. What they read may be hostile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from sould.bodystore import show
from sould.errors import SouldError


def run(
    argv: Sequence[str], *, command: str, about: str, read: Callable[[argparse.Namespace], Struct]
) -> int:
    """Read what the arguments name and say as JSON lines what was found; return the exit code: 0,
    or 1 if it could not be read.
    """
    parser = argparse.ArgumentParser(f"sould {command}", description=about)
    parser.add_argument("--soul", required=True, help="whose diary it is for")
    parser.add_argument("--imported", required=True, help="when that is, RFC 3339")
    parser.add_argument("--folder", required=True, type=Path, help="where the records go")
    parser.add_argument("path", type=Path)
    args = parser.parse_args(argv)
    try:
        found = read(args)
    except SouldError as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", found)
    return 0


def limit_memory(most_bytes: int) -> None:
    """Let a file that is made to take all memory end this process, not the machine."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
