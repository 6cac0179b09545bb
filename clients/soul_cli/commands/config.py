"""``soul config check | show``: what the settings say. The daemon's own reader answers."""

from __future__ import annotations

import json
import subprocess
import sys

import click

from soul_cli import output
from soul_cli.options import Command, Group
from soul_cli.settings import Settings
from soul_client.errors import ConfigInvalid


@click.group(cls=Group)
def config() -> None:
    """Look at the settings."""


@config.command(cls=Command)
@click.pass_obj
def check(settings: Settings) -> None:
    """Say whether the config is good, and if not, what is wrong."""
    _ask_daemon_program(settings, "check-config")
    if settings.is_json:
        output.say_json({"ok": True, "path": str(settings.config_path)})
    else:
        print(settings.texts("config.good", path=settings.config_path))


@config.command(cls=Command)
@click.pass_obj
def show(settings: Settings) -> None:
    """Print what is in force, defaults included."""
    values = json.loads(_ask_daemon_program(settings, "show-config"))
    if settings.is_json:
        output.say_json({"path": str(settings.config_path), "values": values})
        return
    import yaml

    print(f"# {settings.config_path}")
    print(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), end="")


def _ask_daemon_program(settings: Settings, command: str) -> str:
    """Run a subcommand of ``sould`` and return what it prints.

    Raises:
        ConfigInvalid: what it says is wrong.
    """
    child = subprocess.run(
        [sys.executable, "-P", "-m", "sould", "--config", str(settings.config_path), command],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if child.returncode != 0:
        raise ConfigInvalid(child.stderr.strip().removeprefix("sould: "))
    return child.stdout
