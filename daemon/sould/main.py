"""The ``sould`` command: run the daemon in the foreground, or one of its helpers.

Exit codes: 0 done; 1 it failed, stderr says why; 2 wrong arguments; 75 another daemon has
this workspace; 78 config.yaml is missing or wrong.
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sould.config import Config

EXIT_FAILED = 1
EXIT_ALREADY_RUNNING = 75
EXIT_CONFIG = 78


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``sould``; the imports of a subcommand are paid for by it alone."""
    argv = sys.argv[1:] if argv is None else argv
    match list(argv[:1]):
        case ["inspect"]:
            from sould.bodystore import inspect

            return inspect.main(argv[1:])
        case ["pull"]:
            from sould.bodystore import pull

            return pull.main(argv[1:])
        case ["verify"]:
            from sould import verify

            return verify.main(argv[1:])
        case ["read-chats"]:
            from sould.chats import main as chats

            return chats.main(argv[1:])
        case ["doctor"]:
            from sould.doctor import main as doctor

            return doctor.main(argv[1:])
        case ["list-plugins" | "check-plugin"]:
            from sould import plugin_tools

            return plugin_tools.main(argv)
        case ["run-frontend"]:
            from sould import run_frontend

            return run_frontend.main(argv[1:])
        case ["plugin-host"]:
            from sould.pluginhost import main as host

            host.main(argv[1:])
        case ["train"]:
            from sould.training import main as training

            return training.main(argv[1:])
        case ["convert-soul"]:
            from sould import convert_soul

            return convert_soul.main(argv[1:])
        case ["evaluate-body"]:
            from sould.training import examine

            return examine.main(argv[1:])
        case ["export-body"]:
            from sould.bodystore import export

            return export.main(argv[1:])
        case ["convert-body"]:
            from sould.converting import main as converting

            return converting.main(argv[1:])
        case ["read-documents"]:
            from sould.documents import main as documents

            return documents.main(argv[1:])
    return _run(_parse(argv))


def _run(args: argparse.Namespace) -> int:
    from soul_client.errors import SoulError
    from sould.errors import AlreadyRunning, ConfigError, SouldError

    try:
        config = _load(args.config)
        match args.command:
            case "check-config":
                print(f"{config.path} is good")
            case "show-config":
                print(json.dumps(config.shown(), indent=2, ensure_ascii=False))
            case _:
                _run_daemon(config, args)
    except (SouldError, SoulError) as e:
        print(f"sould: {e}", file=sys.stderr)
        if isinstance(e, AlreadyRunning):
            return EXIT_ALREADY_RUNNING
        return EXIT_CONFIG if isinstance(e, (ConfigError, SoulError)) else EXIT_FAILED
    return 0


def _load(named: str | None) -> Config:
    from soul_client.locate import find_config
    from sould import config

    return config.load(Path(find_config(named)))


def _run_daemon(config: Config, args: argparse.Namespace) -> None:
    gc.disable()  # what is imported stays: to look through it again and again takes time
    from sould.config import without_plugins
    from sould.supervisor.run import EngineOptions, run

    options = EngineOptions()
    if args.engine:
        options = EngineOptions(
            command=shlex.split(args.engine),
            cancel_grace_s=args.engine_grace_s,
            quiet_s=args.engine_quiet_s,
        )
    if args.safe_mode:
        config = without_plugins(config)
    run(config, options)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "sould",
        description="The Bit-TTT daemon, in the foreground.",
        epilog=__doc__.split("\n\n")[1],
    )
    parser.add_argument("--config", help="config.yaml to use; else the one 'soul' finds too")
    parser.add_argument(
        "--engine",
        help="command of the engine process, for tests; endpoint and log level are appended",
    )
    parser.add_argument(
        "--engine-grace-s",
        type=float,
        default=10.0,
        help="for tests: how long that engine may take to stop before it is killed",
    )
    parser.add_argument(
        "--engine-quiet-s",
        type=float,
        default=15.0,
        help="for tests: how long nobody may have wanted that engine before a rebirth goes on",
    )
    parser.add_argument("--safe-mode", action="store_true", help="start without any plugin")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, what in {
        "check-config": "say what is wrong with the config",
        "show-config": "print what is in force, as JSON",
        "inspect": "say what a body is, as JSON lines",
        "pull": "fetch a body into models/",
        "train": "train a body from text, as JSON lines",
        "evaluate-body": "measure a body on text, as JSON lines",
        "export-body": "write a body as one file or folder, as JSON lines",
        "convert-body": "make a body's weights ternary, as JSON lines",
        "convert-soul": "make a soul of the original engine ours, or the other way round",
        "verify": "say whether a .soul file is sound, as JSON lines",
        "read-chats": "read a chat log of another program, as JSON lines",
        "doctor": "look at the installation, as JSON lines; nothing is changed",
        "run-frontend": "run a plugin's frontend, for the daemon",
        "list-plugins": "list the plugins there are, as JSON",
        "check-plugin": "import a plugin and say whether it will do, as JSON",
        "plugin-host": "run plugins, for the daemon",
        "read-documents": "cut documents into statements, as JSON lines",
    }.items():
        commands.add_parser(name, help=what)
    return parser.parse_args(argv)
