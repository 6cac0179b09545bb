"""A native body written as one ``.bitt``, or as a folder with its sidecars; no torch here.

As a program (``sould export-body``) it writes JSON lines, as ``sould pull`` does.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from soul_client.locate import find_config
from soul_client.wire import BodyExported, Progress
from sould.bodystore.progress import Meter, OnProgress
from sould.bodystore.scan import resolve
from sould.bodystore.work import Stop, run
from sould.config import load
from sould.durable import replace_file
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.formats.bitt_file import bitt_parts, weight_bytes
from sould.engine.formats.safetensors_file import SINGLE, inside
from sould.engine.formats.settings import read_json
from sould.engine.formats.stored import StoredTensor
from sould.errors import BadRequest, StorageError
from sould.soulfile.container import Entry, length_of, write_header

ExportFormat = Literal["bitt", "safetensors"]

COPIED = ("generation_config.json", "tokenizer_config.json", "chat_template.jinja")


def export(
    body: BodyFile,
    target: Path,
    format: ExportFormat,
    on_progress: OnProgress = lambda progress: None,
) -> None:
    """Write ``body``: ``target`` is a file for "bitt", a folder for "safetensors".

    Nothing of it is left after an error; what ``on_progress`` raises ends it as well.

    Raises:
        BadRequest: it is no native body, or ``target`` is there already.
        StorageError: it cannot be written.
    """
    if body.spec.ttt is None:
        raise BadRequest(
            f"{body.path} is a {body.family} body; these formats are for bodies of TTT layers",
            "copy its files instead",
        )
    if target.exists():
        raise BadRequest(f"{target} is there already", "choose another place")
    config, tokenizer = _config(body), body.tokenizer_description()
    size_bytes = sum(tensor.nbytes for tensor in body.tensors.values())
    weights = _metered(_weights(body), Meter(on_progress, "exporting", size_bytes, target.name))
    try:
        if format == "bitt":
            replace_file(target, bitt_parts(config, tokenizer, weights))
        else:
            described = {"config.json": _json(config), "tokenizer.json": _json(tokenizer)}
            _write_folder(target, weights, _copied(body) | described)
    except OSError as e:
        raise StorageError(f"{target} cannot be written: {e.strerror or e}") from e


def main(argv: Sequence[str]) -> int:
    """Run ``sould export-body``; returns the exit code: 0, or 1 on an error or when stopped."""
    parser = argparse.ArgumentParser("sould export-body", description="Write a body as a file.")
    parser.add_argument("name", help="its name in models/")
    parser.add_argument("target", help="the file or folder to write")
    parser.add_argument("--format", choices=("bitt", "safetensors"), default="bitt")
    parser.add_argument("--config", help="config.yaml to use")
    args = parser.parse_args(argv)
    return run(lambda stop: _export(args, stop), stopped="the export was stopped; nothing is left")


def _export(args: argparse.Namespace, stop: Stop) -> BodyExported:
    def on_progress(progress: Progress) -> None:
        stop.tell(progress)
        stop.check()

    config = load(find_config(args.config))
    body = open_body(Path(resolve(config.models, args.name or config.body.name).path))
    target = Path(args.target).absolute()
    export(body, target, args.format, on_progress)
    files = list(target.iterdir()) if target.is_dir() else [target]
    size = sum(file.stat().st_size for file in files)
    return BodyExported(path=str(target), format=args.format, size_bytes=size)


def _write_folder(target: Path, weights: Iterable[bytes], sidecars: Mapping[str, bytes]) -> None:
    """Write a folder whole, or nothing of it."""
    draft = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        replace_file(draft / SINGLE, weights)
        for name, content in sidecars.items():
            replace_file(draft / name, [content])
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copied(body: BodyFile) -> dict[str, bytes]:
    """Return what lies beside a body and goes with it as it is: it says how to talk to it."""
    folder = body.tokenizer_json.parent
    names = [] if body.bitt else [name for name in COPIED if (folder / name).exists()]
    return {name: inside(folder, name).read_bytes() for name in names}


def _weights(body: BodyFile) -> Iterator[bytes]:
    """Yield a body's safetensors file; one that lies in several, as one."""
    files = {tensor.file for tensor in body.tensors.values()}
    if len(files) == 1:
        yield from weight_bytes(files.pop(), body.bitt.start if body.bitt else 0)
    else:
        yield from _joined(body.tensors.values())


def _joined(tensors: Iterable[StoredTensor]) -> Iterator[bytes]:
    """Yield a safetensors file: wide types first, so that all of them lie at their multiples."""
    ordered = sorted(tensors, key=lambda one: (one.dtype != "F32", one.name))
    entries, at = {}, 0
    for one in ordered:
        entries[one.name] = Entry(one.dtype, one.shape, at, at := at + one.nbytes)
    text = write_header({"format": "pt"}, entries)
    yield length_of(text) + text
    for one in ordered:
        yield from weight_bytes(one.file, one.offset, one.nbytes)


def _metered(parts: Iterable[bytes], meter: Meter) -> Iterator[bytes]:
    for part in parts:
        yield part
        meter.add(len(part))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _config(body: BodyFile) -> Mapping[str, Any]:
    if body.bitt:
        return body.bitt.config
    return read_json(body.tokenizer_json.with_name("config.json"))
