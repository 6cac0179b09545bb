"""A trained body put into ``models/``, as a folder: found, listed and loaded like any other."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save

from sould.bodystore import scan
from sould.durable import replace_file
from sould.errors import StorageError
from sould.training.evaluation import Marks
from sould.training.tokens import Data
from sould.training.trainer import Trained
from sould.training.vocabulary import tokenizer_config

NOTE = "training.json"


def require_free(models: Path, name: str) -> Path:
    """Return where a body of that name goes.

    Raises:
        BadRequest: another one is there that was not trained here.
    """
    place = models / name
    return place if (place / NOTE).is_file() else scan.require_free(models, name)


def place_body(
    place: Path, trained: Trained, config: Mapping[str, Any], data: Data, recipe: Mapping[str, Any]
) -> None:
    """Write the folder of a body whole, in the place of one that was trained before.

    Raises:
        StorageError: what was there before, if anything, is still there, and nothing else is.
    """
    draft, old = (place.with_name(f".{place.name}.{what}") for what in ("new", "old"))
    try:
        if old.exists() and not place.exists():
            old.rename(place)  # somebody was killed between two renames
        for path in (draft, old):
            shutil.rmtree(path, ignore_errors=True)
        draft.mkdir(parents=True)
        state = {k: v.detach().cpu().contiguous() for k, v in trained.model.state_dict().items()}
        replace_file(draft / "model.safetensors", [save(state, {"format": "pt"})])
        replace_file(draft / "tokenizer.json", [data.tokenizer.to_str().encode()])
        note = {**recipe, **results(trained, data)}
        for file, value in (
            ("config.json", config),
            ("tokenizer_config.json", tokenizer_config()),
            (NOTE, note),
        ):
            replace_file(draft / file, [json.dumps(value, indent=1).encode()])
        _swap(draft, place, old)
    except OSError as e:
        raise StorageError(f"{place} cannot be written: {e.strerror or e}") from e
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _swap(draft: Path, place: Path, old: Path) -> None:
    had_one = place.exists()
    if had_one:
        place.rename(old)
    try:
        draft.rename(place)
    except OSError:
        if had_one:
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def results(trained: Trained, data: Data) -> dict[str, Any]:
    """Return what a training came to, as its note has it."""
    return {
        "steps": trained.step,
        "loss": trained.loss,
        "states_learning": _told(trained.on),
        "states_still": _told(trained.off),
        "bits_per_byte": bits_per_byte(trained.on, data),
        "curve": trained.curve,
    }


def bits_per_byte(marks: Marks, data: Data) -> float:
    """Return what a byte of held-out text costs: the same measure whatever the tokenizer."""
    tokens, size = data.note.valid_tokens, max(1, data.note.valid_bytes)
    return marks.nats / math.log(2) * tokens / size


def _told(marks: Marks) -> dict[str, Any]:
    return {**asdict(marks), "perplexity": marks.perplexity}
