"""``.bitt`` files: both forms of the tokenizer, the same body as its folder, hostile ones named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file, save_file

from soul_client.wire import Progress
from sould.bodystore.export import export
from sould.engine.bodyfile import open_body
from sould.engine.formats.bitt_file import bitt_parts, weight_bytes
from sould.engine.formats.safetensors_file import INDEX, SINGLE
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.weights import read_model
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from sould.errors import BadRequest, BodyInvalid, Cancelled, StorageError
from tests.fakes.native_body import write_native_body
from tests.fakes.tiny_body import edit_json, write_tiny_body

RULES = ("reconstruct", "ttt_linear")


def write_bitt(folder: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write what the original engine's packing tool would, with a changed header."""
    config, tokenizer = (
        json.loads((folder / f"{name}.json").read_bytes()) for name in ("config", "tokenizer")
    )
    header = {"config": config, "tokenizer": tokenizer}
    change(header)
    weights = weight_bytes(folder / "model.safetensors")
    path.write_bytes(b"".join(bitt_parts(header["config"], header["tokenizer"], weights)))
    return path


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("form", ["object", "text"])
def test_a_bitt_is_the_body_of_its_folder(tmp_path: Path, rule: str, form: str) -> None:
    folder = write_native_body(tmp_path / "folder", rule)

    def change(header: dict[str, Any]) -> None:
        if form == "text":
            header["tokenizer"] = json.dumps(header["tokenizer"])

    file = open_body(write_bitt(folder, tmp_path / "body.bitt", change))
    other = open_body(folder)
    assert (file.format, file.family, file.spec) == ("bitt", "bit_ttt", other.spec)
    assert file.fingerprint() == other.fingerprint(), "its souls fit both"
    one, two = (NativeDecoder(read_model(body).freeze()) for body in (file, other))
    ids = Tokenizer.of(file).encode("Hello, 日本!")
    assert ids == Tokenizer.of(other).encode("Hello, 日本!")
    found, expected = (d.forward(ids, d.new_cache(len(ids))) for d in (one, two))
    assert found is not None and expected is not None and found.equal(expected)
    assert ChatTemplate(file, Tokenizer.of(file)).origin == "chatml"


@pytest.mark.parametrize("rule", RULES)
def test_a_body_is_exported_and_comes_back(tmp_path: Path, rule: str) -> None:
    folder = open_body(write_native_body(tmp_path / "folder", rule))
    export(folder, tmp_path / "body.bitt", "bitt")
    bitt = open_body(tmp_path / "body.bitt")
    export(bitt, tmp_path / "again", "safetensors")
    again = open_body(tmp_path / "again")
    assert folder.fingerprint() == bitt.fingerprint() == again.fingerprint()
    weights = [one / "model.safetensors" for one in (tmp_path / "folder", tmp_path / "again")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    with pytest.raises(BadRequest, match="is there already"):
        export(folder, tmp_path / "body.bitt", "bitt")


def shard(folder: Path) -> None:
    """Cut the weights of a folder in two files, with an index."""
    weights = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    names = sorted(weights)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in halves.items():
        save_file({name: weights[name] for name in some}, folder / file)
    places = {name: file for file, some in halves.items() for name in some}
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_body_in_several_files_is_exported_as_one(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = write_native_body(tmp_path / "folder")
    weights = load_file(folder / SINGLE)
    weights["embed.weight"] = weights["embed.weight"].to(dtype)
    save_file(weights, folder / SINGLE)
    shard(folder)
    body = open_body(folder)
    export(body, tmp_path / "body.bitt", "bitt")
    export(body, tmp_path / "again", "safetensors")
    for made in (tmp_path / "body.bitt", tmp_path / "again"):
        assert open_body(made).fingerprint() == body.fingerprint()
    again = load_file(tmp_path / "again" / SINGLE)
    assert again.keys() == weights.keys()
    assert all(again[name].equal(weights[name]) for name in weights)


def test_how_to_talk_to_a_body_goes_with_its_folder(tmp_path: Path) -> None:
    folder = write_native_body(tmp_path / "folder")
    edit_json(folder / "tokenizer_config.json", add_bos_token=True)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    body = open_body(folder)
    export(body, tmp_path / "again", "safetensors")
    again = open_body(tmp_path / "again")
    assert again.special == body.special and again.special.add_bos
    assert again.chat_template == body.chat_template == "{{ messages[0].content }}"


@pytest.mark.parametrize("format", ["bitt", "safetensors"])
def test_how_far_an_export_is_can_be_seen_and_it_can_be_stopped(
    tmp_path: Path, format: Literal["bitt", "safetensors"]
) -> None:
    body, told = open_body(write_native_body(tmp_path / "folder")), list[Progress]()
    export(body, tmp_path / "one", format, told.append)
    assert (told[0].stage, told[0].done, told[-1].done) == ("exporting", 0, told[-1].total)

    def stop(progress: Progress) -> None:
        if progress.done:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        export(body, tmp_path / "two", format, stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "one"]


@pytest.mark.parametrize("format", ["bitt", "safetensors"])
def test_nothing_is_left_of_an_export_that_fails(
    tmp_path: Path, format: Literal["bitt", "safetensors"]
) -> None:
    body = open_body(write_native_body(tmp_path / "folder"))
    (tmp_path / "folder" / SINGLE).unlink()
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        export(body, tmp_path / "one", format)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_only_native_bodies_are_exported(tmp_path: Path) -> None:
    body = open_body(write_tiny_body(tmp_path / "llama"))
    with pytest.raises(BadRequest, match="is a llama body"):
        export(body, tmp_path / "body.bitt", "bitt")
    assert not (tmp_path / "body.bitt").exists()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda raw: b"BITS" + raw[4:], "does not begin with BITT"),
        (lambda raw: raw[:6], "is truncated"),
        (lambda raw: raw[:-1], "is truncated"),
        (lambda raw: raw + b"x", "is too long"),
        (lambda raw: raw[:4] + (1 << 60).to_bytes(8, "little") + raw[12:], "has a header of"),
        (lambda raw: raw[:12] + b"[" + raw[13:], "the header is no JSON"),
    ],
)
def test_a_broken_bitt_is_named(
    tmp_path: Path, spoil: Callable[[bytes], bytes], fault: str
) -> None:
    folder = write_native_body(tmp_path / "folder", "reconstruct")
    path = write_bitt(folder, tmp_path / "body.bitt", lambda header: None)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BodyInvalid, match=fault):
        open_body(path)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("tokenizer", 3, "the header has no 'tokenizer'"),
        ("tokenizer", "{", "its tokenizer is no JSON"),
        ("tokenizer", "[]", "its tokenizer is no JSON object"),
        ("config", None, "the header has no 'config'"),
        ("config", {}, "'model_type' is missing"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, key: str, value: object, fault: str) -> None:
    folder = write_native_body(tmp_path / "folder", "reconstruct")
    path = write_bitt(folder, tmp_path / "x.bitt", lambda header: header.update({key: value}))
    with pytest.raises(BodyInvalid, match=fault):
        open_body(path)
