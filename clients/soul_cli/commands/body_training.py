"""``soul body train``, ``evaluate`` and ``export``: bodies made, measured, taken elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from soul_cli import output
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting

if TYPE_CHECKING:
    from soul_client.exchange import Update
    from soul_client.wire import BodyEvaluated, BodyTrained

PRESETS = ("nano", "tiny", "small", "medium")
Preset = Literal["nano", "tiny", "small", "medium"]
TOLD_EVERY_S = 30.0


@click.command(cls=Command)
@click.argument("name")
@click.argument("texts", type=click.Path(exists=True, path_type=Path), required=False)
@option("--diary", is_flag=True)
@option("--preset", type=click.Choice(PRESETS), default="tiny")
@option("--steps", type=click.IntRange(min=0), default=0, metavar="N")
@option("--seed", "train_seed", type=click.IntRange(min=0), default=0, metavar="N")
@click.pass_obj
def train(
    settings: Settings,
    name: str,
    texts: Path | None,
    diary: bool,
    preset: Preset,
    steps: int,
    train_seed: int,
) -> None:
    """Train a new body on text files."""
    if texts is None and not diary:
        raise click.UsageError(settings.texts("train.nothing"))
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        try:
            trained = client.body_train(
                name,
                str(texts.absolute()) if texts else "",
                preset=preset,
                steps=steps,
                seed=train_seed,
                diary=diary,
                on_update=_Shown(waiting),
            )
        except KeyboardInterrupt:
            waiting.clear()
            waiting.say(settings.texts("train.stopped"))
            raise
    if settings.is_json:
        output.say_json(trained)
    else:
        output.table(_rows(settings, trained))


@click.command(cls=Command)
@click.argument("name")
@click.argument("texts", type=click.Path(exists=True, path_type=Path))
@option("--window", type=click.IntRange(64, 65536), default=512, metavar="N")
@click.pass_obj
def evaluate(settings: Settings, name: str, texts: Path, window: int) -> None:
    """Measure a body on text files."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        place = str(texts.absolute())
        marks = client.body_evaluate(name, place, window=window, on_update=waiting.update)
    if settings.is_json:
        output.say_json(marks)
    else:
        output.table(_marks(settings, marks))


@click.command(cls=Command)
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
@option("--format", "body_format", type=click.Choice(("bitt", "safetensors")), default="bitt")
@click.pass_obj
def export(
    settings: Settings, name: str, target: Path, body_format: Literal["bitt", "safetensors"]
) -> None:
    """Write a native body to a file or folder."""
    with settings.connect_or_start() as client, Waiting(settings.texts) as waiting:
        place = str(target.absolute())
        exported = client.body_export(name, place, format=body_format, on_update=waiting.update)
    if settings.is_json:
        output.say_json(exported)
    else:
        size = output.size(exported.size_bytes)
        print(settings.texts("export.done", path=exported.path, size=size, format=exported.format))


class _Shown:
    """Shows how far it is, and now and then, as a line that stays, what the loss is."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._told_s = time.monotonic()

    def __call__(self, update: Update) -> None:
        from soul_client import wire

        self._waiting.update(update)
        if not isinstance(update, wire.Progress) or update.loss is None:
            return
        now_s = time.monotonic()
        if update.done == update.total or now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            told = f"{update.done}/{update.total}  {update.loss:.3f}  {update.note}"
            self._waiting.say(told)


def _rows(settings: Settings, trained: BodyTrained) -> list[tuple[str, str]]:
    texts = settings.texts
    return [
        (texts("train.name"), trained.name),
        (texts("train.parameters"), f"{trained.parameters:,}"),
        (texts("train.steps"), f"{trained.steps:,}"),
        (texts("train.tokens"), f"{trained.train_tokens:,}"),
        (texts("train.loss"), f"{trained.loss:.3f}"),
        (texts("train.perplexity"), f"{trained.perplexity:.2f}"),
        (texts("train.still"), f"{trained.perplexity_still:.2f}"),
        (texts("train.bits"), f"{trained.bits_per_byte:.3f}"),
        (texts("train.speed"), f"{trained.tokens_per_s:,.0f}"),
        (texts("train.path"), trained.path),
    ]


def _marks(settings: Settings, marks: BodyEvaluated) -> list[tuple[str, str]]:
    texts, still = settings.texts, marks.still
    rows = [
        (texts("train.name"), f"{marks.name} ({marks.family})"),
        (texts("train.tokens"), f"{marks.tokens:,}"),
        (texts("evaluate.perplexity"), f"{marks.perplexity:.2f}"),
        (texts("train.bits"), f"{marks.bits_per_byte:.3f}"),
        (texts("evaluate.positions", window=marks.window), _figures(marks.by_position)),
        (texts("evaluate.first"), f"{marks.first:.1%}"),
        (texts("evaluate.recall"), f"{marks.recall:.1%}"),
    ]
    if still is not None:
        rows += [
            (texts("train.still"), f"{still.perplexity:.2f}"),
            (texts("evaluate.positions", window=marks.window), _figures(still.by_position)),
            (texts("evaluate.recall"), f"{still.recall:.1%}"),
        ]
    return rows


def _figures(values: list[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)
