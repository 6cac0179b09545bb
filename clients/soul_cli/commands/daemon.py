"""``soul up | down | restart | status | stop``: the daemon itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from soul_cli import job_lines, output, soul_lines, watched_lines
from soul_cli.exits import Exit
from soul_cli.options import Command, option
from soul_cli.settings import Settings

if TYPE_CHECKING:
    from soul_client.wire import Connection, FrontendStatus, Status

END_WITHIN_S = 20.0


@click.command(cls=Command)
@option("--safe-mode", is_flag=True)
@click.pass_obj
def up(settings: Settings, safe_mode: bool) -> None:
    """Start the daemon if it does not run."""
    settings.safe_mode |= safe_mode
    _show_up(settings)


@click.command(cls=Command)
@option("--timeout", type=click.FloatRange(0), default=END_WITHIN_S, metavar="SECONDS")
@click.pass_obj
def down(settings: Settings, timeout: float) -> None:
    """End the daemon; what it was saying is kept."""
    ended = end_daemon(settings, timeout)
    if settings.is_json:
        output.say_json({"running": False, "was_running": ended is not None})
    elif ended is None:
        print(settings.texts("down.was_not_running"))
    else:
        print(settings.texts("down.ended", pid=ended.pid))


@click.command(cls=Command)
@option("--timeout", type=click.FloatRange(0), default=END_WITHIN_S, metavar="SECONDS")
@option("--safe-mode", is_flag=True)
@click.pass_obj
def restart(settings: Settings, timeout: float, safe_mode: bool) -> None:
    """End the daemon if it runs, and start it."""
    settings.safe_mode |= safe_mode
    end_daemon(settings, timeout)
    _show_up(settings)


@click.command(cls=Command)
@click.pass_obj
def status(settings: Settings) -> Exit:
    """Say what the daemon does."""
    from soul_client.errors import NotRunning

    try:
        with settings.connect() as client:
            now = client.status()
    except NotRunning:
        if not settings.is_json:
            raise
        output.say_json({"running": False})
        return Exit.NOT_RUNNING
    if settings.is_json:
        import msgspec

        output.say_json({"running": True, **msgspec.to_builtins(now)})
    else:
        output.table(status_rows(settings, now))
    return Exit.OK


@click.command(cls=Command)
@click.argument("request_id", metavar="[ID]", default="")
@click.pass_obj
def stop(settings: Settings, request_id: str) -> Exit:
    """Stop what the daemon is doing, for whichever client; the beginning of an id will do."""
    with settings.connect() as client:
        target = request_id
        if request_id:
            running = [one.id for one in client.status().requests]
            matches = [one for one in running if one.startswith(request_id)]
            target = matches[0] if len(matches) == 1 else request_id
        stopped = client.cancel(target)
    if settings.is_json:
        output.say_json({"stopped": stopped})
    elif stopped:
        print(settings.texts("stop.stopped", ids=", ".join(stopped)))
    else:
        print(settings.texts("stop.unknown" if request_id else "stop.nothing", id=request_id))
    return Exit.FAILED if request_id and not stopped else Exit.OK


def status_rows(settings: Settings, now: Status) -> list[tuple[str, str]]:
    """Return a status as lines of name and value."""
    texts = settings.texts
    rows = [
        (texts("status.state"), texts.get(f"state.{now.state}") or now.state),
        (texts("status.daemon"), _daemon_line(settings, now)),
        (texts("status.engine"), _engine_line(settings, now)),
        (texts("status.body"), now.body_configured),
    ]
    if now.body is not None:
        rows[-1] = texts("status.body"), texts("status.body_loaded", **_fields(now.body))
    if now.soul is not None:
        rows += soul_lines.status_rows(texts, now.soul, doing=now.state)
    if now.watched is not None:
        rows += watched_lines.status_rows(texts, now.watched)
    rows.append((texts("status.memory"), texts("memory.on" if now.memory else "memory.off")))
    if not now.diary_writable:
        rows.append((texts("status.diary"), texts("status.diary_unwritable")))
    rows += [
        (texts("status.request"), f"{one.id}  {one.method}  {_place(settings, one.position)}")
        for one in now.requests
    ]
    rows += job_lines.status_rows(texts, now.jobs)
    rows += [(texts("status.frontend"), _frontend_line(settings, one)) for one in now.frontends]
    return [*rows, (texts("status.workspace"), now.workspace), (texts("status.config"), now.config)]


def _daemon_line(settings: Settings, now: Status) -> str:
    return settings.texts(
        "status.daemon_line",
        version=now.version,
        pid=now.pid,
        uptime=output.duration(now.uptime_s),
        memory=output.size(now.memory_bytes),
    )


def _engine_line(settings: Settings, now: Status) -> str:
    texts, engine = settings.texts, now.engine
    line = texts.get(f"state.{engine.state}") or engine.state
    if engine.pid:
        memory = output.size(engine.memory_bytes)
        line = texts("status.engine_line", state=line, pid=engine.pid, memory=memory)
    if engine.last_error:
        line += "; " + texts("status.engine_error", error=engine.last_error)
    return line


def _frontend_line(settings: Settings, one: FrontendStatus) -> str:
    line = settings.texts(
        f"frontend.{one.state}", plugin=one.plugin, name=one.name, pid=one.pid, count=one.restarts
    )
    return f"{line}: {one.problem}" if one.problem and one.state != "running" else line


def _place(settings: Settings, position: int) -> str:
    if position == 0:
        return settings.texts("status.running")
    return settings.texts("stage.queued", position=position)


def _fields(body: object) -> dict[str, object]:
    import msgspec

    fields: dict[str, object] = msgspec.to_builtins(body)
    return {**fields, "memory": output.size(int(str(fields["memory_bytes"])))}


def _show_up(settings: Settings) -> None:
    with settings.connect_or_start() as client:
        connection = client.connection
    if settings.is_json:
        output.say_json({"running": True, "pid": connection.pid, "version": connection.version})
    else:
        print(settings.texts("up.running", pid=connection.pid, version=connection.version))


def end_daemon(settings: Settings, timeout_s: float) -> Connection | None:
    """End the daemon and return what it was; None if none ran.

    Raises:
        TimedOut: it is still there after ``timeout_s``.
    """
    from soul_cli.waiting import Waiting
    from soul_client.errors import NotRunning, TimedOut
    from soul_client.launch import wait_until_gone

    try:
        with settings.connect() as client:
            connection = client.connection
            client.shutdown()
    except NotRunning:
        return None
    with Waiting(settings.texts) as waiting:
        waiting.show(settings.texts("stage.ending"))
        if not wait_until_gone(connection, timeout_s=timeout_s):
            raise TimedOut(settings.texts("down.still_there", pid=connection.pid))
    return connection
