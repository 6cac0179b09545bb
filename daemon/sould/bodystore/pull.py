"""Fetch a body into ``models/``: checked before it is placed, resumed after an interruption.

As a program (``sould pull``) it writes JSON lines for the daemon that started it, or a
progress bar on a terminal. Heavy imports happen where they are needed: ``--if-missing`` runs
before every ``make chat``.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import BodyEntry, BodyPulled, Progress
from sould.bodystore import catalog, receipts, show
from sould.bodystore.progress import OnProgress
from sould.bodystore.scan import is_name, resolve
from sould.config import load
from sould.errors import BodyInvalid, BodyMissing, PullFailed, SouldError

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from sould.bodystore.sources import Fetcher
    from sould.bodystore.staging import FreeBytes, Stage


def pull(
    source: str,
    models_dir: Path,
    *,
    name: str = "",
    replace: bool = False,
    on_progress: OnProgress,
    free: FreeBytes | None = None,
) -> BodyPulled:
    """Fetch ``source`` (see ``sources``) and place it in ``models_dir`` as ``name``.

    A body that is there already is not fetched again; another one of that name stays unless
    ``replace``. An interrupted pull is gone on with by the next one of the same source.

    Raises:
        PullFailed: not found, not allowed, no network, no space, or the name is taken.
        BodyInvalid: what was fetched is no body this system can read.
    """
    from sould.bodystore.sources import parse
    from sould.bodystore.staging import free_bytes, open_stage

    fetcher = parse(source)
    name = name or fetcher.name
    if not is_name(name):
        raise PullFailed(f"{name!r} cannot name a body", "choose another with --name")
    waiting = Progress(stage="queued", note=f"for another pull of {name}")
    with open_stage(models_dir, name, free or free_bytes, lambda: on_progress(waiting)) as stage:
        stage.recover(is_placed=_find(models_dir, name) is not None)
        found = _find(models_dir, name)
        if found and not replace:
            return _keep(fetcher, models_dir, name, found)
        return _fetch_and_place(fetcher, stage, found, on_progress)


def ensure(name: str, models_dir: Path, on_progress: OnProgress) -> BodyPulled:
    """Make sure that the body ``name`` is there and good; quick where that is known.

    Raises:
        BodyMissing: it is not there, and the catalog does not know it.
        PullFailed, BodyInvalid: as ``pull``.
    """
    try:
        entry = resolve(models_dir, name)
    except BodyMissing:
        if catalog.find(name) is None:
            raise
        return pull(name, models_dir, on_progress=on_progress)
    if receipts.read(models_dir, entry.name, Path(entry.path)) is None:
        _check_unknown(entry, models_dir, on_progress)
    return BodyPulled(name=entry.name, path=entry.path, size_bytes=entry.size_bytes)


def main(argv: Sequence[str]) -> int:
    """Run ``sould pull``; returns the exit code: 0, 1 on an error, 128 + n on signal n."""
    args = _parse_args(argv)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _cancel)
    for_programs = not args.if_missing and not sys.stdout.isatty()
    shown = (
        nullcontext(lambda progress: show.write_json("progress", progress))
        if for_programs
        else show.progress_bar(sys.stderr)
    )
    try:
        with shown as on_progress:
            done = _run(args, on_progress)
    except BrokenPipeError:  # the daemon that asked is gone; what was fetched is kept
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Cancelled as e:
        show.end_with_error(show.cancelled(), for_programs)
        return 128 + e.signal
    except (SouldError, SoulError) as e:
        show.end_with_error(show.as_error(e), for_programs)
        return 1
    if for_programs:
        show.write_json("done", done)
    elif not args.if_missing:
        print(f"{done.name}  {done.size_bytes / 1e6:.0f} MB  {done.path}")
    return 0


class Cancelled(BaseException):
    """A signal asked us to stop. Not an ``Exception``: no retry loop may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.signal = number


def _cancel(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGTERM, signal.SIGINT):  # cleaning up is not interrupted
        signal.signal(other, signal.SIG_IGN)
    raise Cancelled(number)


