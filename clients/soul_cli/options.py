"""Options that commands share, and help in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from soul_cli.settings import Settings
from soul_cli.texts import LANGUAGES

if TYPE_CHECKING:
    from soul_client.wire import SamplingOverrides

F = TypeVar("F", bound=Callable[..., Any])

SESSION_ID = re.compile(r"[\w.-]{1,64}")


class Option(click.Option):
    """An option whose help is the text ``option.<name>``."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the declaration and the translated help."""
        self.help = ctx.ensure_object(Settings).texts(f"option.{self.name}")
        return super().get_help_record(ctx)


class Command(click.Command):
    """A command whose help is the text ``command.<path>``; ``--json`` and such included."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["add_help_option"] = False  # ours is among the common options
        super().__init__(*args, **kwargs)
        self.params += common_options()
        self.no_args_is_help = False

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the translated help."""
        self.help = help_of(ctx, self)
        super().format_help_text(ctx, formatter)


class Group(Command, click.Group):
    """A group whose commands, and their help, come from ``_lazy`` or were added to it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the first line of their translated help."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            assert command is not None
            rows.append((name, help_of(ctx, command).splitlines()[0]))
        with formatter.section(ctx.ensure_object(Settings).texts("help.commands")):
            formatter.write_dl(rows)


def help_of(ctx: click.Context, command: click.Command) -> str:
    """Return the translated help of the command a context is for, or of a child of it."""
    path = ctx.command_path.split()[1:]
    if ctx.command is not command:
        path.append(command.name or "")
    return ctx.ensure_object(Settings).texts(".".join(["command", *path]))


def common_options() -> list[click.Parameter]:
    """Return the options every command has; they count wherever they stand."""
    return [
        _common(["--config"], "config", metavar="PATH"),
        _common(["--json", "is_json"], "is_json", is_flag=True, default=None),
        _common(["--lang", "language"], "language", type=click.Choice(LANGUAGES), is_eager=True),
        Option(["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help),
    ]


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(ctx.get_help())
        ctx.exit()


def _common(declarations: list[str], field: str, **kwargs: Any) -> Option:
    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Settings), field, value)

    return Option(declarations, expose_value=False, callback=keep, **kwargs)


option = partial(click.option, cls=Option)


def session_option(function: F) -> F:
    """Add ``--session``."""
    return option("--session", metavar="ID", callback=check_session)(function)


def check_session(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Accept a session id, or say what one looks like."""
    if value is not None and not SESSION_ID.fullmatch(value):
        texts = ctx.ensure_object(Settings).texts
        raise click.BadParameter(texts("usage.session", value=value))
    return value


def sampling_options(function: F) -> F:
    """Add everything that says how a reply is sampled; ``sampling_of`` reads it."""
    number = click.FloatRange
    for decorate in reversed(
        [
            option("--temp", "--temperature", type=number(0, 100), metavar="X"),
            option("--greedy", is_flag=True),
            option("--max-tokens", "--len", type=click.IntRange(1, 1_000_000), metavar="N"),
            option("--top-k", type=click.IntRange(0), metavar="N"),
            option("--top-p", type=number(0, 1, min_open=True), metavar="X"),
            option("--min-p", type=number(0, 1), metavar="X"),
            option("--repetition-penalty", type=number(0, 10, min_open=True), metavar="X"),
            option("--seed", type=int, metavar="N"),
            option("--stop", multiple=True, metavar="TEXT"),
        ]
    ):
        function = decorate(function)
    return function


def sampling_of(values: dict[str, Any]) -> SamplingOverrides:
    """Take the values of ``sampling_options`` out of a command's arguments."""
    from soul_client.wire import SamplingOverrides

    temperature, penalty = values.pop("temp"), values.pop("repetition_penalty")
    if values.pop("greedy"):
        temperature, penalty = 0.0, 1.0 if penalty is None else penalty
    names = ("max_tokens", "top_k", "top_p", "min_p", "seed")
    return SamplingOverrides(
        temperature=temperature,
        repetition_penalty=penalty,
        stop=list(values.pop("stop")) or None,
        **{name: values.pop(name) for name in names},
    )
