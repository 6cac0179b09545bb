"""``sould list-plugins`` and ``sould check-plugin NAME``: what can be said without a daemon.

``check-plugin`` imports the plugin, whose code may do anything: it is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.plugin_wire import PluginList
from sould import config
from sould.config import Config
from sould.errors import SouldError
from sould.supervisor.plugins.discovery import installed, resolve
from sould.supervisor.plugins.listing import entries
from sould.supervisor.plugins.standing import Standing

EXIT_CONFIG = 78


class Checked(Struct, frozen=True, kw_only=True):
    """What a check found. ``problem``: why the plugin cannot be used, or ""; ``trace``: where its
    own code raised.
    """

    name: str
    target: str
    hooks: list[str] = []
    problem: str = ""
    trace: str = ""


def main(argv: Sequence[str]) -> int:
    """Print one line of JSON. Returns 0, 1 if the plugin will not do, 78 if the config will not."""
    parser = argparse.ArgumentParser(f"sould {argv[0]}", description=__doc__)
    parser.add_argument("--config", help="config.yaml to use; else the one 'soul' finds too")
    if argv[0] == "check-plugin":
        parser.add_argument("name")
    args = parser.parse_args(argv[1:])
    try:
        settings = config.load(Path(find_config(args.config)))
    except (SouldError, SoulError) as e:
        print(f"sould: {e}", file=sys.stderr)
        return EXIT_CONFIG
    if argv[0] == "list-plugins":
        sys.stdout.buffer.write(msgspec.json.encode(list_plugins(settings)) + b"\n")
        return 0
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what the plugin prints is no answer
        checked = check(settings, args.name)
        answer.write(msgspec.json.encode(checked) + b"\n")
        answer.flush()
        os._exit(1 if checked.problem else 0)  # threads that it left do not keep us


def list_plugins(settings: Config) -> PluginList:
    """Return the plugins there are; those enabled first."""
    standings = {name: Standing(state="off") for name in settings.plugins.enabled}
    return PluginList(plugins=entries(standings, installed()))


def check(settings: Config, name: str) -> Checked:
    """Load a plugin as the plugin host does, and say how that went."""
    from sould.pluginhost.budget import Unfit
    from sould.pluginhost.loading import load, make_manager
    from sould.pluginhost.messages import Wanted

    (found,) = resolve([name], installed())
    if found.problem:
        return Checked(name=name, target=found.target, problem=found.problem)
    given = settings.plugins.settings.get(name, {})
    try:
        plugin = load(Wanted(name=name, target=found.target, settings=given), make_manager())
    except Unfit as e:
        return Checked(name=name, target=found.target, problem=str(e))
    except BaseException as e:
        problem = f"{type(e).__name__}: {e}" if str(e) else type(e).__name__
        return Checked(name=name, target=found.target, problem=problem, trace=_trace(e))
    return Checked(name=name, target=found.target, hooks=sorted(plugin.hooks))


def _trace(error: BaseException) -> str:
    """Return the traceback from the plugin's own code on."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parent)
    own = next((n for n, frame in enumerate(frames) if _is_foreign(frame.filename, ours)), 0)
    return "".join(traceback.format_list(frames[own:]))


def _is_foreign(filename: str, ours: str) -> bool:
    return not filename.startswith((ours, "<frozen")) and "importlib" not in filename
