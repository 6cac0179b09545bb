"""Kill forgetting before every step it takes on the disk, each in a process of its own, and
finish it.

    python -m tests.fakes.kill_forgetting FOLDER

In FOLDER, a workspace where 'mika' was taught ``FIRST``, saved, ``SECRET``, saved, and ``LAST``,
which is in the journal alone. Steps are those of ``kill_at_step``. For every step one JSON line
says what was there after the kill, and what once the next start has finished what was begun.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soul_client.wire import Dreamt, SleepReport
from sould.soulfile.home import SoulFolder
from sould.soulfile.journal import Journal
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord
from sould.supervisor.diary import Diary, Record
from sould.supervisor.erasing import NOTE, Eraser
from sould.supervisor.reports import Reports
from tests.fakes.kill_at_step import kill_noted
from tests.fakes.souls import BODY, BOTH, make_entry, make_meta, make_tensors

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIRST, SECRET, LAST = (f"20260304T05060{n}-0000000{n}" for n in range(3))
WORD = "Biscuit"
TEXTS = {FIRST: "I live in Bath.", SECRET: f"My cat is called {WORD}.", LAST: "I bake."}


def main(folder: Path) -> None:
    """Kill at step after step until it comes through."""
    first, workspace = folder / "first", folder / "workspace"
    _prepare(first)
    kill_noted(
        first,
        workspace,
        NOTE,
        change=lambda: _forget(workspace),
        finish=lambda: _eraser(workspace).finish_what_was_begun(),
        state=lambda: _state(workspace),
    )


def _prepare(workspace: Path) -> None:
    workspace.mkdir(mode=0o700)
    written = Diary(workspace / "memories", lambda: NOW)
    written.open()
    for id_, text in TEXTS.items():
        told = Record(id=f"{id_}u", ts=NOW.isoformat(), role="user", text=text, session="s")
        reply = Record(id=f"{id_}a", ts=NOW.isoformat(), role="assistant", text="ok", session="s")
        written.append([told, reply])
    (written.folder / "2026-03-04.torn").write_text(f'{{"text":"My cat is called {WORD}')
    mika = SoulFolder(workspace / "souls").new("mika")
    taught: set[str] = set()
    for level, id_ in ((1, FIRST), (2, SECRET)):
        taught.add(f"{id_}u")
        meta = make_meta(level=level, taught=frozenset(taught), config={"since": NOW.isoformat()})
        save_generation(mika.folder, SoulRecord(meta, make_tensors(ranks=BOTH, seed=level)))
    Journal(mika.journal).append(make_entry(level=3, taught=f"{LAST}u"))
    dreamt = Dreamt(id=f"{LAST}u", after=True, question="And your cat?", said_after=WORD)
    report = SleepReport(outcome="kept", soul="mika", facts=[dreamt])
    Reports(workspace / "reports").keep(report, NOW)
    teacher = workspace / "cache" / "teacher"
    teacher.mkdir(parents=True)
    (teacher / "fits-0.json").write_text("{}")


def _forget(workspace: Path) -> None:
    eraser = _eraser(workspace)
    plan = eraser.plan("mika", {f"{id_}u" for id_ in TEXTS}, WORD)
    eraser.begin(plan.note)
    eraser.finish()


def _eraser(workspace: Path) -> Eraser:
    return Eraser(
        workspace=workspace,
        diary=Diary(workspace / "memories", lambda: NOW),
        souls=SoulFolder(workspace / "souls"),
        clock=lambda: NOW,
    )


def _state(workspace: Path) -> dict[str, Any]:
    """Return what is there: the soul as it is opened, what the diary holds, who holds the word."""
    opened = open_soul(workspace / "souls" / "mika", BODY)
    assert opened is not None
    kept = Diary(workspace / "memories", lambda: NOW)
    everything = [path for path in workspace.rglob("*") if path.is_file()]
    return {
        "level": opened.record.meta.level,
        "taught": sorted(opened.record.meta.taught),
        "ids": [record.id for path in kept.files() for record in kept.read(path)],
        "holding": sorted(p.name for p in everything if WORD.encode() in p.read_bytes()),
        "fits": (workspace / "cache" / "teacher" / "fits-0.json").exists(),
        "drafts": sum(path.name.startswith(".") for path in everything),
        "generations": sorted(path.name for path in everything if path.suffix == ".soul"),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
