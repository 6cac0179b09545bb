"""Pulls that break off, are killed, or find no room: nothing half is ever placed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from soul_client.wire import Progress
from sould.bodystore.fetch_local import copy_file
from sould.bodystore.progress import Meter
from sould.bodystore.pull import pull
from sould.bodystore.scan import scan
from sould.bodystore.staging import free_bytes, open_stage
from sould.errors import PullFailed
from tests.fakes.hub_server import HubServer, Repo, files_of, serve_hub
from tests.fakes.pulling import Puller, finish
from tests.fakes.tiny_body import write_tiny_body

WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with serve_hub() as server:
        body = write_tiny_body(tmp_path / "original", hidden_size=256)  # some 3 MB
        server.repos["org/tiny"] = Repo(files_of(body))
        yield server


@pytest.fixture
def puller(tmp_path: Path, hub: HubServer) -> Puller:
    return Puller(tmp_path, hub.endpoint)


def ignore(progress: Progress) -> None:
    """Where nobody watches."""


def is_whole(puller: Puller, hub: HubServer) -> bool:
    return files_of(puller.models / "tiny") == hub.repos["org/tiny"].files


def draft_bytes(puller: Puller) -> int:
    draft = puller.models / ".partial" / "tiny" / "work" / WEIGHTS
    return draft.stat().st_size if draft.is_file() else 0


def start_and_wait_for_bytes(puller: Puller, hub: HubServer) -> subprocess.Popen[str]:
    """Start a pull over a slow line; return when some of the weights have come."""
    hub.chunk_wait_s = 0.02
    process = puller.start("hf:org/tiny")
    give_up_at = time.monotonic() + 30
    while draft_bytes(puller) == 0:
        assert process.poll() is None and time.monotonic() < give_up_at
        time.sleep(0.01)
    return process


# The line and the hub


def test_a_line_that_breaks_again_and_again_is_gone_on_with(hub: HubServer, puller: Puller) -> None:
    hub.drop_after_bytes = len(hub.repos["org/tiny"].files[WEIGHTS]) // 3
    assert puller.run("hf:org/tiny").code == 0
    assert is_whole(puller, hub)
    starts = [int(r.removeprefix("bytes=").rstrip("-") or 0) for r in hub.fetched(WEIGHTS)]
    assert len(starts) >= 3 and starts == sorted(set(starts))


def test_a_hub_without_ranges_makes_it_start_anew(hub: HubServer, puller: Puller) -> None:
    process = start_and_wait_for_bytes(puller, hub)
    process.kill()
    finish(process)
    hub.chunk_wait_s, hub.ignores_ranges = 0, True
    answer = puller.run("hf:org/tiny")
    assert answer.code == 0 and is_whole(puller, hub)
    assert answer.progress[-1]["stage"] == "placing"


def test_a_file_damaged_on_the_way_is_not_placed(hub: HubServer, puller: Puller) -> None:
    hub.damaged = {WEIGHTS, "config.json"}
    for name in ("config.json", WEIGHTS):  # one checked by its git hash, one by its SHA-256
        answer = puller.run("hf:org/tiny")
        assert answer.error and f"{name} of hf:org/tiny arrived damaged" in answer.error["message"]
        assert scan(puller.models) == []
        hub.damaged.discard(name)
    assert puller.run("hf:org/tiny").code == 0 and is_whole(puller, hub)


def test_a_busy_hub_is_asked_again(hub: HubServer, puller: Puller) -> None:
    hub.fail_with = [503, 429]
    assert puller.run("hf:org/tiny").code == 0


def test_a_hub_that_refuses_is_not(hub: HubServer, puller: Puller) -> None:
    hub.fail_with = [410]
    answer = puller.run("hf:org/tiny")
    assert answer.error and "answered 410" in answer.error["message"]
    assert len(hub.requests) == 2


# Killed and cancelled


def test_a_killed_pull_is_gone_on_with(hub: HubServer, puller: Puller) -> None:
    process = start_and_wait_for_bytes(puller, hub)
    process.kill()
    finish(process)
    assert scan(puller.models) == []
    kept = draft_bytes(puller)
    assert 0 < kept < len(hub.repos["org/tiny"].files[WEIGHTS])
    hub.chunk_wait_s = 0
    hub.requests.clear()
    answer = puller.run("hf:org/tiny")
    assert answer.code == 0 and is_whole(puller, hub)
    assert hub.fetched(WEIGHTS) == [f"bytes={kept}-"]
    assert hub.fetched("config.json") == []


def test_what_is_left_of_an_older_commit_is_not_mixed_in(hub: HubServer, puller: Puller) -> None:
    process = start_and_wait_for_bytes(puller, hub)
    process.kill()
    finish(process)
    hub.chunk_wait_s = 0
    newer = write_tiny_body(puller.models.parent / "newer", hidden_size=256, seed=1)
    hub.repos["org/tiny"] = Repo(files_of(newer), commit="d" * 40)
    hub.requests.clear()
    assert puller.run("hf:org/tiny").code == 0 and is_whole(puller, hub)
    assert hub.fetched(WEIGHTS) == [""]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_pull_says_so_and_can_go_on(
    hub: HubServer, puller: Puller, number: signal.Signals
) -> None:
    process = start_and_wait_for_bytes(puller, hub)
    process.send_signal(number)
    answer = finish(process)
    assert answer.code == 128 + number
    assert answer.error and answer.error["code"] == "cancelled"
    assert "Traceback" not in answer.stderr
    assert scan(puller.models) == [] and draft_bytes(puller) > 0


def test_a_pull_whose_reader_is_gone_ends(hub: HubServer, puller: Puller) -> None:
    process = start_and_wait_for_bytes(puller, hub)
    assert process.stdout and process.stderr
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 1
    assert scan(puller.models) == [] and draft_bytes(puller) > 0


def test_killed_before_any_step_on_the_disk_nothing_is_half(tmp_path: Path) -> None:
    models = tmp_path / "models"
    pull(str(write_tiny_body(tmp_path / "old")), models, name="org/mine", on_progress=ignore)
    new = write_tiny_body(tmp_path / "new", seed=1)
    command = [sys.executable, "-m", "tests.fakes.kill_at_step", str(new), str(models), "org/mine"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=100
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 20 and [line["killed"] for line in lines].count(False) == 1
    weights = {k: (tmp_path / k / WEIGHTS).read_bytes()[-8:].hex() for k in ("old", "new")}
    for line in lines:
        assert line["after_kill"] in (
            {"org/mine": weights["old"]},
            {"org/mine": weights["new"]},
            {},
        )
        assert line["after_next"] == {"org/mine": weights["new"]}
    assert [line["after_kill"] for line in lines].count({}) == 1  # between the two renames


def test_the_old_body_comes_back_when_the_replacement_was_killed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    old = write_tiny_body(tmp_path / "old")
    pull(str(old), models, name="mine", on_progress=ignore)
    aside = models / ".partial" / "mine" / "old"
    aside.mkdir(parents=True)
    (models / "mine").rename(aside / "mine")
    assert scan(models) == []
    with pytest.raises(PullFailed, match="is there already"):
        pull(str(write_tiny_body(tmp_path / "x", seed=1)), models, name="mine", on_progress=ignore)
    assert files_of(models / "mine") == files_of(old)


# No room, and company


def test_a_models_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PullFailed, match=r"Not a directory"):
        pull(str(folder), tmp_path / "file" / "models", on_progress=ignore)


def test_a_body_that_does_not_fit_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    models = tmp_path / "models"
    need = sum(map(len, files_of(folder).values()))
    with pytest.raises(PullFailed, match=f"needs {need} bytes .*, 1000 are free"):
        pull(str(folder), models, on_progress=ignore, free=lambda _: 1000)
    assert scan(models) == []


def test_a_disk_that_fills_up_meanwhile_is_named(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    source = tmp_path / "source"
    source.write_bytes(bytes(100_000))
    with (
        pytest.raises(PullFailed, match="needs 100000 bytes more"),
        open_stage(tmp_path / "models", "tiny", free_bytes, lambda: None) as stage,
    ):
        stage.begin("job")
        stage.require_space(100_000)
        copy_file(source, full, Meter(ignore, "downloading", 100_000))


def test_two_pulls_of_one_name_take_turns(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    models = tmp_path / "models"
    (models / ".partial").mkdir(parents=True)
    lock = FileLock(models / ".partial" / "tiny.lock")
    waiting = threading.Event()

    def on_progress(progress: Progress) -> None:
        if progress.stage == "queued":
            waiting.set()

    with lock:
        second = threading.Thread(
            target=pull, args=(str(folder), models), kwargs={"on_progress": on_progress}
        )
        second.start()
        assert waiting.wait(10)
        assert scan(models) == []
    second.join(10)
    assert [entry.name for entry in scan(models)] == ["tiny"]
