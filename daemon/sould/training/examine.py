"""``sould evaluate-body``: how well a body foretells a text; JSON lines, as ``sould pull`` has."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soul_client.locate import find_config
from soul_client.wire import BodyEvaluated, Progress, StillMarks
from sould.bodystore.orders import load_order
from sould.bodystore.scan import resolve
from sould.bodystore.work import Stop, run
from sould.config import Config, load
from sould.errors import BadRequest, BodyInvalid

if TYPE_CHECKING:
    from sould.engine.loading import Body
    from sould.training.measure import TextMarks
    from sould.training.tokens import Ids

MOST_WINDOWS = 32
LEAST_TOKENS = 64


def main(argv: Sequence[str]) -> int:
    """Run ``sould evaluate-body``; returns the exit code: 0, or 1 on an error."""
    parser = argparse.ArgumentParser("sould evaluate-body", description="Measure a body on text.")
    parser.add_argument("name", help="its name in models/")
    parser.add_argument("texts", help="a text file, or a folder of them")
    parser.add_argument("--window", type=int, default=512, help="tokens that are read at a time")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)

    def work(stop: Stop) -> BodyEvaluated:
        config = load(find_config(args.config))
        return _evaluate(config, args.name, Path(args.texts), args.window, stop)

    return run(work, stopped="measuring was stopped")


def _evaluate(config: Config, name: str, texts: Path, window: int, stop: Stop) -> BodyEvaluated:
    """Load a body beside whatever is loaded elsewhere, and measure it.

    Raises:
        BadRequest: there is too little text, or it cannot be read.
        BodyInvalid: its states run away on it; and as loading it does.
        BodyMissing, NoMemory, DeviceUnavailable: as loading it does.
    """
    entry = resolve(config.models, name or config.body.name)

    from sould.engine import loading
    from sould.engine.native.decoder import NativeDecoder
    from sould.engine.sampling import NotFinite

    order = load_order(config, entry)
    body = loading.load(order, should_stop=lambda: stop.is_asked, tell=stop.tell)
    ids, size = _encoded(body, texts, stop)
    window = min(window, len(ids) - 1, body.context_tokens)
    if window < LEAST_TOKENS:
        raise BadRequest(
            f"{texts} has {len(ids)} tokens, at least {LEAST_TOKENS + 1} are needed",
            "give it more text",
        )
    try:
        marks = _measured(body, ids, window, stop, is_still=False)
    except NotFinite as e:
        raise BodyInvalid(f"body {entry.name!r} cannot read this text: {e}") from e
    is_native = isinstance(body.decoder, NativeDecoder)
    still = _measured(body, ids, window, stop, is_still=True) if is_native else None
    return BodyEvaluated(
        name=entry.name,
        family=body.summary.family,
        tokens=len(ids),
        window=window,
        perplexity=marks.perplexity,
        bits_per_byte=marks.nats / math.log(2) * len(ids) / size,
        by_position=marks.perplexities,
        recall=marks.recall,
        first=marks.first,
        still=_still(still) if still else None,
    )


def _still(marks: TextMarks) -> StillMarks:
    return StillMarks(
        perplexity=marks.perplexity, by_position=marks.perplexities, recall=marks.recall
    )


def _encoded(body: Body, texts: Path, stop: Stop) -> tuple[Ids, int]:
    """Return the tokens of all the text, and its bytes."""
    import numpy as np

    from sould.training.corpus import Corpus

    parts, size = [], 0
    corpus = Corpus(texts, stop.check, least_bytes=1)
    for piece in corpus.pieces():
        parts.append(np.asarray(body.tokenizer.encode(piece.text), np.uint32))
        size += len(piece.text.encode())
        stop.tell(Progress(stage="tokens", done=size, total=corpus.total_bytes))
    return np.concatenate(parts), size


def _measured(body: Body, ids: Ids, window: int, stop: Stop, *, is_still: bool) -> TextMarks:
    from sould.training.measure import measure

    note = "states still" if is_still else ""

    def on_window(done: int, total: int) -> None:
        stop.check()
        stop.tell(Progress(stage="evaluating", done=done, total=total, note=note))

    return measure(
        body.decoder,
        ids,
        window=window,
        most=MOST_WINDOWS,
        is_still=is_still,
        on_window=on_window,
    )
