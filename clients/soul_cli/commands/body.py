"""``soul body …``: which bodies there are, and which one is loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soul_cli import output
from soul_cli.commands.body_converting import convert
from soul_cli.commands.body_training import evaluate, export, train
from soul_cli.options import Command, Group, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.wire import BodyInfo, CatalogEntry, LoadedBody


@click.group(cls=Group)
def body() -> None:
    """List, fetch, load, describe, train, measure, export and convert bodies."""


body.add_command(train)
body.add_command(evaluate)
body.add_command(export)
body.add_command(convert)


@body.command("list", cls=Command)
@click.pass_obj
def list_(settings: Settings) -> None:
    """List the bodies in models/."""
    with settings.connect_or_start() as client:
        listed = client.body_list()
    if settings.is_json:
        output.say_json(listed)
    elif not listed.bodies:
        print(settings.texts("body.none"))
    else:
        loaded = settings.texts("body.loaded")
        output.table(
            (one.name, one.format, output.size(one.size_bytes), loaded if one.loaded else "")
            for one in listed.bodies
        )


@body.command(cls=Command)
@click.pass_obj
def catalog(settings: Settings) -> None:
    """List well-known bodies that can be pulled by name."""
    with settings.connect_or_start() as client:
        listed = client.body_catalog()
    if settings.is_json:
        output.say_json(listed)
        return
    texts = settings.texts
    header = [texts(f"catalog.{column}") for column in ("name", "licence", "download", "memory")]
    output.table(
        (
            (
                ("* " if one.suggested else "  ") + one.name,
                one.licence,
                output.size(one.download_bytes),
                output.size(one.memory_bytes),
                " ".join(one.languages) + (f"  ({one.note})" if one.note else ""),
            )
            for one in listed.bodies
        ),
        ["  " + header[0], *header[1:], texts("catalog.languages")],
    )
    print(texts("catalog.suggested"))


@body.command(cls=Command)
@click.argument("source", default="")
@option("--name", default="", metavar="NAME")
@option("--replace", is_flag=True)
@option("--yes", "-y", is_flag=True)
@click.pass_obj
def pull(settings: Settings, source: str, name: str, replace: bool, yes: bool) -> None:
    """Fetch a body: a name of the catalog, hf:org/name, a folder or a file."""
    with settings.connect_or_start() as client:
        if source:
            source = as_the_daemon_finds_it(client, source)
        else:
            source = _suggest(client, settings, ask=not yes and not settings.is_json)
        with Waiting(settings.texts) as waiting:
            pulled = client.body_pull(source, name, replace=replace, on_update=waiting.update)
    if settings.is_json:
        output.say_json(pulled)
    else:
        size = output.size(pulled.size_bytes)
        print(settings.texts("pull.done", name=pulled.name, size=size, path=pulled.path))


@body.command(cls=Command)
@click.argument("name", default="")
@click.pass_obj
def load(settings: Settings, name: str) -> None:
    """Load a body, the configured one by default; chats are answered by it from now on."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        loaded = client.body_load(name, on_update=waiting.update)
    if settings.is_json:
        output.say_json(loaded)
    else:
        output.table(_loaded_rows(settings, loaded))


@body.command(cls=Command)
@click.pass_obj
def unload(settings: Settings) -> None:
    """Give the memory of the loaded body back."""
    with settings.connect() as client:
        client.body_unload()
    if settings.is_json:
        output.say_json({"unloaded": True})
    else:
        print(settings.texts("body.unloaded"))


@body.command(cls=Command)
@click.argument("name", default="")
@click.pass_obj
def info(settings: Settings, name: str) -> None:
    """Say what a body is and what memory it takes; nothing is loaded."""
    with settings.connect_or_start() as client:
        described = client.body_info(name)
    if settings.is_json:
        output.say_json(described)
    else:
        output.table(_info_rows(settings, described))


def as_the_daemon_finds_it(client: Client, source: str) -> str:
    """Make a path absolute: the daemon has a working directory of its own. A name of the
    catalog is no path, whatever lies in ours.
    """
    path = Path(source).expanduser()
    if not path.exists() or any(one.name == source for one in client.body_catalog().bodies):
        return source
    return str(path.absolute())


def _suggest(client: Client, settings: Settings, *, ask: bool) -> str:
    """Return the name of the body suggested for this machine, once that is agreed to."""
    suggested = next((one for one in client.body_catalog().bodies if one.suggested), None)
    if suggested is None:
        raise click.UsageError(settings.texts("pull.no_suggestion"))
    if not settings.is_json:
        print(_suggestion(settings, suggested), file=sys.stderr)
    if ask and sys.stdin.isatty():
        click.confirm(settings.texts("pull.confirm"), default=True, abort=True, err=True)
    return suggested.name


def _suggestion(settings: Settings, one: CatalogEntry) -> str:
    return settings.texts(
        "pull.suggestion",
        name=one.name,
        licence=one.licence,
        download=output.size(one.download_bytes),
        memory=output.size(one.memory_bytes),
    )


def _loaded_rows(settings: Settings, body: LoadedBody) -> list[tuple[str, str]]:
    texts = settings.texts
    rows = [
        (texts("info.name"), body.name),
        (texts("info.family"), body.family),
        (texts("info.device"), f"{body.device}, {body.dtype}, {body.kernel}"),
        (texts("info.threads"), str(body.threads)),
        (texts("info.context"), texts("info.tokens", count=f"{body.context_tokens:,}")),
        (texts("info.memory"), output.size(body.memory_bytes)),
        (texts("info.load_time"), f"{body.load_s:.1f} s"),
    ]
    return rows + [(texts("info.reason"), reason) for reason in body.reasons]


def _info_rows(settings: Settings, body: BodyInfo) -> list[tuple[str, str]]:
    texts, memory = settings.texts, body.memory
    verdict = texts("info.fits" if memory.fits else "info.too_large")
    return [
        (texts("info.name"), body.name),
        (texts("info.family"), f"{body.family} ({body.format}, {body.quantisation})"),
        (texts("info.parameters"), f"{body.parameters:,}"),
        (texts("info.shape"), f"{body.layers} × {body.hidden}, {body.vocabulary:,}"),
        (texts("info.context"), texts("info.tokens", count=f"{body.context_max:,}")),
        (texts("info.template"), texts("yes" if body.chat_template else "no")),
        (texts("info.licence"), body.licence or "?"),
        (texts("info.size"), output.size(body.size_bytes)),
        (
            texts("info.memory"),
            texts(
                "info.memory_line",
                total=output.size(memory.total_bytes),
                weights=output.size(memory.weights_bytes),
                cache=output.size(memory.cache_bytes),
                scratch=output.size(memory.scratch_bytes),
                budget=output.size(memory.budget_bytes),
                verdict=verdict,
            ),
        ),
        (texts("info.fingerprint"), body.fingerprint),
        (texts("info.path"), body.path),
    ]
