"""The command line: which commands there are. Each is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from soul_cli.exits import Exit
from soul_cli.options import Group, option
from soul_cli.settings import Settings

COMMANDS = {
    "chat": "soul_cli.commands.chat",
    "ask": "soul_cli.commands.ask",
    "sessions": "soul_cli.commands.sessions",
    "body": "soul_cli.commands.body",
    "souls": "soul_cli.commands.souls",
    "use": "soul_cli.commands.souls",
    "new": "soul_cli.commands.souls",
    "save": "soul_cli.commands.souls",
    "load": "soul_cli.commands.souls",
    "history": "soul_cli.commands.history",
    "undo": "soul_cli.commands.history",
    "diff": "soul_cli.commands.history",
    "reset": "soul_cli.commands.history",
    "export": "soul_cli.commands.soul_files",
    "import": "soul_cli.commands.soul_files",
    "verify": "soul_cli.commands.soul_files",
    "why": "soul_cli.commands.why",
    "import-chats": "soul_cli.commands.import_chats",
    "feed": "soul_cli.commands.feed",
    "forget": "soul_cli.commands.forget",
    "reincarnate": "soul_cli.commands.reincarnate",
    "sleep": "soul_cli.commands.sleep",
    "wake": "soul_cli.commands.sleep",
    "report": "soul_cli.commands.sleep",
    "exam": "soul_cli.commands.exam",
    "rehearse": "soul_cli.commands.rehearse",
    "up": "soul_cli.commands.daemon",
    "down": "soul_cli.commands.daemon",
    "restart": "soul_cli.commands.daemon",
    "status": "soul_cli.commands.daemon",
    "stop": "soul_cli.commands.daemon",
    "logs": "soul_cli.commands.watch",
    "events": "soul_cli.commands.watch",
    "config": "soul_cli.commands.config",
    "service": "soul_cli.commands.service",
    "doctor": "soul_cli.commands.doctor",
    "plugins": "soul_cli.commands.plugins",
    "lab": "soul_cli.commands.lab",
    "api": "soul_cli.commands.api",
}


class Root(Group):
    """``soul`` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Explain the exit codes."""
        texts = ctx.ensure_object(Settings).texts
        with formatter.section(texts("help.exits")):
            formatter.write_dl([(str(code.value), texts(f"exit.{code.name}")) for code in Exit])


def _say_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    from soul_client import __version__

    if value:
        click.echo(f"soul {__version__}")
        ctx.exit()


@click.group(cls=Root, invoke_without_command=True, context_settings={"max_content_width": 100})
@option("--version", "-V", is_flag=True, expose_value=False, is_eager=True, callback=_say_version)
@option("--safe-mode", is_flag=True)
@click.pass_context
def cli(ctx: click.Context, safe_mode: bool) -> Any:
    """Run ``soul chat`` where no command is named."""
    ctx.ensure_object(Settings).safe_mode = safe_mode
    if ctx.invoked_subcommand is None:
        command = cli.get_command(ctx, "chat")
        assert command is not None
        with command.make_context("chat", [], parent=ctx) as chat:
            return command.invoke(chat)
    return None
