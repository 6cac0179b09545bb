"""``soul service install | uninstall | status | logs``: the daemon, started at login."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import click

from soul_cli import output
from soul_cli.commands.daemon import end_daemon
from soul_cli.commands.watch import LINES, show_log
from soul_cli.exits import Exit
from soul_cli.options import Command, Group, option
from soul_cli.service import installing
from soul_cli.service.manager import Manager, State, manager_here
from soul_cli.service.spec import STOP_WITHIN_S, service_of
from soul_cli.settings import Settings


@click.group(cls=Group)
def service() -> None:
    """Have the system start the daemon."""


@service.command(cls=Command)
@option("--print", "--dry-run", "is_printed", is_flag=True)
@click.pass_obj
def install(settings: Settings, is_printed: bool) -> None:
    """Start the daemon now and at each login."""
    manager, wanted = manager_here(), service_of(settings.config_path)
    if is_printed:
        _print_definition(settings, manager, manager.render(wanted))
        return
    manager.require()
    installing.require_ours(installing.installed(manager), wanted)
    installing.write(manager, wanted)
    ended = end_daemon(settings, STOP_WITHIN_S)  # the service's own daemon wants the workspace
    manager.start()
    if settings.is_json:
        output.say_json({"installed": str(manager.definition), "config": str(wanted.config)})
        return
    print(settings.texts("service.written", path=manager.definition))
    if ended is not None:
        print(settings.texts("service.taken_over", pid=ended.pid))
    print(settings.texts("service.started"))
    if sys.platform == "linux":
        print(settings.texts("service.linger"))


@service.command(cls=Command)
@click.pass_obj
def uninstall(settings: Settings) -> None:
    """End the daemon, and start it at login no more."""
    manager, wanted = manager_here(), service_of(settings.config_path)
    found = installing.installed(manager)
    installing.require_ours(found, wanted)
    if found is not None:
        manager.require()
        end_daemon(settings, STOP_WITHIN_S)
        manager.stop()
        installing.remove(manager)
    if settings.is_json:
        output.say_json({"was_installed": found is not None})
    elif found is None:
        print(settings.texts("service.none"))
    else:
        print(settings.texts("service.removed", path=manager.definition))


@service.command(cls=Command)
@click.pass_obj
def status(settings: Settings) -> Exit:
    """Say whether the service is installed and runs."""
    manager = manager_here()
    found = installing.installed(manager)
    if found is None:
        if settings.is_json:
            output.say_json({"installed": False})
        else:
            print(settings.texts("service.none"))
        return Exit.NOT_RUNNING
    state = manager.state()
    if settings.is_json:
        path = str(manager.definition)
        output.say_json({"installed": True, "path": path, **asdict(found), **asdict(state)})
    else:
        output.table(
            [
                (settings.texts("service.definition"), str(manager.definition)),
                (settings.texts("service.at_login"), _yes(settings, state.is_enabled)),
                (settings.texts("service.running"), _running(settings, state)),
                (settings.texts("service.config"), found.config),
            ]
        )
    return Exit.OK if state.is_running else Exit.NOT_RUNNING


@service.command(cls=Command)
@option("--follow", "-f", is_flag=True)
@option("--lines", "-n", type=click.IntRange(0), default=LINES, metavar="N")
@click.pass_obj
def logs(settings: Settings, follow: bool, lines: int) -> Exit:
    """Print what the system noted of the service; where it notes nothing, the daemon's log."""
    command = manager_here().journal(lines, follow=follow)
    if not command:
        return show_log(settings, follow=follow, lines=lines)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as reader:
        assert reader.stdout is not None
        try:
            for line in reader.stdout:
                if settings.is_json:
                    output.say_json({"line": line.rstrip("\n")})
                else:
                    print(output.for_terminal(line), end="", flush=True)
        except BaseException:
            reader.terminate()
            raise
    return Exit.FAILED if reader.returncode else Exit.OK


def _print_definition(settings: Settings, manager: Manager, data: bytes) -> None:
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    if settings.is_json:
        output.say_json({"path": str(manager.definition), "text": text})
        return
    print(settings.texts("service.would_be", path=manager.definition), file=sys.stderr)
    print(text, end="" if text.endswith("\n") else "\n")


def _yes(settings: Settings, is_so: bool) -> str:
    return settings.texts("yes" if is_so else "no")


def _running(settings: Settings, state: State) -> str:
    if not state.is_running:
        return f"{settings.texts('no')}  {state.note}".rstrip()
    if not state.pid:
        return settings.texts("yes")
    return settings.texts("service.process", pid=state.pid, since=state.since).rstrip()
