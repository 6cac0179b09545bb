"""A native body written as one ``.bitt``, or as a folder with its sidecars; no torch here.

As a program (``sould export-body``) it writes JSON lines, as ``sould pull`` does.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from soul_client.errors import SoulError
from soul_client.locate import find_config
from soul_client.wire import BodyExported
from sould.bodystore import show
from sould.bodystore.scan import resolve
from sould.config import load
from sould.durable import replace_file
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.formats.bitt_file import bitt_parts, weight_bytes
from sould.engine.formats.settings import read_json
from sould.errors import BadRequest, SouldError, StorageError

ExportFormat = Literal["bitt", "safetensors"]


def export(body: BodyFile, target: Path, format: ExportFormat) -> None:
    """Write ``body``: ``target`` is a file for "bitt", a folder for "safetensors".

    Raises:
        BadRequest: it is no native body, or ``target`` is there already.
        StorageError: it cannot be written; nothing of it is left.
    """
    if body.spec.ttt is None:
        raise BadRequest(
            f"{body.path} is a {body.family} body; these formats are for bodies of TTT layers",
            "copy its files instead",
        )
    if target.exists():
        raise BadRequest(f"{target} is there already", "choose another place")
    config, tokenizer = _config(body), body.tokenizer_description()
    (source,) = {tensor.file for tensor in body.tensors.values()}
    weights = weight_bytes(source, body.bitt.start if body.bitt else 0)
    try:
        if format == "bitt":
            replace_file(target, bitt_parts(config, tokenizer, weights))
            return
        draft = target.with_name(f".{target.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        replace_file(draft / "model.safetensors", weights)
        for name, value in (("config.json", config), ("tokenizer.json", tokenizer)):
            text = json.dumps(value, indent=1, ensure_ascii=False)
            replace_file(draft / name, [text.encode()])
        draft.rename(target)
    except OSError as e:
        raise StorageError(f"{target} cannot be written: {e.strerror or e}") from e


def main(argv: Sequence[str]) -> int:
    """Run ``sould export-body``; returns the exit code: 0, or 1 on an error."""
    parser = argparse.ArgumentParser("sould export-body", description="Write a body as a file.")
    parser.add_argument("name", help="its name in models/")
    parser.add_argument("target", help="the file or folder to write")
    parser.add_argument("--format", choices=("bitt", "safetensors"), default="bitt")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)
    try:
        config = load(find_config(args.config))
        body = open_body(Path(resolve(config.models, args.name or config.body.name).path))
        target = Path(args.target).absolute()
        export(body, target, args.format)
    except (SouldError, SoulError) as e:
        show.write_json("error", show.as_error(e))
        return 1
    files = list(target.iterdir()) if target.is_dir() else [target]
    size = sum(file.stat().st_size for file in files)
    show.write_json("done", BodyExported(path=str(target), format=args.format, size_bytes=size))
    return 0


def _config(body: BodyFile) -> Mapping[str, Any]:
    if body.bitt:
        return body.bitt.config
    return read_json(body.tokenizer_json.with_name("config.json"))