def _run(args: argparse.Namespace, on_progress: OnProgress) -> BodyPulled:
    config = load(find_config(args.config))
    models_dir = Path(args.models).absolute() if args.models else config.models
    if args.if_missing:
        return ensure(args.source or config.body.name, models_dir, on_progress)
    source = args.source or _suggested(config.language)
    return pull(source, models_dir, name=args.name, replace=args.replace, on_progress=on_progress)


def _suggested(configured_language: str) -> str:
    from sould.bodystore import machine

    language = machine.language() if configured_language == "auto" else configured_language
    return catalog.suggest(machine.memory_bytes(), machine.vram_bytes(), language).name


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("sould pull", description="Fetch a body into models/.")
    parser.add_argument("source", nargs="?", default="", help="as 'soul body pull' takes it")
    parser.add_argument("--config", help="config.yaml to use")
    parser.add_argument("--models", help="folder to place it in, instead of the config's")
    parser.add_argument("--name", default="", help="name of the body in models/")
    parser.add_argument("--replace", action="store_true", help="replace a body of that name")
    parser.add_argument(
        "--if-missing",
        action="store_true",
        help="fetch only what is not there; without SOURCE the configured body",
    )
    return parser.parse_args(argv)


def _find(models_dir: Path, name: str) -> Path | None:
    """Return what stands where the body ``name`` would, be it good or not."""
    try:
        return Path(resolve(models_dir, name).path)
    except BodyMissing:
        place = models_dir / name
        taken = (place, place.with_name(f"{place.name}.gguf"))
        return next((path for path in taken if os.path.lexists(path)), None)


def _keep(fetcher: Fetcher, models_dir: Path, name: str, found: Path) -> BodyPulled:
    receipt = receipts.read(models_dir, name, found)
    if not fetcher.is_already(found, receipt.source if receipt else ""):
        raise PullFailed(
            f"{found} is there already, and it is not what {fetcher.label} holds",
            "give another name with --name, or let 'soul body pull --replace' replace it",
        )
    if receipt is None:
        receipts.write(models_dir, name, found, source=fetcher.label, licence=fetcher.licence)
    return _pulled(name, found)


def _fetch_and_place(
    fetcher: Fetcher, stage: Stage, replaced: Path | None, on_progress: OnProgress
) -> BodyPulled:
    from sould.engine.bodyfile import open_body

    body = fetcher.fetch(stage, on_progress)
    on_progress(Progress(stage="checking", note=stage.name))
    try:
        open_body(body)
    except BodyInvalid as e:
        stage.discard()
        raise BodyInvalid(e.message.replace(str(body), fetcher.label), e.hint) from e
    on_progress(Progress(stage="placing", note=stage.name))
    place = stage.models_dir / stage.name
    target = place if body.is_dir() else place.with_name(place.name + body.suffix)
    receipts.write(
        stage.models_dir, stage.name, body, source=fetcher.label, licence=fetcher.licence
    )
    stage.place(body, target, replaced)
    return _pulled(stage.name, target)


def _check_unknown(entry: BodyEntry, models_dir: Path, on_progress: OnProgress) -> None:
    """Check a body that somebody put there by hand, and note that it is good."""
    from sould.bodystore.sources import parse
    from sould.engine.bodyfile import open_body

    on_progress(Progress(stage="checking", note=entry.name))
    path = Path(entry.path)
    open_body(path)
    source = licence = ""
    if catalog.find(entry.name):
        fetcher = parse(entry.name)
        if fetcher.is_already(path, ""):
            source, licence = fetcher.label, fetcher.licence
    try:
        receipts.write(models_dir, entry.name, path, source=source, licence=licence)
    except OSError as e:  # a shared folder that is not ours to write: it is checked each time
        log.warning("receipt not kept models=%s reason=%s", models_dir, e.strerror)


def _pulled(name: str, path: Path) -> BodyPulled:
    files = path.rglob("*") if path.is_dir() else [path]
    size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return BodyPulled(name=name, path=str(path), size_bytes=size_bytes)
