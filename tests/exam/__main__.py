"""What days and nights leave in a soul: ``python -m tests.exam day|nights [PERSONA.json …]``.

Every persona gets a fresh home, as a new user has. Its lines are said with ``soul rehearse``,
slept over with ``soul sleep`` (``nights``), the daemon is restarted, and ``soul exam`` asks, with
controls. Exit status 1: a bar is missed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from soul_client.errors import ExamInvalid
from soul_client.exam import Persona, load
from sould.bodystore.fetch_local import name_of
from tests.bench.table import ROOT, Env, describe_machine
from tests.exam import day_report, nights_report
from tests.exam.day import Day, spend
from tests.exam.home import Plan, fresh_home, tell
from tests.exam.nights import Stay, stay
from tests.exam.table import Line, save, show

Run = TypeVar("Run", Day, Stay)

TINY = ROOT / "tests" / "data" / "persona-en.json"
MOST_NIGHTS = 3
TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # no daemon is left behind
    last_night = args.night if args.exam == "day" else 1 if args.nights is None else args.nights
    paths = args.personas or [TINY]
    personas = {path.resolve(): load_persona(path, last_night) for path in paths}
    env = replace(Env(), body=args.body.resolve())
    if not env.body.exists():
        sys.exit(f"{env.body} is missing; run 'make body'")
    about = {**describe_machine(env), "threads": "auto", "idle": f"{args.idle:g} s"}
    plan = Plan(
        idle_s=args.idle,
        general=args.general and args.general.resolve(),
        text=args.text and args.text.resolve(),
        reborn_on=name_beside(env.body, args.reborn_on) if args.exam == "nights" else "",
        forgets=args.exam == "nights" and args.forget,
    )

    def day(path: Path) -> Day:
        tell(f"{path.stem}, {args.idle:g} s between lines")
        with fresh_home(env.body) as home:
            return spend(home, plan, path, another(personas, path), night=args.night)

    def nights(path: Path) -> Stay:
        tell(f"{path.stem}, {args.idle:g} s between lines")
        with fresh_home(env.body) as home:
            return stay(
                home,
                plan,
                path,
                another(personas, path),
                language=personas[path].language,
                nights=args.nights or min(len(personas[path].nights), MOST_NIGHTS),
                has_controls=not args.no_controls,
            )

    if args.exam == "day":
        found = report("day", about, map(day, personas), day_report.lines)
    else:
        found = report("nights", about, map(nights, personas), nights_report.lines)
    return int(any(line.ok is False for line in found))


def report(
    kind: str,
    about: dict[str, str],
    runs: Iterable[Run],
    lines: Callable[[Sequence[Run]], list[Line]],
) -> list[Line]:
    """Show what became of all runs; what is known is on disk after each, for they take hours."""
    done: list[Run] = []
    for run in runs:
        done.append(run)
        path = save(ROOT / "bench-results", kind, about, lines(done), done)
    found = lines(done)
    show(about, [run.persona for run in done], found)
    print(path)
    return found


def load_persona(path: Path, night: int) -> Persona:
    """Read a persona file that has such a night, or end with what is wrong."""
    try:
        loaded = load(path)
    except ExamInvalid as e:
        sys.exit(str(e))
    if not isinstance(loaded, Persona):
        sys.exit(f"{path} is no persona")
    if not 0 < night <= len(loaded.nights):
        sys.exit(f"there is no night {night}: {path} has {len(loaded.nights)}")
    return loaded


def name_beside(body: Path, other: Path | None) -> str:
    """Return the name of another body, "" for none; or end, for it is elsewhere: a home has one
    folder of bodies.
    """
    if other is None:
        return ""
    if not other.exists() or other.resolve().parent != body.parent:
        sys.exit(f"{other} is no body beside {body}")
    return name_of(other)


def another(personas: dict[Path, Persona], path: Path) -> Path | None:
    """Return the next persona of the same language: this one's soul is asked its questions."""
    ring = [one for one in personas if personas[one].language == personas[path].language]
    return ring[(ring.index(path) + 1) % len(ring)] if len(ring) > 1 else None


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.exam", description=__doc__)
    exams = parser.add_subparsers(dest="exam", required=True)
    day = exams.add_parser("day", help="what a day leaves, without sleep")
    day.add_argument("--night", type=int, default=1, help="the night that the day is before")
    nights = exams.add_parser("nights", help="what is left after each of several nights")
    nights.add_argument("--nights", type=int, help="by default as many as it has, at most 3")
    nights.add_argument("--no-controls", action="store_true", help="ask neither control")
    nights.add_argument("--reborn-on", type=Path, help="in the end, reborn on this body and asked")
    nights.add_argument("--forget", action="store_true", help="in the end, forget a fact and ask")
    for exam, idle_s in ((day, 30.0), (nights, 2.0)):
        exam.add_argument("personas", nargs="*", type=Path, metavar="PERSONA.json")
        exam.add_argument("--idle", type=float, default=idle_s, help="seconds after every line")
        exam.add_argument("--general", type=Path, help="a quiz: what the bare body knows is kept")
        exam.add_argument("--text", type=Path, help="a plain text: how its perplexity changes")
        exam.add_argument("--body", type=Path, default=Env().body)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
