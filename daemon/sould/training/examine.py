"""``sould evaluate-body``: how well a body foretells a text; JSON lines, as ``sould pull`` has."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import BodyEvaluated, Progress, StillMarks
from sould.bodystore import show
from sould.bodystore.orders import load_order
from sould.bodystore.scan import resolve
from sould.config import Config, load
from sould.errors import BadRequest, SouldError

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
    try:
        config = load(find_config(args.config))
        done = _evaluate(config, args.name, Path(args.texts), args.window)
    except (SouldError, SoulError) as e:
        show.write_json("error", show.as_error(e))
        return 1
    show.write_json("done", done)
    return 0


def _evaluate(config: Config, name: str, texts: Path, window: int) -> BodyEvaluated:
    """Load a body beside whatever is loaded elsewhere, and measure it.

    Raises:
        BadRequest: there is too little text, or it cannot be read.
        BodyMissing, BodyInvalid, NoMemory, DeviceUnavailable: as loading it does.
    """
    entry = resolve(config.models, name or config.body.name)

    from sould.engine import loading
    from sould.engine.native.decoder import NativeDecoder

    order = load_order(config, entry)
    body = loading.load(order, should_stop=lambda: False, tell=_tell)
    ids, size = _encoded(body, texts)
    window = min(window, len(ids) - 1, body.context_tokens)
    if window < LEAST_TOKENS:
        raise BadRequest(
            f"{texts} has {len(ids)} tokens, at least {LEAST_TOKENS + 1} are needed",
            "give it more text",
        )
    marks = _measured(body, ids, window, is_still=False)
    is_native = isinstance(body.decoder, NativeDecoder)
    still = _measured(body, ids, window, is_still=True) if is_native else None
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


def _encoded(body: Body, texts: Path) -> tuple[Ids, int]:
    """Return the tokens of all the text, and its bytes."""
    import numpy as np

    from sould.training.corpus import Corpus

    parts, size = [], 0
    for piece in Corpus(texts, least_bytes=1).pieces():
        parts.append(np.asarray(body.tokenizer.encode(piece.text), np.uint32))
        size += len(piece.text.encode())
    return np.concatenate(parts), size


def _measured(body: Body, ids: Ids, window: int, *, is_still: bool) -> TextMarks:
    from sould.training.measure import measure

    note = "states still" if is_still else ""

    def on_window(done: int, total: int) -> None:
        _tell(Progress(stage="evaluating", done=done, total=total, note=note))

    return measure(
        body.decoder,
        ids,
        window=window,
        most=MOST_WINDOWS,
        is_still=is_still,
        on_window=on_window,
    )


def _tell(progress: Progress) -> None:
    show.write_json("progress", progress)
