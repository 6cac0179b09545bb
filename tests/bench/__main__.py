"""Measure, print a table, write it as JSON: ``python -m tests.bench [NAME…]``.

A benchmark is a module of this folder with ``run(env: Env) -> list[Row]``; its file name is its
name. Exit status 1 when a bar is missed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.table import ROOT, Env, Row, describe_machine, save, show

Run = Callable[[Env], list[Row]]


def benchmarks() -> dict[str, Run]:
    """Return every module here that has a ``run``, by name."""
    found: dict[str, Run] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        module = importlib.import_module(f"tests.bench.{path.stem}")
        if hasattr(module, "run"):
            found[path.stem] = module.run
    return found


def main(names: Sequence[str]) -> int:
    known = benchmarks()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; these are: {', '.join(known)}", file=sys.stderr)
        return 2
    env = Env()
    if not env.body.is_file():
        print(f"{env.body} is missing; run 'make body'", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in names or known:
        print(f"measuring {name} …", file=sys.stderr)
        rows += known[name](env)
    machine = describe_machine(env)
    show(machine, rows)
    print(save(ROOT / "bench-results", machine, rows))
    return int(any(row.ok is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
