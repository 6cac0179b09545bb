"""The ``soul`` command as a person, or a script, uses it: real processes, a real daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soul_cli.commands.body import as_the_daemon_finds_it
from soul_client import locate
from soul_client.client import Client
from tests.fakes.daemon_process import DaemonProcess, diary_of, running, write_config
from tests.fakes.soul_process import SOUL, Soul
from tests.fakes.terminal import Terminal, in_terminal
from tests.fakes.tiny_body import write_tiny_body


def wait_until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    until_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return value


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("c")) as (process, _):
        yield process


@pytest.fixture
def soul(daemon: DaemonProcess) -> Soul:
    return Soul(daemon.config)


def test_ask_prints_the_reply_and_nothing_else(soul: Soul) -> None:
    done = soul("ask", "unicode")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "縁側の 🐈‍⬛ naïve 👩🏽‍🚀 café\n"


def test_ask_as_json_carries_the_usage(soul: Soul) -> None:
    done = soul.json("ask", "tokens 3")
    assert (done["text"], done["finish"], done["recorded"]) == ("t0 t1 t2 ", "stop", True)
    assert done["usage"].keys() >= {"prompt_tokens", "reply_tokens", "cached_tokens"}
    assert done["usage"].keys() >= {"prefill_s", "decode_s"} and done["session"]


def test_ask_reads_stdin_and_bad_bytes_are_replaced(soul: Soul) -> None:
    assert soul("ask", "-", input=b"caf\xe9 \xff ok").stdout == "caf\ufffd \ufffd ok \n"


def test_ask_goes_on_with_a_session_and_takes_a_system_prompt(soul: Soul) -> None:
    soul("ask", "one", "--session", "talk.1")
    said = json.loads(soul("ask", "messages", "--session", "talk.1", "--system", "Brief.").stdout)
    assert said["messages"] == [
        ["system", "Brief."],
        ["user", "one"],
        ["assistant", "one "],
        ["user", "messages"],
    ]
    assert soul.json("sessions", "talk.1")["messages"][0]["text"] == "one"
    assert "talk.1" in soul("sessions").stdout


def test_ask_off_the_record(soul: Soul, daemon: DaemonProcess) -> None:
    before = diary_of(daemon)
    assert soul("ask", "sotto voce", "--off-record").stdout == "sotto voce \n"
    assert soul("chat", "--off-record", input="sotto voce\n").stdout == "sotto voce \n"
    assert diary_of(daemon) == before


def test_ask_passes_the_sampling_on(soul: Soul) -> None:
    options = [
        "--temperature",
        "0",
        "--max-tokens",
        "9",
        "--seed",
        "4",
        "--top-p",
        "0.5",
        "--stop",
        "END",
    ]
    sampling = json.loads(soul("ask", "sampling", *options).stdout)
    assert (sampling["temperature"], sampling["max_tokens"], sampling["seed"]) == (0.0, 9, 4)
    assert (sampling["top_p"], sampling["stop"]) == (0.5, ["END"])


def test_a_deadline_that_leaves_no_time_is_said(soul: Soul) -> None:
    done = soul("ask", "prefill 5; tokens 1", "--deadline", "0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("soul: the time was up")
    done = soul("ask", "prefill 5; tokens 1", "--deadline", "0.1", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["finish"] == "deadline"
    assert soul("ask", "delay 0.02; tokens 1000", "--deadline", "1").returncode == 0


def test_an_error_is_one_line_a_hint_and_an_exit_code(soul: Soul) -> None:
    done = soul("ask", "half a reply; error no_memory")
    assert done.returncode == 1
    assert done.stdout == "half a reply \n"
    assert done.stderr == "soul: not enough memory: as ordered\n  order less\n"
    error = soul.json("ask", "error no_memory")["error"]
    assert error == {"code": "no_memory", "message": "as ordered", "hint": "order less"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["aks", "hello"], "No such command 'aks'"),
        (["ask"], "Missing argument 'TEXT'"),
        (["ask", " \n"], "there is nothing to say"),
        (["ask", "-"], "there is nothing to say"),
        (["ask", "x", "--temp", "hot"], "'hot' is not a valid float"),
        (["ask", "x", "--session", "a b"], "'a b' is no session id"),
        (["body"], "Missing command"),
        (["chat", "--session", "a", "--continue"], "exclude each other"),
    ],
)
def test_wrong_usage(soul: Soul, args: list[str], message: str) -> None:
    done = soul(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and "--help" in done.stderr


def test_ctrl_c_stops_the_reply_and_keeps_what_was_said(soul: Soul, daemon: DaemonProcess) -> None:
    child = soul.start("ask", "delay 0.05; tokens 500", "--session", "interrupted")
    assert child.stdout is not None
    assert os.read(child.stdout.fileno(), 2) == b"t0"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (130, b"")
    assert out.endswith(b"\n")
    said = [r["text"] for r in diary_of(daemon) if r["session"] == "interrupted"]
    assert said == ["delay 0.05; tokens 500", "t0" + out.decode().rstrip("\n")]


def test_stop_takes_the_beginning_of_an_id(soul: Soul) -> None:
    child = soul.start("ask", "delay 0.05; tokens 500")
    requests = wait_until(lambda: soul.json("status")["requests"])
    done = soul("stop", requests[0]["id"][:5])
    assert done.stdout == f"stopped: {requests[0]['id']}\n"
    assert child.wait(10) == 130
    child.communicate()
    assert soul("stop").stdout == "nothing to stop\n"
    assert soul("stop", "nobody").returncode == 1


def test_each_piped_line_is_answered(soul: Soul) -> None:
    done = soul("chat", input="Hello\n\nmessages\n")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "Hello "
    assert [text for _, text in json.loads(second)["messages"]] == ["Hello", "Hello ", "messages"]
    again = json.loads(soul("chat", "--continue", input="messages\n").stdout)["messages"]
    assert again[0] == ["user", "Hello"] and len(again) == 5


def test_no_command_is_chat(soul: Soul) -> None:
    assert soul(input="just this\n").stdout == "just this \n"


def test_bodies(soul: Soul) -> None:
    names = [one["name"] for one in soul.json("body", "list")["bodies"]]
    assert names == ["other", "smollm2-135m-instruct"]
    assert soul.json("body", "load", "other")["name"] == "other"
    assert "loaded" in soul("body", "list").stdout
    assert soul("body", "unload").stdout == "unloaded\n"
    assert soul("body", "load", "nobody").returncode == 1
    assert soul.json("body", "load")["name"] == "smollm2-135m-instruct"
    assert any(one["suggested"] for one in soul.json("body", "catalog")["bodies"])


def test_a_pull_finds_what_lies_beside_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house").mkdir()
    write_tiny_body(tmp_path / "mine")
    write_tiny_body(tmp_path / "other", family="qwen3")
    with running(tmp_path / "house") as (process, _):
        soul = Soul(process.config)
        monkeypatch.chdir(tmp_path)
        pulled = soul.json("body", "pull", "./mine")
        assert (pulled["name"], Path(pulled["path"]).is_dir()) == ("mine", True)
        kept = soul("body", "pull", "other", "--name", "mine")
        assert kept.returncode == 1 and "--replace" in kept.stderr
        assert soul("body", "pull", "other", "--name", "mine", "--replace").returncode == 0
        assert soul.json("body", "info", "mine")["family"] == "qwen3"


def test_a_name_of_the_catalog_is_no_path(
    daemon: DaemonProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("qwen3-0.6b", "mine"):
        (tmp_path / name).mkdir()
    with Client(daemon.config) as client:
        assert as_the_daemon_finds_it(client, "qwen3-0.6b") == "qwen3-0.6b"
        assert as_the_daemon_finds_it(client, "./qwen3-0.6b") == str(tmp_path / "qwen3-0.6b")
        assert as_the_daemon_finds_it(client, "mine") == str(tmp_path / "mine")
        assert as_the_daemon_finds_it(client, "hf:org/name") == "hf:org/name"


def test_status_in_both_languages(soul: Soul, daemon: DaemonProcess) -> None:
    assert soul.json("status")["pid"] == daemon.process.pid
    assert f"process {daemon.process.pid}" in soul("status").stdout
    assert "待機中" in soul("--lang", "ja", "status").stdout
    assert "返事" in soul("ask", "--lang", "ja", "--help").stdout


def test_events_are_json_lines(soul: Soul) -> None:
    child = soul.start("events", "--json")
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["name"] == "welcome"
    soul("ask", "hello")
    seen = [json.loads(child.stdout.readline()) for _ in range(5)]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    assert child.returncode == 130
    numbers = [event["seq"] for event in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert {"request", "state"} <= {event["name"] for event in seen}


def test_logs_and_a_reader_that_had_enough(soul: Soul) -> None:
    assert " ready pid=" in soul("logs", "-n", "1000").stdout
    assert len(soul("logs", "-n", "1").stdout.splitlines()) == 1
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([*SOUL, "logs"], env=soul.env, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_daemon_that_is_killed_is_noticed(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _):
        soul = Soul(process.config)
        child = soul.start("ask", "delay 0.05; tokens 500")
        assert child.stdout is not None
        os.read(child.stdout.fileno(), 2)
        process.kill()
        _, err = child.communicate(timeout=10)
        assert child.returncode == 5
        assert b"went away" in err and b"soul status" in err
        assert soul("status").returncode == 3


def test_not_running(tmp_path: Path) -> None:
    soul = Soul(write_config(tmp_path))
    done = soul("status")
    assert done.returncode == 3
    assert done.stderr.startswith("soul: no daemon is running") and "soul up" in done.stderr
    assert soul.json("status") == {"running": False}
    assert soul("down").stdout == "it was not running\n"
    assert soul("logs").returncode == 1
    for args in (["events"], ["stop"], ["body", "unload"]):
        assert soul(*args).returncode == 3


def enabled(config: Path) -> list[str]:
    with Client(config) as client:
        return [one.name for one in client.plugins_list().plugins if one.enabled]


def test_up_twice_at_once_restart_and_down(tmp_path: Path) -> None:
    config = write_config(tmp_path, "plugins: {enabled: [nobody]}")
    soul = Soul(config)
    both = [soul.start("up", "--json") for _ in range(2)]
    pids = {json.loads(one.communicate(timeout=60)[0])["pid"] for one in both}
    assert [one.returncode for one in both] == [0, 0] and len(pids) == 1
    try:
        assert soul.json("up")["pid"] in pids
        assert enabled(config) == ["nobody"]
        again = soul.json("restart", "--safe-mode")["pid"]
        assert again not in pids
        assert enabled(config) == []
    finally:
        done = soul("down")
    assert done.stdout == f"ended: process {again}\n"
    assert soul("status").returncode == 3
    logs = tmp_path / "workspace" / "logs"
    assert {path.stat().st_mode & 0o777 for path in logs.iterdir()} == {0o600}


def test_a_wrong_config(tmp_path: Path) -> None:
    soul = Soul(write_config(tmp_path, "chat: {temprature: 0.5}"))
    done = soul("config", "check")
    assert done.returncode == 6
    assert "temprature" in done.stderr and "temperature" in done.stderr
    assert len(done.stderr.splitlines()) == 1  # no hint to run what was just run
    done = soul("up")
    assert done.returncode == 4
    assert "temprature" in done.stderr
    missing = soul("--config", str(tmp_path / "no.yaml"), "status")
    assert missing.returncode == 6 and "no.yaml" in missing.stderr


def test_a_good_config(tmp_path: Path) -> None:
    soul = Soul(write_config(tmp_path, "chat: {temperature: 0.25}"))
    assert soul("config", "check").stdout == f"{soul.config} is good\n"
    shown = soul.json("config", "show")["values"]
    assert (shown["chat"]["temperature"], shown["chat"]["top_k"]) == (0.25, 40)
    assert "temperature: 0.25" in soul("config", "show").stdout


def test_the_version_costs_no_imports() -> None:
    code = (
        "import sys; from soul_cli.main import main; main(['--version']);"
        "print({'click', 'zmq', 'msgspec', 'yaml', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    version, imported = done.stdout.splitlines()
    assert version.startswith("soul ") and imported == "set()"


def test_help_tells_the_exit_codes(soul: Soul) -> None:
    shown = soul("--help").stdout
    assert "130" in shown and "no daemon runs" in shown and "restart" in shown


@pytest.fixture
def terminal(soul: Soul) -> Iterator[Terminal]:
    with in_terminal([*SOUL, "chat"], soul.env) as chat:
        chat.wait_for("Ctrl-D leaves.")
        chat.wait_for(">")
        yield chat


def test_chat_in_a_terminal(terminal: Terminal) -> None:
    terminal.type("hello there\r")
    terminal.wait_for("hello there \n")
    terminal.wait_for("(replies are slow: kernel torch: the fake has no compiler)")
    terminal.type("/tmep 0\r")
    terminal.wait_for("unknown command /tmep; did you mean /temp?")
    terminal.type("one\\\rtwo\r")
    terminal.wait_for("one two \n")
    terminal.type("\x1b[200~messages\x1b[201~\r")
    terminal.wait_for('["user", "one\\ntwo"]')
    terminal.type("/quit\r")
    assert terminal.wait() == 0


def test_off_the_record_in_a_terminal(terminal: Terminal, daemon: DaemonProcess) -> None:
    terminal.type("/off\r")
    terminal.wait_for("(off the record) >")
    terminal.type("entre nous\r")
    terminal.wait_for("entre nous \n")
    terminal.wait_for("(off the record) >")
    terminal.type("messages\r")
    terminal.wait_for('["user", "entre nous"]')
    terminal.type("/on\r")
    terminal.wait_for("on the record;")
    terminal.type("in the open\r")
    terminal.wait_for("in the open \n")
    terminal.type("/quit\r")
    assert terminal.wait() == 0
    texts = [record["text"] for record in diary_of(daemon)]
    assert "in the open" in texts and "entre nous" not in texts
    workspace = locate.workspace_dir(daemon.config)
    assert "entre nous" not in (workspace / "chat_history").read_text("utf-8")


def test_ctrl_c_in_a_terminal_stops_the_reply_and_stays(terminal: Terminal) -> None:
    terminal.type("delay 0.05; tokens 500\r")
    terminal.wait_for("t3")
    terminal.type("\x03")
    terminal.wait_for("[stopped]")
    terminal.wait_for(">")
    terminal.type("\x03")
    terminal.wait_for("Ctrl-D leaves.")
    terminal.type("still here\r")
    terminal.wait_for("still here \n")
    terminal.wait_for(">")
    terminal.type("\x04")
    assert terminal.wait() == 0


def test_a_chat_survives_its_daemon(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _):
        soul = Soul(process.config)
        with in_terminal([*SOUL, "chat"], soul.env) as chat:
            chat.wait_for(">")
            chat.type("delay 0.05; tokens 500\r")
            chat.wait_for("t3")
            process.kill()
            chat.wait_for("went away")
            chat.type("/status\r")
            chat.wait_for("version")  # of a new daemon
            chat.wait_for(">")
            chat.type("\x04")
            assert chat.wait() == 0
        assert soul("down").returncode == 0


def test_a_chat_begins_beside_a_body_that_is_still_written_to(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _):
        body = tmp_path / "models" / "smollm2-135m-instruct.gguf"
        soul = Soul(process.config)
        with body.open("ab") as copy, in_terminal([*SOUL, "chat"], soul.env) as chat:
            copy.write(b"\0")
            copy.flush()
            assert soul.json("body", "list")["bodies"][0]["name"] == "other"
            chat.wait_for(">")
            chat.type("tokens 3\r")
            chat.wait_for("t2")


def test_safe_mode_for_any_command_but_not_beside_plugins(tmp_path: Path) -> None:
    config = write_config(tmp_path, "plugins: {enabled: [nobody]}")
    soul = Soul(config)
    try:
        assert soul("--safe-mode", "sessions").returncode == 0
        assert enabled(config) == []
        assert soul("up", "--safe-mode").returncode == 0, "it runs without them already"
        assert soul("restart").returncode == 0
        assert enabled(config) == ["nobody"]
        for words in (("--safe-mode", "sessions"), ("up", "--safe-mode")):
            done = soul(*words)
            assert done.returncode == 2
            assert "'soul restart --safe-mode' ends it first" in done.stderr
    finally:
        soul("down")
