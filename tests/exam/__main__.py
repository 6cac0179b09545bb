"""What a first day leaves in a soul: ``python -m tests.exam [--idle S] [PERSONA.json …]``.

Every persona gets a fresh home, as a new user has. Its lines are said with ``soul rehearse``,
the daemon is restarted, and ``soul exam`` asks, with controls. Exit status 1: a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from soul_client.exam import Persona, load
from tests.bench.table import ROOT, Env, describe_machine
from tests.exam.day import Plan, spend_all
from tests.exam.report import lines, save, show

TINY = ROOT / "tests" / "data" / "persona-en.json"


def main() -> int:
    args = parse_args()
    personas = [path.resolve() for path in args.personas or [TINY]]
    for path in personas:
        if not isinstance(load(path), Persona):
            sys.exit(f"{path} is no persona")
    env = replace(Env(), body=args.body.resolve())
    if not env.body.exists():
        sys.exit(f"{env.body} is missing; run 'make body'")
    plan = Plan(
        body=env.body,
        night=args.night,
        idle_s=args.idle,
        general=args.general and args.general.resolve(),
        text=args.text and args.text.resolve(),
    )
    days = spend_all(plan, personas)
    about = {**describe_machine(env), "threads": "auto", "idle": f"{args.idle:g} s"}
    found = lines(days)
    show(about, days, found)
    print(save(ROOT / "bench-results", about, days, found))
    return int(any(line.ok is False for line in found))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.exam", description=__doc__)
    parser.add_argument("personas", nargs="*", type=Path, metavar="PERSONA.json")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds after every line")
    parser.add_argument("--night", type=int, default=1)
    parser.add_argument("--general", type=Path, help="a quiz: what the bare body knows is kept")
    parser.add_argument("--text", type=Path, help="a plain text: how its perplexity changes")
    parser.add_argument("--body", type=Path, default=Env().body)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
