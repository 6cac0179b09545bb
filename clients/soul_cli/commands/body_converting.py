"""``soul body convert``: a body made ternary, with a table of size against perplexity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from soul_cli import output
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.wire import BodyConverted, ConvertedRow

DEFAULT_BASES = 3


@click.command(cls=Command)
@click.argument("name")
@option("--bases", type=click.IntRange(1, 4), multiple=True, metavar="N")
@option("--as", "convert_as", default="", metavar="NAME")
@option("--text", "convert_text", type=click.Path(exists=True, path_type=Path))
@option("--distill", type=click.IntRange(0, 100_000), default=0, metavar="STEPS")
@option("--dry-run", "measure_only", is_flag=True)
@click.pass_obj
def convert(
    settings: Settings,
    name: str,
    bases: tuple[int, ...],
    convert_as: str,
    convert_text: Path | None,
    distill: int,
    measure_only: bool,
) -> None:
    """Make the weights of a body ternary."""
    numbers = sorted(set(bases)) or [DEFAULT_BASES]
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        converted = client.body_convert(
            name,
            bases=numbers,
            target=convert_as,
            texts=str(convert_text.absolute()) if convert_text else "",
            distill=distill,
            dry_run=measure_only,
            on_update=waiting.update,
        )
    if settings.is_json:
        output.say_json(converted)
        return
    _show(settings, converted)


def _show(settings: Settings, converted: BodyConverted) -> None:
    texts = settings.texts
    heads = ("name", "bases", "steps", "bits", "file", "memory", "perplexity")
    head = tuple(texts(f"convert.{key}") for key in heads)
    output.table([head, *(_cells(settings, row) for row in converted.rows)])
    print(texts("convert.measured", tokens=f"{converted.measured_tokens:,}"))
    for row in converted.rows:
        if row.bases and row.path:
            print(texts("convert.done", name=output.for_terminal(row.name), path=row.path))


def _cells(settings: Settings, row: ConvertedRow) -> tuple[str, ...]:
    return (
        output.for_terminal(row.name),
        str(row.bases) if row.bases else settings.texts("convert.original"),
        str(row.steps) if row.bases else "",
        f"{row.bits_per_weight:.2f}",
        output.size(row.size_bytes),
        output.size(row.memory_bytes),
        f"{row.perplexity:.2f}",
    )
