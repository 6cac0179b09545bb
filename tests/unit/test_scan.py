"""What counts as a body in ``models/``, and how one is found by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sould.bodystore.scan import is_name, resolve, scan
from sould.errors import BodyMissing, StorageError

GGUF = b"GGUF" + bytes(28)
BITT = b"BITT" + bytes(8)


def safetensors(payload_bytes: int = 8) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [payload_bytes], "data_offsets": [0, 8]}})
    return len(header).to_bytes(8, "little") + header.encode() + bytes(payload_bytes)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_folder(folder: Path, *weights: str) -> Path:
    write(folder / "config.json", b"{}")
    for name in weights or ("model.safetensors",):
        write(folder / name, safetensors())
    return folder


def found(models: Path) -> dict[str, str]:
    return {entry.name: entry.format for entry in scan(models)}


def test_every_format_is_found_under_its_name(tmp_path: Path) -> None:
    write_folder(tmp_path / "Qwen3-0.6B")
    write(tmp_path / "smollm2-1.7b.gguf", GGUF)
    write(tmp_path / "old.bitt", BITT)
    write(tmp_path / "bare.safetensors", safetensors())
    write_folder(tmp_path / "org" / "sharded", *[f"m-0000{i}-of-00002.safetensors" for i in (1, 2)])
    write(tmp_path / "org" / "日本語.gguf", GGUF)
    assert found(tmp_path) == {
        "bare": "safetensors",
        "old": "bitt",
        "org/sharded": "hf",
        "org/日本語": "gguf",
        "Qwen3-0.6B": "hf",
        "smollm2-1.7b": "gguf",
    }


def test_entries_carry_absolute_path_and_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf", GGUF)
    folder = write_folder(tmp_path / "b")
    a, b = scan(tmp_path)
    assert (a.path, a.size_bytes) == (str(path), len(GGUF))
    assert (b.path, b.size_bytes) == (str(folder), 2 + len(safetensors()))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("README.md", b"# models"),
        (".hidden.gguf", GGUF),
        (".partial/x/files/x.gguf", GGUF),
        ("empty.gguf", b""),
        ("page.gguf", b"<!DOCTYPE html>"),
        ("half.gguf.part", GGUF),
        ("half.gguf.incomplete", GGUF),
        ("empty.safetensors", b""),
        ("cut-in-the-header.safetensors", safetensors()[:20]),
        ("not-tensors.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        ("old.bitt", b"BIT"),
        ("pickle.bin", b"PK"),
        ("folder/config.json", b"{}"),
        ("too/deep/for/us.gguf", GGUF),
    ],
)
def test_other_things_are_passed_over(tmp_path: Path, name: str, data: bytes) -> None:
    write(tmp_path / name, data)
    write(tmp_path / "good.gguf", GGUF)
    assert found(tmp_path) == {"good": "gguf"}


def test_a_set_of_shards_with_one_missing_is_half_written(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", "m-00001-of-00003.safetensors", "m-00003-of-00003.safetensors")
    assert scan(tmp_path) == []
    write(tmp_path / "a" / "m-00002-of-00003.safetensors", safetensors())
    assert found(tmp_path) == {"a": "hf"}


def test_a_folder_with_a_truncated_shard_is_passed_over(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    write(tmp_path / "a" / "model.safetensors", safetensors()[:12])
    assert scan(tmp_path) == []


def test_files_of_one_split_gguf_are_one_entry(tmp_path: Path) -> None:
    for i in (1, 2):
        write(tmp_path / f"big-0000{i}-of-00002.gguf", GGUF)
    assert found(tmp_path) == {"big-00001-of-00002": "gguf"}


def test_where_names_clash_the_later_format_keeps_its_suffix(tmp_path: Path) -> None:
    write_folder(tmp_path / "twin")
    write(tmp_path / "twin.gguf", GGUF)
    write(tmp_path / "twin.safetensors", safetensors())
    assert found(tmp_path) == {
        "twin": "hf",
        "twin.gguf": "gguf",
        "twin.safetensors": "safetensors",
    }
    assert resolve(tmp_path, "twin").format == "hf"
    assert resolve(tmp_path, "twin.gguf").format == "gguf"


def test_links_are_followed_and_dangling_ones_ignored(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    elsewhere = write(tmp_path / "disk" / "big.gguf", GGUF)
    (models / "linked.gguf").symlink_to(elsewhere)
    (models / "folder").symlink_to(write_folder(tmp_path / "disk" / "hf"))
    (models / "gone.gguf").symlink_to(tmp_path / "nowhere")
    (models / "round").symlink_to(models)
    assert {"linked": "gguf", "folder": "hf"}.items() <= found(models).items()
    assert "gone" not in found(models)


def test_names_that_are_not_text_are_passed_over(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.gguf")).write_bytes(GGUF)
    except OSError:
        pytest.skip("this file system only takes names that are text")
    write(tmp_path / "line\nbreak.gguf", GGUF)
    assert scan(tmp_path) == []


def test_a_folder_that_is_missing_or_empty_holds_none(tmp_path: Path) -> None:
    assert scan(tmp_path / "nowhere") == []
    assert scan(tmp_path) == []


def test_a_models_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read: Not a directory"):
        scan(write(tmp_path / "models", b"x"))


def test_a_file_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    write(tmp_path / "locked.gguf", GGUF).chmod(0)
    write(tmp_path / "open.gguf", GGUF)
    assert found(tmp_path) == {"open": "gguf"}


def test_resolve_takes_the_file_name_too(tmp_path: Path) -> None:
    write(tmp_path / "org" / "a.gguf", GGUF)
    assert resolve(tmp_path, "org/a") == resolve(tmp_path, "org/a.gguf") == scan(tmp_path)[0]


def test_resolve_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "SmolLM2-135M-Instruct.gguf", GGUF)
    write(tmp_path / "qwen3-8b.gguf", GGUF)
    with pytest.raises(BodyMissing, match="near it: SmolLM2-135M-Instruct") as e:
        resolve(tmp_path, "smollm2-135-instruct")
    assert "soul body pull" in e.value.hint
    with pytest.raises(BodyMissing) as e:
        resolve(tmp_path, "zzz")
    assert "near it" not in e.value.message


@pytest.mark.parametrize(
    ("file", "name", "why"),
    [
        ("page.gguf", "page", "page.gguf is no readable gguf file"),
        ("page.gguf", "page.gguf", "page.gguf is no readable gguf file"),
        ("x/cut.bitt", "x/cut", "cut.bitt is no readable bitt file"),
        ("weights.bin", "weights.bin", "its name ends in none of .gguf, .safetensors, .bitt"),
        ("a-00002-of-00002.gguf", "a-00002-of-00002", "is one part of a body"),
        ("half/config.json", "half", "half is no body: expected config.json and a whole set"),
    ],
)
def test_resolve_says_why_what_is_there_is_no_body(
    tmp_path: Path, file: str, name: str, why: str
) -> None:
    write(tmp_path / file, b"<!DOCTYPE html>")
    with pytest.raises(BodyMissing) as e:
        resolve(tmp_path, name)
    assert why in e.value.message and str(tmp_path) in e.value.message


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/b/c", ".a", "a/.b", "a\\b", "a\0", "~"],
)
def test_hostile_names_find_nothing(tmp_path: Path, name: str) -> None:
    models = tmp_path / "models"
    write(models / "b.gguf", GGUF)
    write(tmp_path / "a.gguf", GGUF)
    with pytest.raises(BodyMissing):
        resolve(models, name)


@pytest.mark.parametrize("name", ["a", "smollm2-1.7b", "org/name", "名前", "with space"])
def test_ordinary_names_are_names(name: str) -> None:
    assert is_name(name)


def test_a_thousand_bodies_are_scanned_within_a_second(tmp_path: Path) -> None:
    for i in range(500):
        write(tmp_path / f"g{i}.gguf", GGUF)
        write_folder(tmp_path / f"h{i}")
    start = time.perf_counter()
    assert len(scan(tmp_path)) == 1000
    assert time.perf_counter() - start < 1.0


def test_scan_and_catalog_import_nothing_heavy() -> None:
    code = (
        "import sys, sould.bodystore.scan, sould.bodystore.catalog;"
        "print(sorted({'torch', 'numpy', 'gguf', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
