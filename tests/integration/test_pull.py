"""Bodies are fetched from a hub, and land whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sould.bodystore.scan import scan
from tests.fakes.hub_server import HubServer, Repo, files_of, serve_hub
from tests.fakes.pulling import Puller
from tests.fakes.tiny_body import write_tiny_body


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with serve_hub() as server:
        yield server


@pytest.fixture
def puller(tmp_path: Path, hub: HubServer) -> Puller:
    return Puller(tmp_path, hub.endpoint)


def tiny_files(tmp_path: Path, **options: int) -> dict[str, bytes]:
    return files_of(write_tiny_body(tmp_path / "original", **options))


def test_a_repository_becomes_a_folder_of_what_is_needed(
    tmp_path: Path, hub: HubServer, puller: Puller
) -> None:
    needed = tiny_files(tmp_path) | {"LICENSE": b"free", "README.md": b"---\nlicense: mit\n---\n"}
    extra = {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"x", ".gitattributes": b""}
    hub.repos["org/Tiny"] = Repo(needed | extra)
    answer = puller.run("hf:org/Tiny")
    body = puller.models / "Tiny"
    assert answer.code == 0, answer
    assert answer.done == {
        "name": "Tiny",
        "path": str(body),
        "size_bytes": sum(map(len, needed.values())),
    }
    assert files_of(body) == needed
    assert [entry.name for entry in scan(puller.models)] == ["Tiny"]


def test_progress_grows_to_the_whole_size(tmp_path: Path, hub: HubServer, puller: Puller) -> None:
    hub.repos["org/tiny"] = Repo(tiny_files(tmp_path))
    answer = puller.run("hf:org/tiny")
    stages = [p["stage"] for p in answer.progress]
    assert stages == sorted(stages, key=["downloading", "checking", "placing"].index)
    done = [p["done"] for p in answer.progress if p["stage"] == "downloading"]
    assert done == sorted(done)
    assert done[-1] == sum(map(len, hub.repos["org/tiny"].files.values()))


def test_of_sharded_weights_the_shards_of_the_index_are_taken(
    tmp_path: Path, hub: HubServer, puller: Puller
) -> None:
    files = tiny_files(tmp_path, shards=3)
    hub.repos["org/tiny"] = Repo(files | {"consolidated.safetensors": b"twice as much"})
    assert puller.run("hf:org/tiny").code == 0
    assert files_of(puller.models / "tiny") == files


def test_the_hub_is_asked_for_nothing_else(tmp_path: Path, hub: HubServer, puller: Puller) -> None:
    hub.repos["org/tiny"] = Repo(tiny_files(tmp_path))
    assert puller.run("hf:org/tiny").code == 0
    asked = {path for path, _ in hub.requests}
    files = {f"/org/tiny/resolve/{'c' * 40}/{name}" for name in hub.repos["org/tiny"].files}
    assert asked == {"/api/models/org/tiny"} | files


def test_a_revision_and_a_name_can_be_given(tmp_path: Path, hub: HubServer, puller: Puller) -> None:
    hub.repos["org/tiny"] = Repo(tiny_files(tmp_path))
    assert puller.run(f"hf:org/tiny@{'c' * 40}", "--name", "org/mine").code == 0
    assert files_of(puller.models / "org" / "mine") == hub.repos["org/tiny"].files


def test_the_second_pull_asks_nobody(tmp_path: Path, hub: HubServer, puller: Puller) -> None:
    hub.repos["org/tiny"] = Repo(tiny_files(tmp_path))
    first = puller.run("hf:org/tiny")
    hub.requests.clear()
    assert puller.run("hf:org/tiny").done == first.done
    assert hub.requests == []


def test_another_body_of_that_name_stays_unless_replaced(
    tmp_path: Path, hub: HubServer, puller: Puller
) -> None:
    hub.repos["org/tiny"] = Repo(tiny_files(tmp_path))
    hub.repos["other/tiny"] = Repo(files_of(write_tiny_body(tmp_path / "other", seed=1)))
    assert puller.run("hf:org/tiny").code == 0
    answer = puller.run("hf:other/tiny")
    assert answer.code == 1 and answer.error
    assert answer.error["code"] == "pull_failed"
    assert "--replace" in answer.error["hint"]
    assert files_of(puller.models / "tiny") == hub.repos["org/tiny"].files
    assert puller.run("hf:other/tiny", "--replace").code == 0
    assert files_of(puller.models / "tiny") == hub.repos["other/tiny"].files
    assert list(files_of(puller.models / ".partial")) == ["tiny.lock"]


@pytest.mark.real_body
def test_one_gguf_file_of_a_repository(hub: HubServer, puller: Puller, default_body: Path) -> None:
    hub.repos["org/tiny-GGUF"] = Repo({"q4/tiny-q4_1.gguf": default_body.read_bytes()})
    answer = puller.run("hf:org/tiny-GGUF/q4/tiny-q4_1.gguf")
    assert answer.code == 0, answer
    assert (puller.models / "tiny-q4_1.gguf").stat().st_size == default_body.stat().st_size
    answer = puller.run("hf:org/tiny-GGUF/q8.gguf")
    assert answer.error and answer.error["hint"] == "it has q4/tiny-q4_1.gguf"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hf:org/gated", "is gated"),
        ("hf:org/nowhere", "is not on the hub"),
        ("hf:org/tiny@v9", "no revision 'v9'"),
        ("hf:org/pickled", "pickle files can run code"),
        ("hf:org/ggufs", "has no config.json"),
        ("hf:org/two", "2 .safetensors files"),
        ("hf:org/gap", "names ['model-00002-of-00002.safetensors'], not found"),
        ("hf:org/lying", "not an index of shards"),
        ("hf:org/broken", "hf:org/broken"),
    ],
)
def test_what_cannot_be_fetched_says_why(
    tmp_path: Path, hub: HubServer, puller: Puller, source: str, said: str
) -> None:
    tiny = tiny_files(tmp_path, shards=2)
    index = "model.safetensors.index.json"
    hub.repos |= {
        "org/gated": Repo(tiny, gated=True),
        "org/tiny": Repo(tiny),
        "org/pickled": Repo({"config.json": b"{}", "pytorch_model.bin": b"x"}),
        "org/ggufs": Repo({"a-q8_0.gguf": b"x"}),
        "org/two": Repo({"config.json": b"{}", "a.safetensors": b"", "b.safetensors": b""}),
        "org/gap": Repo({k: v for k, v in tiny.items() if "-00002-of" not in k}),
        "org/lying": Repo(tiny | {index: b'{"weight_map": ["../../x"]}'}),
        "org/broken": Repo(tiny | {"config.json": b'{"model_type": "llama"}'}),
    }
    answer = puller.run(source)
    assert answer.code == 1
    assert answer.error and said in answer.error["message"]
    assert "/.partial/" not in answer.error["message"]
    assert scan(puller.models) == []


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    answer = Puller(tmp_path).run("hf:org/tiny")
    assert answer.error and "cannot be reached" in answer.error["message"]
    assert "network" in answer.error["hint"]


def test_offline_mode_is_named(puller: Puller) -> None:
    puller.env["HF_HUB_OFFLINE"] = "1"
    answer = puller.run("hf:org/tiny")
    assert answer.error and "HF_HUB_OFFLINE" in answer.error["message"]
