"""``soul lab``: open the Model Lab in a browser."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soul_cli import output
from soul_cli.commands.daemon import END_WITHIN_S, end_daemon
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.lab_door import LabDoor

PLUGIN = "soul_lab"
THERE_WITHIN_S = 30.0
POLL_S = 0.05
TAKEN_UP_S = 2.0
"""A daemon sees a change of its config within this."""
MOST_FAILURES = 2
"""So often its server may end before it is given up: a port may be in use for a moment."""


@click.command(cls=Command)
@option("--print", "only_print", is_flag=True)
@click.pass_obj
def lab(settings: Settings, only_print: bool) -> None:
    """Open the page, or say where it is."""
    from soul_client.lab_door import entrance

    _ensure_enabled(settings)
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        waiting.show(settings.texts("lab.starting"))
        door = _await_door(settings, client)
    address = entrance(door, now_s=time.time())
    if settings.is_json:
        output.say_json({"url": address})
    elif only_print:
        print(address)
    elif _open(address):
        print(settings.texts("lab.opened", url=door.url))
    else:
        print(settings.texts("lab.no_browser"), address, sep="\n")


def _open(address: str) -> bool:
    import webbrowser

    return webbrowser.open(address)


def _ensure_enabled(settings: Settings) -> None:
    """See to it that the daemon runs the plugin, or will when it starts; ask before a change.

    Raises:
        UsageError: it does not, and nobody can be asked.
    """
    from soul_cli.config_edit import enabled_in, set_enabled
    from soul_client.locate import read_values

    if PLUGIN not in enabled_in(read_values(settings.config_path)):
        _confirm(settings, "lab.enable")
        set_enabled(settings.config_path, PLUGIN, enabled=True)
    until_s = time.monotonic() + TAKEN_UP_S
    while (without := _runs_without(settings)) and time.monotonic() < until_s:
        time.sleep(POLL_S)
    if without:  # it runs without any plugins
        _confirm(settings, "lab.restart")
        end_daemon(settings, END_WITHIN_S)


def _confirm(settings: Settings, question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(settings.texts("usage.lab"))
    click.confirm(settings.texts(question), default=True, abort=True, err=True)


def _runs_without(settings: Settings) -> bool:
    """Tell whether a daemon runs that was started without the plugin."""
    from soul_client.errors import NotRunning

    try:
        with settings.connect() as client:
            return not any(p.name == PLUGIN and p.enabled for p in client.plugins_list().plugins)
    except NotRunning:
        return False


def _await_door(settings: Settings, client: Client) -> LabDoor:
    """Wait until the server of the page listens.

    Raises:
        LaunchFailed: it does not; with what it said last.
    """
    from soul_client.errors import LaunchFailed
    from soul_client.lab_door import read_door

    until_s = time.monotonic() + THERE_WITHIN_S
    workspace = Path(client.connection.workspace)
    while time.monotonic() < until_s:
        if problem := _problem(client):
            raise LaunchFailed(settings.texts("lab.failed", problem=output.for_terminal(problem)))
        pids = {one.pid for one in client.status().frontends if one.plugin == PLUGIN}
        door = read_door(workspace)
        if door is not None and door.pid in pids:
            return door
        time.sleep(POLL_S)
    raise LaunchFailed(settings.texts("lab.not_there", seconds=f"{THERE_WITHIN_S:g}"))


def _problem(client: Client) -> str:
    """Return why the plugin, or its server, does not work; "": no reason is known."""
    for plugin in client.plugins_list().plugins:
        if plugin.name == PLUGIN and plugin.state in ("failed", "disabled"):
            return plugin.problem
    for frontend in client.status().frontends:
        if frontend.plugin == PLUGIN and frontend.state != "running":
            return frontend.problem if frontend.restarts >= MOST_FAILURES else ""
    return ""
