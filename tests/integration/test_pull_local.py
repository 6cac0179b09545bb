"""Bodies are copied from this disk; what is there already is recognised."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soul_client.wire import Progress
from sould.bodystore import receipts
from sould.bodystore.catalog import DEFAULT, WHEELS
from sould.bodystore.pull import ensure, pull
from sould.bodystore.scan import scan
from sould.errors import BodyInvalid, BodyMissing, PullFailed
from tests.fakes.hub_server import files_of
from tests.fakes.pulling import Puller
from tests.fakes.tiny_body import write_tiny_body

BODY_FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def ignore(progress: Progress) -> None:
    """Where nobody watches."""


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_copied_without_what_is_not_needed(tmp_path: Path, models: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    (folder / "optimizer.pt").write_bytes(b"pickle")
    done = pull(str(folder), models, on_progress=ignore)
    assert (done.name, done.path) == ("tiny", str(models / "tiny"))
    assert names_in(models / "tiny") == BODY_FILES


def test_a_folder_of_links_is_copied_as_files(tmp_path: Path, models: Path) -> None:
    blobs = write_tiny_body(tmp_path / "blobs")
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    pull(str(snapshot), models, on_progress=ignore)
    assert files_of(models / "snapshot") == files_of(blobs)
    assert not any(path.is_symlink() for path in (models / "snapshot").iterdir())


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """A repository in a Hugging Face cache, with two snapshots; main is the older one."""
    blobs = write_tiny_body(tmp_path / "blobs")
    repository = tmp_path / "models--org--lm"
    for commit in ("0a1b", "2c3d"):
        (repository / "snapshots" / commit).mkdir(parents=True)
        for file in blobs.iterdir():
            (repository / "snapshots" / commit / file.name).symlink_to(file)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b")
    return repository


@pytest.mark.parametrize("below", ["", "snapshots/2c3d"])
def test_a_folder_of_the_hub_cache_is_its_snapshot(
    cached: Path, tmp_path: Path, models: Path, below: str
) -> None:
    done = pull(str(cached / below), models, on_progress=ignore)
    assert done.name == "lm"
    assert files_of(models / "lm") == files_of(tmp_path / "blobs")


def test_a_hub_cache_without_main_has_one_snapshot_or_is_asked_about(
    cached: Path, models: Path
) -> None:
    (cached / "refs" / "main").unlink()
    with pytest.raises(PullFailed, match="holds 2 snapshots") as e:
        pull(str(cached), models, on_progress=ignore)
    assert e.value.hint.endswith("0a1b")
    (cached / "snapshots" / "0a1b").rename(cached / "old")
    assert pull(str(cached), models, on_progress=ignore).name == "lm"


def test_a_bare_safetensors_brings_its_sidecars(tmp_path: Path, models: Path) -> None:
    folder = write_tiny_body(tmp_path / "old")
    (folder / "model.safetensors").rename(folder / "mika.safetensors")
    (folder / "other.safetensors").write_bytes(b"not of this body")
    pull(str(folder / "mika.safetensors"), models, on_progress=ignore)
    assert names_in(models / "mika") == BODY_FILES


@pytest.mark.real_body
def test_a_gguf_file_is_copied(models: Path, default_body: Path) -> None:
    done = pull(str(default_body), models, name="copy", on_progress=ignore)
    assert Path(done.path).name == "copy.gguf"
    assert done.size_bytes == default_body.stat().st_size


def test_the_same_body_is_already_there(tmp_path: Path, models: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    first = pull(str(folder), models, on_progress=ignore)
    before = (models / "tiny" / "config.json").stat()
    assert pull(str(folder), models, on_progress=ignore) == first
    assert (models / "tiny" / "config.json").stat() == before


def test_a_body_of_that_name_with_other_bytes_is_kept(tmp_path: Path, models: Path) -> None:
    pull(str(write_tiny_body(tmp_path / "tiny")), models, on_progress=ignore)
    other = write_tiny_body(tmp_path / "other", seed=1)
    with pytest.raises(PullFailed, match="is there already"):
        pull(str(other), models, name="tiny", on_progress=ignore)
    pull(str(other), models, name="tiny", replace=True, on_progress=ignore)
    assert files_of(models / "tiny") == files_of(other)


def test_a_broken_file_in_the_way_is_only_removed_on_request(tmp_path: Path, models: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    (models / "tiny").mkdir(parents=True)
    (models / "tiny" / "notes.txt").write_text("mine")
    with pytest.raises(PullFailed, match="is there already"):
        pull(str(folder), models, on_progress=ignore)
    pull(str(folder), models, replace=True, on_progress=ignore)
    assert names_in(models / "tiny") == BODY_FILES


def test_a_replaced_link_leaves_what_it_pointed_to(tmp_path: Path, models: Path) -> None:
    models.mkdir()
    (models / "tiny").symlink_to(write_tiny_body(tmp_path / "elsewhere", seed=1))
    pull(str(write_tiny_body(tmp_path / "tiny")), models, replace=True, on_progress=ignore)
    assert not (models / "tiny").is_symlink()
    assert names_in(tmp_path / "elsewhere") == BODY_FILES


def test_a_body_that_is_none_is_refused_by_the_name_it_has(tmp_path: Path, models: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BodyInvalid) as e:
        pull(str(folder), models, on_progress=ignore)
    assert str(weights) in e.value.message
    assert ".partial" not in e.value.message
    assert scan(models) == [] and names_in(models / ".partial") == {"tiny.lock"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("weights.bin", "pickle files can run code"),
        ("notes.txt", "expected a folder or one of"),
        ("empty", "has no config.json"),
        ("smollm2-135m-instuct", "did you mean smollm2-135m-instruct?"),
        ("Qwen/Qwen3-0.6B", "did you mean hf:Qwen/Qwen3-0.6B?"),
        ("pypi:requests==2.32.0", "not in the catalog"),
        ("hf:../../etc", "not a body on the hub"),
        ("hf:a/b/../c.gguf", "only .gguf files are fetched alone"),
        ("hf:a/b/model.bin", "only .gguf files are fetched alone"),
        ("hf:a/b/x-00001-of-00002.gguf", "one part"),
    ],
)
def test_sources_that_mean_nothing(
    tmp_path: Path, models: Path, source: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PullFailed) as e:
        pull(source, models, on_progress=ignore)
    assert said in str(e.value)


@pytest.mark.parametrize("name", ["..", "../x", "/x", ".hidden", "a/b/c", "x\n"])
def test_hostile_names_are_refused(tmp_path: Path, models: Path, name: str) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    with pytest.raises(PullFailed, match="cannot name a body"):
        pull(str(folder), models, name=name, on_progress=ignore)
    assert scan(models) == []


def test_a_body_put_there_by_hand_is_checked_once(tmp_path: Path, models: Path) -> None:
    body = write_tiny_body(models / "mine")
    seen: list[Progress] = []
    ensure("mine", models, seen.append)
    assert [p.stage for p in seen] == ["checking"]
    ensure("mine", models, seen.append)
    assert len(seen) == 1
    os.utime(body / "config.json", ns=(0, 0))
    ensure("mine", models, seen.append)
    assert len(seen) == 2


def test_a_broken_body_is_found_out(models: Path) -> None:
    body = write_tiny_body(models / "mine")
    (body / "config.json").write_text("{}")
    with pytest.raises(BodyInvalid):
        ensure("mine", models, ignore)


def test_a_body_that_nobody_knows_is_missing(models: Path) -> None:
    with pytest.raises(BodyMissing, match="no body 'mine'"):
        ensure("mine", models, ignore)


@pytest.mark.real_body
def test_the_default_body_is_recognised_by_its_hash(models: Path, default_body: Path) -> None:
    models.mkdir()
    (models / f"{DEFAULT}.gguf").hardlink_to(default_body)
    done = ensure(DEFAULT, models, ignore)
    receipt = receipts.read(models, DEFAULT, Path(done.path))
    assert receipt and receipt.source == f"pypi:{WHEELS[DEFAULT].requirement}"
    assert receipt.licence == "Apache-2.0"


def test_if_missing_is_silent_when_nothing_is_to_do(tmp_path: Path) -> None:
    puller = Puller(tmp_path)
    puller.config.write_text("bit_ttt: 1\nbody: {name: mine}\n", "utf-8")
    write_tiny_body(puller.models / "mine")
    assert "checking" in puller.run("--if-missing").stderr
    answer = puller.run("--if-missing")
    assert (answer.code, answer.stderr, answer.done) == (0, "", None)


def test_if_missing_names_a_body_that_cannot_be_had(tmp_path: Path) -> None:
    puller = Puller(tmp_path)
    puller.config.write_text("bit_ttt: 1\nbody: {name: mine}\n", "utf-8")
    answer = puller.run("--if-missing")
    assert answer.code == 1
    assert "no body 'mine'" in answer.stderr


def test_a_config_that_is_not_there_is_an_error_like_others(tmp_path: Path) -> None:
    puller = Puller(tmp_path)
    puller.config.unlink()
    answer = puller.run("hf:org/tiny")
    assert answer.code == 1
    assert answer.error and answer.error["code"] == "bad_request"
    assert str(puller.config) in answer.error["message"]


def test_another_models_folder_can_be_named(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    answer = Puller(tmp_path).run("--models", str(tmp_path / "other"), "--", str(folder))
    assert answer.done and answer.done["path"] == str(tmp_path / "other" / "tiny")
