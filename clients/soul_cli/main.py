"""Entry point of ``soul``. What is asked most often, and by scripts, costs no imports."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from soul_client import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``soul`` and return its exit code; see ``soul_cli.exits``."""
    argv = sys.argv[1:] if argv is None else argv
    if list(argv) in (["--version"], ["-V"]):
        print(f"soul {__version__}")
        return 0
    from soul_cli.run import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
