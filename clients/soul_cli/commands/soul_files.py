"""``soul export | import | verify``: souls as files."""

from __future__ import annotations

import click

from soul_cli import naming, output, soul_lines
from soul_cli.exits import Exit
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting


@click.command(cls=Command)
@click.argument("words", metavar="[NAME] [FILE]", nargs=-1)
@option("--replace", "replaces_file", is_flag=True)
@option("--original", "is_original", is_flag=True)
@click.pass_obj
def export(
    settings: Settings, words: tuple[str, ...], replaces_file: bool, is_original: bool
) -> None:
    """Copy a soul to a file."""
    if len(words) > 2:
        raise click.UsageError(settings.texts("usage.export"))
    name, file = naming.split_export(list(words))
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        path = naming.export_path(file, name or settings.soul_in_use(client).name)
        done = client.soul_export(
            path, name, replace=replaces_file, original=is_original, on_update=waiting.update
        )
    if settings.is_json:
        output.say_json(done)
    else:
        print(soul_lines.file_line(done))


@click.command("import", cls=Command)
@click.argument("file")
@option("--name", "soul_name", default="", metavar="NAME")
@click.pass_obj
def import_(settings: Settings, file: str, soul_name: str) -> None:
    """Take a file in, without using it."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        done = client.soul_import(naming.absolute(file), soul_name, on_update=waiting.update)
    if settings.is_json:
        output.say_json(done)
    else:
        print(soul_lines.file_line(done))
        print(settings.texts("import.use", command=f"soul use {done.name}"))


@click.command(cls=Command)
@click.argument("file")
@click.pass_obj
def verify(settings: Settings, file: str) -> Exit:
    """Check every bit of a file."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        found = client.soul_verify(naming.absolute(file), on_update=waiting.update)
    if settings.is_json:
        output.say_json(found)
    else:
        print(*soul_lines.verified_lines(settings.texts, found), sep="\n")
    return Exit.FAILED if found.faults else Exit.OK
