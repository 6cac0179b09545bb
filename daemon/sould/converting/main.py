"""``sould convert-body``: make a body's matrices ternary; JSON lines, as ``sould pull`` has."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import BodyConverted, ConvertedRow, Progress
from sould.bodystore import receipts, show
from sould.bodystore.orders import load_order
from sould.bodystore.scan import resolve
from sould.config import Config, load
from sould.errors import BadRequest, Cancelled, SouldError

if TYPE_CHECKING:
    from sould.converting.convert import Original
    from sould.converting.text import Windows
    from sould.engine.bodyfile import BodyFile
    from sould.engine.decoder import Decoder
    from sould.engine.spec import BodySpec
    from sould.engine.weights import BodyWeights

NICENESS = 10


def main(argv: Sequence[str]) -> int:
    """Run ``sould convert-body``; returns the exit code: 0, or 1 on an error or when stopped."""
    args = _parse_args(argv)
    stop = Stop()
    if hasattr(os, "nice"):  # who talks to a body meanwhile goes first
        os.nice(NICENESS)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.hear)
    try:
        done = _convert(args, load(find_config(args.config)), stop)
    except (SouldError, SoulError) as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", done)
    return 0


class Stop:
    """Whether a signal asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True

    def check(self) -> None:
        """Stop here.

        Raises:
            Cancelled: a signal asked for it.
        """
        if self.is_asked:
            raise Cancelled("the conversion was stopped; bodies it had not finished are not there")


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

    from sould.converting import placing
    from sould.converting.text import windows_of
    from sould.engine import loading
    from sould.engine.bodyfile import open_body
    from sould.engine.decoder import Decoder

    file = open_body(Path(entry.path))
    _require_convertible(file)
    receipt = receipts.read(config.models, entry.name, file.path)
    licence = file.licence or (receipt.licence if receipt else "")
    places = {n: args.target or f"{entry.name}-b{n}" for n in numbers}
    if not args.dry_run:
        for name in places.values():
            placing.require_free(config.models, name)
    order = msgspec.structs.replace(
        load_order(config, entry), device="cpu", dtype="float32", parallel=1
    )
    body = loading.load(order, should_stop=lambda: stop.is_asked, tell=_tell)
    decoder = body.decoder
    assert isinstance(decoder, Decoder)
    texts = Path(args.texts) if args.texts else None
    windows = windows_of(texts, body.tokenizer.encode, stop.check)
    original = _original(decoder, windows)
    rows = [_row(0, entry.name, file, original.spec, original.weights, windows, decoder, stop)]
    for n, name in places.items():
        spec, weights = _converted(original, n, stop)
        made = Decoder(spec, weights, kernel=decoder.kernel)
        row = _row(n, name, file, spec, weights, windows, made, stop)
        if not args.dry_run:
            _tell(Progress(stage="placing", note=name))
            place = placing.require_free(config.models, name)
            stop.check()
            card = placing.Card(licence=licence, text=_note(entry.name, n, row))
            placing.place_body(place, file, weights, n, card)
            row = msgspec.structs.replace(row, path=str(place))
        rows.append(row)
    return BodyConverted(
        rows=rows,
        read_tokens=sum(map(len, windows.read)),
        measured_tokens=sum(len(ids) - 1 for ids in windows.held_out),
    )


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


def _original(decoder: Decoder, windows: Windows) -> Original:
    from sould.converting.convert import Original
    from sould.engine.weights import BodyWeights

    tied = decoder.spec.tied
    weights = BodyWeights(
        embed=decoder.embed,
        layers=tuple(decoder.layers),
        final_norm=decoder.final_norm,
        head=decoder.embed if tied else decoder.head,
    )
    return Original(spec=decoder.spec, weights=weights, kernel=decoder.kernel, windows=windows.read)


def _converted(original: Original, n: int, stop: Stop) -> tuple[BodySpec, BodyWeights]:
    from sould.converting.convert import convert

    def on_matrix(done: int, total: int) -> None:
        _tell(Progress(stage="converting", done=done, total=total, note=f"N = {n}"))

    return convert(original, n, on_matrix=on_matrix, check=stop.check)


def _row(
    n: int,
    name: str,
    file: BodyFile,
    spec: BodySpec,
    weights: BodyWeights,
    windows: Windows,
    decoder: Decoder,
    stop: Stop,
) -> ConvertedRow:
    """Return the line of the table for a body; ``n`` 0: the original."""
    from sould.converting import sizes
    from sould.converting.convert import perplexity

    def on_window(done: int, total: int) -> None:
        note = f"N = {n}" if n else name
        _tell(Progress(stage="evaluating", done=done, total=total, note=note))

    value = perplexity(decoder, windows.held_out, on_window=on_window, check=stop.check)
    size = sizes.of_file(file) if n == 0 else sizes.of_converted(weights, n)
    return ConvertedRow(
        name=name,
        path=str(file.path) if n == 0 else "",
        bases=n,
        bits_per_weight=size.bits_per_weight,
        size_bytes=size.file_bytes,
        memory_bytes=size.held_bytes,
        perplexity=value,
    )


def _note(original: str, n: int, row: ConvertedRow) -> str:
    return (
        f"Made from {original} by Bit-TTT: every matrix of its layers is a sum of {n} ternary "
        f"ones with f16 scales, {row.bits_per_weight:.2f} bits a weight (`quant_method: bit_ttt`)."
    )


def _tell(progress: Progress) -> None:
    show.write_json("progress", progress)


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("sould convert-body", description="Make a body ternary.")
    parser.add_argument("name", help="its name in models/")
    parser.add_argument("--bases", type=int, choices=range(1, 5), action="append", required=True)
    parser.add_argument("--as", dest="target", default="", help="what to call the new body")
    parser.add_argument("--texts", default="", help="a text file, or a folder of them, to read")
    parser.add_argument("--dry-run", action="store_true", help="measure, and write nothing")
    parser.add_argument("--config", help="config.yaml to use")
    return parser.parse_args(argv)
