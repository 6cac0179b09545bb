"""A new user's home, and what is done in it: lines said, a night slept, questions asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soul_client import locate
from soul_client.client import Client
from soul_client.config_edit import set_value
from soul_client.errors import NotRunning
from soul_client.launch import wait_until_gone
from sould.bodystore.fetch_local import name_of
from tests.exam.table import share
from tests.fakes.soul_process import SOUL, Soul

LONG_S = 4 * 3600.0
NAME = "default"

_LESSON = re.compile(r"imprinted record=\S+ steps=(\d+) .*prepared_s=([\d.]+) learned_s=([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done in every home. ``idle_s``: after every line, for the soul to learn.

    Files of None are left out. ``reborn_on``: the name of another body, "" for none.
    ``forgets``: a fact of the first night is forgotten in the end.
    """

    idle_s: float
    general: Path | None = None
    text: Path | None = None
    reborn_on: str = ""
    forgets: bool = False


class Home:
    """One user's home. What is said to its daemon is said with the commands that people have."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def start(self) -> None:
        """Start the daemon."""
        self._run("up")

    def rehearse(self, persona: Path, night: int, idle_s: float) -> list[str]:
        """Say the lines, show them, and return the facts; then ``idle_s`` has passed."""
        options = ["--night", str(night), "--idle", str(idle_s), "--json"]
        facts = []
        with subprocess.Popen(
            [*SOUL, "rehearse", str(persona), *options],
            env=Soul(self.config).env,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                if said["kind"] == "fact":
                    facts.append(said["said"])
                tell(f"  {said['n']}. {said['said']}")
        if process.returncode:
            sys.exit(f"soul rehearse ended with {process.returncode}")
        return facts

    def sleep(self) -> dict[str, Any]:
        """Sleep to the end of the night, and return its report."""
        report = self._run("sleep", "--wait")
        why = f" ({report['why']})" if report["why"] else ""
        tell(f"  slept, {report['seconds']:.0f} s: {report['outcome']}{why}")
        return report

    def restart(self) -> int:
        """End the daemon at once and start another; return how many turns still waited."""
        with Client(self.config) as client:
            soul = client.status().soul
        self.end()
        self.start()
        pending = soul.pending if soul else 0
        tell(f"  restarted; turns that still wait to be learned: {pending}")
        return pending

    def examine(self, file: Path, *options: str) -> dict[str, Any]:
        """Sit an exam and return it as ``soul exam --json`` has it."""
        begun_s = time.monotonic()
        found = self._run("exam", str(file), *options)
        shares = [(name, share(found, name)) for name in ("recall", "updated", "invented")]
        scores = "".join(f", {name} {found:.2f}" for name, found in shares if found is not None)
        tell(f"  examined with {file.name}, {time.monotonic() - begun_s:.0f} s{scores}")
        return found

    def forget(self, text: str) -> dict[str, Any]:
        """Forget what was said, wait until the rest is learned again, and return what that was."""
        begun_s = time.monotonic()
        found = self._run("forget", text, "--yes", "--wait")
        again, seconds = found["relearned"], time.monotonic() - begun_s
        tell(f"  forgotten, {seconds:.0f} s, {again} records learned again: {text}")
        return found

    def reincarnate(self, body: str) -> dict[str, Any]:
        """Have the soul reborn on another body, use that from now on, and return the card."""
        card = self._run("reincarnate", NAME, "--body", body)
        learned, seconds = card["learned"], card["seconds"]
        tell(f"  reborn on {body}, {seconds:.0f} s: {learned} of {card['records']} records learned")
        self._run("reincarnate", NAME, "--body", body, "--accept")
        set_value(self.config, "body.name", body)
        return card

    def lessons(self) -> tuple[int, int, float]:
        """Return lessons, steps and seconds of all learning awake, as the log has them."""
        log = locate.log_file(self.config).read_text("utf-8")
        found = [(int(m[1]), float(m[2]) + float(m[3])) for m in _LESSON.finditer(log)]
        return len(found), sum(steps for steps, _ in found), sum(seconds for _, seconds in found)

    def end(self) -> None:
        """End the daemon if there is one; what is unsaved is written."""
        try:
            with Client(self.config) as client:
                client.shutdown()
                connection = client.connection
        except NotRunning:
            return
        if not wait_until_gone(connection, timeout_s=30):
            sys.exit("the daemon does not end")

    def soul_bytes(self) -> int:
        """Return the size of the newest generation; 0: there is none."""
        folder = locate.workspace_dir(self.config) / "souls" / NAME
        newest = max(folder.glob("*.soul"), default=None)
        return newest.stat().st_size if newest else 0

    def _run(self, *args: str) -> dict[str, Any]:
        done = Soul(self.config)(*args, "--json", timeout_s=LONG_S)
        if done.returncode:
            sys.exit(f"soul {' '.join(args)}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextmanager
def fresh_home(body: Path) -> Iterator[Home]:
    """Write the config of a new user: nothing is in the workspace, no cache either.

    ``body``: its file or folder. The daemon is ended, and all of it removed, on the way out.
    """
    with tempfile.TemporaryDirectory(prefix="exam-") as folder:
        config = Path(folder) / "config.yaml"
        chosen = f"models: {body.parent}\nbody: {{name: {name_of(body)}}}"
        config.write_text(f"bit_ttt: 1\nruntime_dir: run\n{chosen}\n", "utf-8")
        home = Home(config)
        try:
            yield home
        finally:
            home.end()


def tell(text: str) -> None:
    """Say how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)
