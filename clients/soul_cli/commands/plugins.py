"""``soul plugins list | info | enable | disable | check | new``. None is imported here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, Group, option
from soul_cli.settings import Settings
from soul_client.errors import ConfigInvalid, NotRunning

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.plugin_wire import PluginEntry, PluginList

CHECK_WITHIN_S = 60.0
"""For a plugin to be imported; one that takes longer is ended."""
TAKEN_UP_WITHIN_S = 15.0
"""By the daemon, once config.yaml has changed; a turn that goes on is waited for."""
LOOK_S = 0.1
EXIT_CONFIG = 78  # of sould, where the config is wrong


@click.group(cls=Group)
def plugins() -> None:
    """List, enable, check and begin plugins."""


@plugins.command("list", cls=Command)
@click.pass_obj
def list_(settings: Settings) -> None:
    """List the plugins there are."""
    listed, is_live = _listed(settings)
    if settings.is_json:
        output.say_json(listed)
    elif not listed.plugins:
        print(settings.texts("plugins.none"))
    else:
        enabled = _enabled(settings)
        header = [settings.texts(f"plugins.{name}") for name in ("name", "version", "source")]
        output.table(
            (
                (one.name, one.version, one.source, _state(settings, one, enabled, is_live))
                for one in listed.plugins
            ),
            [*header, settings.texts("plugins.state")],
        )


@plugins.command(cls=Command)
@click.argument("name")
@click.pass_obj
def info(settings: Settings, name: str) -> Exit:
    """Say what a plugin is, and how it stands."""
    from dataclasses import asdict

    from soul_cli.plugin_metadata import read_metadata
    from soul_client.plugin_wire import PluginEntry

    said = read_metadata(name)
    listed, is_live = _listed(settings)
    entry = next((one for one in listed.plugins if one.name == name), None)
    if said is None and entry is None:
        return _unknown(settings, name)
    about = asdict(said) if said else {}
    one = entry or PluginEntry(name=name, source="module")
    if settings.is_json:
        import msgspec

        output.say_json({**msgspec.to_builtins(one), **about})
    else:
        state = _state(settings, one, _enabled(settings), is_live)
        output.table(_info_rows(settings, one, about, state))
    return Exit.OK


@plugins.command(cls=Command)
@click.argument("name")
@click.pass_obj
def enable(settings: Settings, name: str) -> Exit:
    """Let the daemon use a plugin."""
    from soul_cli.plugin_metadata import read_metadata

    if read_metadata(name) is None:
        return _unknown(settings, name)
    return _set(settings, name, enabled=True)


@plugins.command(cls=Command)
@click.argument("name")
@click.pass_obj
def disable(settings: Settings, name: str) -> Exit:
    """Let the daemon use a plugin no more."""
    return _set(settings, name, enabled=False)


@plugins.command(cls=Command)
@click.argument("name")
@click.pass_obj
def check(settings: Settings, name: str) -> Exit:
    """Import a plugin in a process of its own and say whether it will do."""
    found = _check(settings, name)
    if settings.is_json:
        output.say_json(found)
    elif found["problem"]:
        print(settings.texts("plugins.unfit", name=name, problem=found["problem"]))
        print(output.for_terminal(found["trace"]), end="")
    else:
        print(settings.texts("plugins.fit", name=name, hooks=", ".join(found["hooks"])))
    return Exit.FAILED if found["problem"] else Exit.OK


@plugins.command(cls=Command)
@click.argument("name")
@option("--folder", "folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.pass_obj
def new(settings: Settings, name: str, folder: Path | None) -> None:
    """Write the project of a new plugin."""
    from soul_cli.plugin_project import is_name, write_project

    if not is_name(name):
        raise click.UsageError(settings.texts("usage.plugin_name", name=name))
    folder = (folder or Path(name)).absolute()
    try:
        written = write_project(folder, name)
    except FileExistsError as e:
        raise click.UsageError(settings.texts("usage.folder_exists", folder=folder)) from e
    except OSError as e:
        message = settings.texts("usage.folder_unwritable", folder=folder, why=e.strerror)
        raise click.UsageError(message) from e
    if settings.is_json:
        output.say_json({"name": name, "folder": str(folder), "files": list(map(str, written))})
        return
    print(*written, sep="\n")
    print(settings.texts("plugins.begun", folder=folder, name=name))


def _listed(settings: Settings) -> tuple[PluginList, bool]:
    """Return the plugins there are, and whether a daemon says how they stand."""
    from soul_client.plugin_wire import PluginList

    try:
        with settings.connect() as client:
            return client.plugins_list(), True
    except NotRunning:
        import msgspec

        return msgspec.json.decode(
            _daemon_program(settings, "list-plugins"), type=PluginList
        ), False


def _check(settings: Settings, name: str) -> dict[str, Any]:
    """Return what ``sould check-plugin`` found, or how it ended without a word."""
    try:
        found: dict[str, Any] = json.loads(_daemon_program(settings, "check-plugin", name))
    except subprocess.TimeoutExpired:
        problem = settings.texts("plugins.too_slow", seconds=f"{CHECK_WITHIN_S:g}")
        return {"name": name, "hooks": [], "problem": problem, "trace": ""}
    except json.JSONDecodeError:
        problem = settings.texts("plugins.ended")
        return {"name": name, "hooks": [], "problem": problem, "trace": ""}
    return found


def _daemon_program(settings: Settings, *command: str) -> str:
    """Run a helper of ``sould`` and return what it prints.

    Raises:
        ConfigInvalid: the config is wrong.
        subprocess.TimeoutExpired: it took too long, and was ended.
    """
    helper, *names = command
    words = [helper, "--config", str(settings.config_path), *(["--", *names] if names else [])]
    child = subprocess.run(
        [sys.executable, "-P", "-m", "sould", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=CHECK_WITHIN_S,
        check=False,
    )
    if child.returncode == EXIT_CONFIG and not child.stdout:
        raise ConfigInvalid(child.stderr.strip().removeprefix("sould: "))
    return child.stdout


def _enabled(settings: Settings) -> list[str]:
    from soul_cli.config_edit import enabled_in
    from soul_client.locate import read_values

    return enabled_in(read_values(settings.config_path))


def _set(settings: Settings, name: str, *, enabled: bool) -> Exit:
    from soul_cli.config_edit import set_enabled

    has_changed = set_enabled(settings.config_path, name, enabled=enabled)
    if settings.is_json:
        output.say_json({"name": name, "enabled": enabled, "changed": has_changed})
        return Exit.OK
    word = "enabled" if enabled else "disabled"
    print(settings.texts(f"plugins.{word}" if has_changed else f"plugins.was_{word}", name=name))
    if has_changed:
        _say_how_it_stands(settings, name, enabled=enabled)
    return Exit.OK


def _say_how_it_stands(settings: Settings, name: str, *, enabled: bool) -> None:
    """Wait until the daemon has taken note of the change, if one runs."""
    try:
        with settings.connect() as client:
            one = _taken_up(client, name, enabled=enabled)
    except NotRunning:
        return
    if one is None:
        print(settings.texts("plugins.restart"))
        return
    state = _state(settings, one, [name] if enabled else [], is_live=True)
    print(settings.texts("plugins.stands", state=state))


def _taken_up(client: Client, name: str, *, enabled: bool) -> PluginEntry | None:
    """Return how a plugin stands now; None where the daemon does without plugins, or is busy."""
    from soul_client.plugin_wire import PluginEntry

    until_s = time.monotonic() + TAKEN_UP_WITHIN_S
    while time.monotonic() < until_s:
        watched = client.status().watched
        if watched is not None and "plugins.enabled" in watched.restart:
            return None
        found = {one.name: one for one in client.plugins_list().plugins}
        one = found.get(name, PluginEntry(name=name, source="module"))
        if one.enabled is enabled and one.state != "starting":
            return one
        time.sleep(LOOK_S)
    return None


def _unknown(settings: Settings, name: str) -> Exit:
    message = settings.texts("plugins.unknown", name=name)
    hint = settings.texts("plugins.unknown_hint")
    output.error(settings, code="not_found", label="", message=message, hint=hint)
    return Exit.FAILED


def _state(settings: Settings, one: PluginEntry, enabled: list[str], is_live: bool) -> str:
    """Say how a plugin stands, and what changes with the next start."""
    texts = settings.texts
    state = one.state if is_live else "enabled" if one.name in enabled else "off"
    line = texts(f"plugin.{state}", strikes=one.strikes)
    if one.problem:
        line = texts("plugin.problem", state=line, problem=one.problem)
    if is_live and one.enabled != (one.name in enabled):
        line = texts("plugin.on_later" if one.name in enabled else "plugin.off_later", state=line)
    return output.for_terminal(line)


def _info_rows(
    settings: Settings, one: PluginEntry, about: dict[str, Any], state: str
) -> list[tuple[str, str]]:
    values = {
        "name": one.name,
        "version": one.version,
        "source": one.source,
        "summary": about.get("summary", ""),
        "author": about.get("author", ""),
        "licence": about.get("licence", ""),
        "home_page": about.get("home_page", ""),
        "needs": ", ".join(about.get("needs", [])),
        "target": about.get("target", ""),
        "state": state,
        "hooks": ", ".join(one.hooks),
        "jobs": ", ".join(one.jobs),
        "frontends": ", ".join(one.frontends),
    }
    return [
        (settings.texts(f"plugins.{key}"), output.for_terminal(value))
        for key, value in values.items()
        if value
    ]
