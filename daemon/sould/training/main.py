"""``sould train``: train a body from text; JSON lines for the daemon, as ``sould pull`` has."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from soul_client.locate import find_config
from soul_client.wire import BodyTrained, Progress
from sould.bodystore.scan import is_name
from sould.bodystore.work import Stop, run
from sould.config import Config, load
from sould.errors import BadRequest, Busy, NoMemory
from sould.training.presets import PRESETS, Preset

log = logging.getLogger(__name__)

TRAININGS = "training"
SAVING_S = 120.0


def main(argv: Sequence[str]) -> int:
    """Run ``sould train``; returns the exit code: 0, or 1 on an error or when it was stopped."""
    args = _parse_args(argv)

    def work(stop: Stop) -> BodyTrained:
        config = load(find_config(args.config))
        with _alone(config.workspace / TRAININGS, args.name, stop.tell):
            return _train(args, config, stop)

    return run(work, stopped="training was stopped before its first step")


@contextmanager
def _alone(trainings: Path, name: str, tell: Callable[[Progress], None]) -> Iterator[None]:
    """Hold the folder of a training; one that was stopped may still be saving.

    Raises:
        BadRequest: no body can have that name.
        Busy: another process trains it.
    """
    if not is_name(name) or "/" in name:
        raise BadRequest(f"{name!r} cannot name a body", "choose another name")
    folder = trainings / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(Progress(stage="waiting"))
        try:
            lock.acquire(timeout=SAVING_S)
        except Timeout as e:
            raise Busy(f"body {name!r} is being trained by another process") from e
    try:
        yield
    finally:
        lock.release()


def _train(args: argparse.Namespace, config: Config, stop: Stop) -> BodyTrained:
    """Train a body and place it.

    Raises:
        BadRequest: the name is taken, or there is no text that can be learned from.
        DeviceUnavailable: a device was asked for by name that is not there.
        NoMemory: the preset needs more than there is.
        Cancelled, StorageError: as ``Trainer``.
    """
    preset: Preset = PRESETS[args.preset]
    _require_memory(args.preset, preset)

    import torch

    from sould.engine.choices import choose_device
    from sould.training import placing, tokens
    from sould.training.corpus import Corpus
    from sould.training.diarytext import days_of
    from sould.training.trainer import Report, Trainer

    device = choose_device(config.body.device, torch.cuda.device_count())
    log.info("training body %s on %s", args.name, device.reason)
    if config.body.threads != "auto":
        torch.set_num_threads(config.body.threads)
    place = placing.require_free(config.models, args.name)
    folder = config.workspace / TRAININGS / args.name
    days = [*days_of(config.workspace / "memories")] if args.diary else []
    corpus = Corpus(Path(args.texts) if args.texts else None, stop.check, days=days)

    def prepared(stage: str, done: int, total: int) -> None:
        stop.tell(Progress(stage=stage, done=done, total=total))

    data = tokens.prepare(folder, corpus, preset.vocabulary, prepared)
    steps = args.steps or preset.steps
    trainer = Trainer(folder, data, preset, steps=steps, seed=args.seed, device=device.value)

    def tell(report: Report) -> None:
        valid = f"ppl {report.valid.perplexity:.1f}, " if report.valid else ""
        stage = Progress(
            stage="training",
            done=report.step,
            total=report.total,
            note=f"{valid}{report.tokens_per_s:,.0f} tokens/s",
            loss=round(report.loss, 4),
        )
        stop.tell(stage)

    trained = trainer.train(lambda: stop.is_asked, tell)
    stop.tell(Progress(stage="placing", note=args.name))
    recipe = {"preset": args.preset, "texts": corpus.name, "seed": args.seed, **asdict(preset)}
    recipe |= {"train_tokens": data.note.train_tokens, "valid_tokens": data.note.valid_tokens}
    body_config = preset.config(data.tokenizer.get_vocab_size())
    placing.place_body(place, trained, body_config, data, recipe)
    return BodyTrained(
        name=args.name,
        path=str(place),
        parameters=sum(p.numel() for p in trained.model.parameters()),
        steps=trained.step,
        loss=trained.loss,
        perplexity=trained.on.perplexity,
        perplexity_still=trained.off.perplexity,
        bits_per_byte=placing.bits_per_byte(trained.on, data),
        train_tokens=data.note.train_tokens,
        tokens_per_s=trained.tokens_per_s,
    )


def _require_memory(name: str, preset: Preset) -> None:
    import psutil

    free = psutil.virtual_memory().available
    if preset.memory_bytes > free:
        raise NoMemory(
            f"training preset {name} takes some {preset.memory_bytes / 1e6:.0f} MB, "
            f"{free / 1e6:.0f} MB are free",
            "take a smaller preset, or unload the body: 'soul body unload'",
        )


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("sould train", description="Train a body from text.")
    parser.add_argument("name", help="name of the body in models/")
    parser.add_argument("texts", nargs="?", default="", help="a text file, or a folder of them")
    parser.add_argument("--diary", action="store_true", help="what the user said, too")
    parser.add_argument("--config", help="config.yaml to use")
    parser.add_argument("--preset", choices=PRESETS, default="tiny", help="its size")
    parser.add_argument("--steps", type=int, default=0, help="0: those of the preset")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)
