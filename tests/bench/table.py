"""What a benchmark is given and gives back, and how it is shown."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Env:
    """Where and on what to measure. ``cache_dir`` keeps compiled kernels between runs."""

    body: Path = ROOT / "models" / "smollm2-135m-instruct.gguf"
    cache_dir: Path = ROOT / "workspace" / "cache"
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, None where it could not be measured (``note`` says why).

    ``bar``: what it is held to, in words; ``ok``: None where there is no bar.
    """

    name: str
    value: float | None
    unit: str
    bar: str = ""
    ok: bool | None = None
    note: str = ""


def describe_machine(env: Env) -> dict[str, str]:
    """Return processor, system, commit and settings: without them a figure means nothing."""
    system = f"{platform.system()} {platform.machine()}"
    return {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {system}",
        "commit": _commit(),
        "body": f"{env.body.name}, {env.body.stat().st_size:,} bytes",
        "threads": str(env.threads),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def show(machine: dict[str, str], rows: Sequence[Row]) -> None:
    console = Console()
    for key, value in machine.items():
        console.print(f"{key:8} {value}", highlight=False, soft_wrap=True)
    table = Table("what", "figure", "bar", "", "note")
    for row in rows:
        verdict = {True: "[green]ok[/]", False: "[red]MISSED[/]", None: ""}[row.ok]
        figure = "–" if row.value is None else f"{row.value:.4g} {row.unit}"
        table.add_row(row.name, figure, row.bar, verdict, escape(row.note))
    console.print(table)


def save(folder: Path, machine: dict[str, str], rows: Sequence[Row]) -> Path:
    """Write the run as JSON, a new file for each; return its path."""
    folder.mkdir(exist_ok=True)
    stamp = machine["date"][:19].replace(":", "")
    path = folder / f"{stamp}.json"
    record = {**machine, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return path


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    if shutil.which("git") is None:
        return "unknown"
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{commit} + changes" if git("status", "--porcelain", "-uno") else commit
