"""What ``soul doctor`` looks at: the installation by the daemon's program, the rest from here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from soul_client import __version__, locate
from soul_client.client import Client
from soul_client.errors import NotRunning, ServiceFailed, SoulError
from soul_client.findings import Finding, Value, ok, problem, warning
from soul_client.wire import Connection, Status

PROGRAM_WITHIN_S = 180.0
ANSWER_WITHIN_S = 5.0


def examine(config: str | None) -> Iterator[Finding]:
    """Look at everything; ``config`` is what was asked for, None for the one that is found."""
    yield from installation(config)
    try:
        path = locate.find_config(config)
    except SoulError:  # the daemon's program has said so
        return
    yield from daemon(path)
    yield from service(path)


def installation(config: str | None) -> Iterator[Finding]:
    """Have the daemon's program look; if it cannot even be run, that is the finding."""
    named = ["--config", config] if config else []
    command = [sys.executable, "-P", "-m", "sould", "doctor", *named]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROGRAM_WITHIN_S,
            check=False,
        )
        found = [msgspec.json.decode(line, type=Finding) for line in done.stdout.splitlines()]
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError) as e:
        yield problem("program", "program.broken", error=str(e))
        return
    yield from found
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        yield problem("program", "program.broken", error=last[0] if last else str(done.returncode))


def daemon(path: Path) -> Iterator[Finding]:
    """Ask the daemon of a config, if one runs."""
    try:
        connection = locate.read_connection(path)
    except NotRunning:
        yield ok("daemon", "daemon.none")
        return
    except SoulError as e:
        yield problem("daemon", "daemon.refused", error=str(e))
        return
    try:
        with Client(connection=connection, name="doctor", timeout_s=ANSWER_WITHIN_S) as client:
            now, ping_s = client.status(), client.ping()
    except SoulError as e:
        yield problem("daemon", "daemon.silent", pid=connection.pid, error=str(e))
        return
    yield _answers(connection, ping_s)
    yield from _troubles(now)


def service(path: Path) -> Iterator[Finding]:
    """Look at the service, if one is installed."""
    from soul_cli.service import installing
    from soul_cli.service.manager import manager_here

    try:
        manager = manager_here()
        found = installing.installed(manager)
        if found is None:
            yield ok("service", "service.absent")
        elif found.config != str(path):
            yield warning("service", "service.other", config=found.config)
        elif not Path(found.program).exists():
            yield problem("service", "service.gone", program=found.program)
        else:
            state = manager.state()
            is_good = state.is_enabled and state.is_running
            if is_good:
                yield ok("service", "service.good")
            else:
                yield warning("service", "service.stopped", note=state.note)
    except ServiceFailed as e:
        yield warning("service", "service.unknown", error=str(e))


def _answers(connection: Connection, ping_s: float) -> Finding:
    values: dict[str, Value] = {"version": connection.version, "pid": connection.pid}
    if connection.version != __version__:
        return warning("daemon", "daemon.other_version", ours=__version__, **values)
    return ok("daemon", "daemon.answers", milliseconds=round(ping_s * 1000, 1), **values)


def _troubles(now: Status) -> Iterator[Finding]:
    """Yield what the daemon itself says is wrong."""
    if not now.diary_writable:
        yield problem("daemon", "daemon.diary", path=now.workspace)
    if now.engine.state == "dead":
        yield problem("daemon", "daemon.engine", error=now.engine.last_error)
    if now.soul is not None and now.soul.problem:
        yield warning("daemon", "daemon.soul", name=now.soul.name, error=now.soul.problem)
