"""``sould convert-body``: make a body's matrices ternary; JSON lines, as ``sould pull`` has."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from soul_client.locate import find_config
from soul_client.wire import BodyConverted, BodyEntry, ConvertedRow, Progress
from sould.bodystore import receipts
from sould.bodystore.orders import load_order
from sould.bodystore.scan import require_free, resolve
from sould.bodystore.work import Stop, run
from sould.config import Config, load
from sould.errors import BadRequest, NoMemory

if TYPE_CHECKING:
    from sould.converting.convert import Original
    from sould.converting.text import Windows
    from sould.engine.bodyfile import BodyFile
    from sould.engine.decoder import Decoder
    from sould.engine.spec import BodySpec
    from sould.engine.weights import BodyWeights


def main(argv: Sequence[str]) -> int:
    """Run ``sould convert-body``; returns the exit code: 0, or 1 on an error or when stopped."""
    args = _parse_args(argv)
    return run(
        lambda stop: _convert(args, load(find_config(args.config)), stop),
        stopped="the conversion was stopped; bodies it had not finished are not there",
    )


def _convert(args: argparse.Namespace, config: Config, stop: Stop) -> BodyConverted:
    """Convert a body as often as there are numbers of bases.

    Raises:
        BadRequest: it cannot be converted, a name is taken, or there is too little text.
        BodyMissing, BodyInvalid, NoMemory, DeviceUnavailable: as loading it does.
        Cancelled, StorageError: nothing is left of the one it was at.
    """
    entry = resolve(config.models, args.name or config.body.name)
    numbers = sorted(set(args.bases))
    if args.target and len(numbers) > 1:
        raise BadRequest(f"one name, {args.target!r}, for {len(numbers)} bodies", "name none")

    from sould.engine.bodyfile import open_body

    file = open_body(Path(entry.path))
    _require_convertible(file)
    names = {n: args.target or f"{entry.name}-b{n}" for n in numbers}
    if not args.dry_run:
        for name in names.values():
            require_free(config.models, name)
    teacher, windows = _loaded(args, config, entry, stop)
    _require_memory(teacher.spec, numbers[-1], windows, args.distill)
    original = _original(teacher, windows)
    measure = partial(_row, file=file, windows=windows, stop=stop)
    rows = [measure(teacher, name=entry.name)]
    for n, name in names.items():
        made = _converted(original, teacher, n, stop)
        rows.append(measure(made, name=name, n=n))
        if args.distill:
            made = _taught(teacher, made, windows, args.distill, stop)
            rows.append(measure(made, name=name, n=n, steps=args.distill))
        if not args.dry_run:
            place = _placed(config, entry, file, made, rows[-1], stop)
            rows[-1] = msgspec.structs.replace(rows[-1], path=str(place))
    return BodyConverted(
        rows=rows,
        read_tokens=sum(map(len, windows.read)),
        measured_tokens=sum(len(ids) - 1 for ids in windows.held_out),
    )


def _loaded(
    args: argparse.Namespace, config: Config, entry: BodyEntry, stop: Stop
) -> tuple[Decoder, Windows]:
    """Return the original, loaded on the CPU beside whatever is in use, and text for it."""
    from sould.converting.text import windows_of
    from sould.engine import loading
    from sould.engine.decoder import Decoder

    order = load_order(config, entry)
    order = msgspec.structs.replace(order, device="cpu", dtype="auto", parallel=1)
    body = loading.load(order, should_stop=lambda: stop.is_asked, tell=stop.tell)
    assert isinstance(body.decoder, Decoder)
    texts = Path(args.texts) if args.texts else None
    windows = windows_of(texts, body.tokenizer.encode, stop.check, taught=args.distill)
    return body.decoder, windows


def _require_memory(spec: BodySpec, n: int, windows: Windows, steps: int) -> None:
    """Refuse what would not fit beside the original.

    Raises:
        NoMemory: with both figures.
    """
    import psutil

    from sould.converting import sizes

    read, free = sum(map(len, windows.read)), psutil.virtual_memory().available
    needed = sizes.needed_bytes(spec, n, read=read, is_taught=steps > 0)
    if needed > free:
        raise NoMemory(
            f"converting takes some {needed / 1e6:,.0f} MB beside the body, "
            f"{free / 1e6:,.0f} MB are free",
            "unload the body in use: 'soul body unload', or take fewer bases",
        )


def _placed(
    config: Config,
    entry: BodyEntry,
    file: BodyFile,
    made: Decoder,
    row: ConvertedRow,
    stop: Stop,
) -> Path:
    """Write a body, and return where it is."""
    from sould.converting import placing

    stop.tell(Progress(stage="placing", note=row.name))
    stop.check()
    place = require_free(config.models, row.name)
    receipt = receipts.read(config.models, entry.name, file.path)
    licence = file.licence or (receipt.licence if receipt else "")
    card = placing.Card(licence=licence, text=_note(entry.name, row))
    placing.place_body(place, file, weights_of(made), row.bases, card)
    return place


def _require_convertible(file: BodyFile) -> None:
    """Refuse what is ternary already.

    Raises:
        BadRequest: it is.
    """
    spec = file.spec
    if spec.ttt is not None or spec.ternary is not None or spec.bases:
        raise BadRequest(
            f"{file.path} is a body of ternary weights already", "convert one of full precision"
        )


def weights_of(decoder: Decoder) -> BodyWeights:
    """Return the weights that a decoder computes with."""
    from sould.engine.weights import BodyWeights

    return BodyWeights(
        embed=decoder.embed,
        layers=tuple(decoder.layers),
        final_norm=decoder.final_norm,
        head=decoder.embed if decoder.spec.tied else decoder.head,
    )


def _original(decoder: Decoder, windows: Windows) -> Original:
    from sould.converting.convert import Original

    return Original(
        spec=decoder.spec,
        weights=weights_of(decoder),
        kernel=decoder.kernel,
        windows=windows.read,
    )


def _converted(original: Original, decoder: Decoder, n: int, stop: Stop) -> Decoder:
    from sould.converting.convert import convert

    def on_matrix(done: int, total: int) -> None:
        stop.tell(Progress(stage="converting", done=done, total=total, note=f"N = {n}"))

    spec, weights = convert(original, n, on_matrix=on_matrix, check=stop.check)
    return type(decoder)(spec, weights, kernel=decoder.kernel)


def _taught(teacher: Decoder, made: Decoder, windows: Windows, steps: int, stop: Stop) -> Decoder:
    from sould.converting.distill import distill

    def on_step(done: int, total: int, loss: float) -> None:
        note = f"N = {made.spec.bases}, {loss:.3f}"
        stop.tell(Progress(stage="distilling", done=done, total=total, note=note))

    weights = distill(
        teacher,
        made.spec,
        weights_of(made),
        windows.taught,
        steps,
        on_step=on_step,
        check=stop.check,
    )
    return type(teacher)(made.spec, weights, kernel=teacher.kernel)


def _row(
    decoder: Decoder,
    *,
    name: str,
    file: BodyFile,
    windows: Windows,
    stop: Stop,
    n: int = 0,
    steps: int = 0,
) -> ConvertedRow:
    """Return the line of the table for a body; ``n`` 0: the original."""
    from sould.converting import sizes
    from sould.converting.convert import perplexity

    def on_window(done: int, total: int) -> None:
        note = f"N = {n}" if n else name
        stop.tell(Progress(stage="evaluating", done=done, total=total, note=note))

    value = perplexity(decoder, windows.held_out, on_window=on_window, check=stop.check)
    size = sizes.of_converted(weights_of(decoder), n) if n else sizes.of_file(file)
    return ConvertedRow(
        name=name,
        path="" if n else str(file.path),
        bases=n,
        steps=steps,
        bits_per_weight=size.bits_per_weight,
        size_bytes=size.file_bytes,
        memory_bytes=size.held_bytes,
        perplexity=value,
    )


def _note(original: str, row: ConvertedRow) -> str:
    taught = f", then taught by it in {row.steps} steps" if row.steps else ""
    return (
        f"Made from {original} by Bit-TTT: every matrix of its layers is a sum of {row.bases} "
        f"ternary ones with f16 scales, {row.bits_per_weight:.2f} bits a weight "
        f"(`quant_method: bit_ttt`){taught}."
    )


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("sould convert-body", description="Make a body ternary.")
    parser.add_argument("name", help="its name in models/")
    parser.add_argument("--bases", type=int, choices=range(1, 5), action="append", required=True)
    parser.add_argument("--as", dest="target", default="", help="what to call the new body")
    parser.add_argument("--texts", default="", help="a text file, or a folder of them, to read")
    parser.add_argument("--distill", type=int, default=0, help="steps to be taught afterwards")
    parser.add_argument("--dry-run", action="store_true", help="measure, and write nothing")
    parser.add_argument("--config", help="config.yaml to use")
    return parser.parse_args(argv)
