"""A real engine process on tiny bodies: what it answers, and what it survives."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import psutil
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file, save_file

from soul_client import codec
from soul_client.wire import ChatMessage, Empty, ErrorCode, Header, Kind, Sampling
from sould.bridge import Generate, Memory
from tests.fakes.engine_client import GREEDY, EngineClient, talk
from tests.fakes.tiny_body import SPECIAL, write_tiny_body

LONG = replace(GREEDY, max_tokens=400)
CONTEXT = 512


def write_body(folder: Path, *, end_scale: float = 0.0, broken_token: int | None = None) -> Path:
    """Write a body that never ends a reply by itself (greedy), or always at once (100.0)."""
    write_tiny_body(folder, tie_word_embeddings=False)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"][-len(SPECIAL) :] *= end_scale
    if broken_token is not None:
        tensors["model.embed_tokens.weight"][broken_token] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_body(tmp_path_factory.mktemp("bodies") / "endless")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, body: Path) -> Iterator[EngineClient]:
    """An engine with the endless body loaded; tests leave it that way."""
    with EngineClient(tmp_path_factory.mktemp("engine")) as client:
        client.load(body)
        yield client


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    """An engine that every test loads with what it needs."""
    with EngineClient(tmp_path_factory.mktemp("spare"), CC="no-such-compiler") as client:
        yield client


def say_first(engine: EngineClient, id_: str, chunks: int = 1) -> str:
    """Wait for the first chunks of a reply; return their text."""
    text = ""
    while chunks:
        header, raw = engine.receive()
        assert header.id == id_, raw
        if header.kind is Kind.CHUNK:
            text += raw["text"]
            chunks -= 1
    return text


def eventually(is_so: Callable[[], bool], timeout_s: float = 5) -> bool:
    ends_s = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < ends_s:
        time.sleep(0.01)
    return is_so()


# Replies


def test_it_says_who_it_is(engine: EngineClient) -> None:
    assert engine.ready.pid == engine.process.pid
    assert engine.ready.torch.startswith("2.")
    assert engine.ready.devices[0] == "cpu"


def test_a_reply_is_streamed_and_counted(engine: EngineClient) -> None:
    reply = engine.generate(talk("a first message"))
    assert reply.finish == "length"
    assert reply.usage.reply_tokens == 8
    assert reply.usage.prompt_tokens == len("?user\na first message?\n?assistant\n")
    assert reply.usage.prefill_s > 0
    assert reply.usage.decode_s > 0


def test_the_prompt_is_told_as_the_body_reads_it(engine: EngineClient) -> None:
    assert engine.generate(talk("hello")).prompt is None
    told = engine.generate(replace(talk("one", "1", "two"), echo_prompt=True))
    assert told.prompt == (
        "<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\n1<|im_end|>\n"
        "<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n"
    )


def test_greedy_replies_are_the_same_whatever_was_cached(engine: EngineClient) -> None:
    first, second = (engine.generate(talk("the same", sampling=LONG)) for _ in range(2))
    assert first.text == second.text
    assert second.usage.cached_tokens == second.usage.prompt_tokens - 1


def test_the_next_turn_computes_only_what_is_new(engine: EngineClient) -> None:
    first = engine.generate(talk("one", sampling=replace(GREEDY, max_tokens=100)))
    second = engine.generate(talk("one", first.text, "two"))
    known = first.usage.prompt_tokens + first.usage.reply_tokens - 1
    assert second.usage.cached_tokens == known
    assert second.usage.prompt_tokens - known < 40


def test_a_seed_repeats_a_reply_whatever_runs_beside_it(engine: EngineClient) -> None:
    sampling = Sampling(max_tokens=60, top_k=20, seed=7)
    alone = engine.generate(talk("seeded", sampling=sampling))
    ids = [
        engine.send("generate", talk(text, sampling=replace(sampling, seed=seed)))
        for text, seed in (("other", 1), ("seeded", 7), ("another", None))
    ]
    answers = engine.wait(*ids)
    assert "".join(answers[1].chunks) == alone.text
    assert "".join(answers[0].chunks) != "".join(answers[2].chunks)


def test_the_end_of_text_ends_a_reply(spare: EngineClient, tmp_path: Path) -> None:
    spare.load(write_body(tmp_path / "curt", end_scale=100.0))
    reply = spare.generate(talk("hello", sampling=LONG))
    assert (reply.finish, reply.text, reply.usage.reply_tokens) == ("stop", "", 0)


def test_a_stop_text_ends_a_reply_and_is_not_shown(engine: EngineClient) -> None:
    whole = engine.generate(talk("stop here", sampling=LONG)).text
    stop = whole[20:23]
    reply = engine.generate(talk("stop here", sampling=replace(LONG, stop=[stop, "never said"])))
    assert reply.finish == "stop"
    assert reply.text == whole.split(stop)[0]


def test_text_comes_in_whole_characters(engine: EngineClient) -> None:
    """Random bytes are hardly ever UTF-8; what arrives is valid all the same, and all of it."""
    id_ = engine.send("generate", talk("bytes", sampling=Sampling(max_tokens=200, seed=5, top_k=0)))
    (answer,) = engine.wait(id_)
    assert "".join(answer.chunks) == answer.result["text"]
    assert all(answer.chunks)


def test_a_short_reply_does_not_wait_for_a_long_one(engine: EngineClient) -> None:
    long = engine.send("generate", talk("a long one", sampling=LONG))
    say_first(engine, long)
    short = engine.send("generate", talk("a short one", sampling=replace(GREEDY, max_tokens=2)))
    ended = []
    while len(ended) < 2:
        header, _ = engine.receive()
        if header.kind is Kind.DONE:
            ended.append(header.id)
    assert ended == [short, long]


def test_more_requests_than_run_at_a_time_are_all_answered(engine: EngineClient) -> None:
    ids = [engine.send("generate", talk(f"message {i}")) for i in range(9)]
    assert all(answer.error is None for answer in engine.wait(*ids))


# Stopping


def test_a_cancelled_reply_keeps_what_was_said(engine: EngineClient) -> None:
    id_ = engine.send("generate", talk("cancel me", sampling=LONG))
    text = say_first(engine, id_, chunks=3)
    engine.cancel(id_)
    (answer,) = engine.wait(id_)
    assert answer.result["finish"] == "cancelled"
    assert answer.result["text"] == text + "".join(answer.chunks)
    assert answer.result["usage"]["reply_tokens"] < 400
    after = engine.generate(talk("cancel me", answer.result["text"], "and on"))
    assert after.usage.cached_tokens > len("cancel me")


def test_a_cancel_right_behind_the_request_is_not_missed(engine: EngineClient) -> None:
    id_ = engine.send("generate", talk("too late", sampling=LONG))
    engine.cancel(id_)
    (answer,) = engine.wait(id_)
    assert answer.result["finish"] == "cancelled"


def test_a_waiting_request_is_cancelled_at_once(engine: EngineClient) -> None:
    running = [engine.send("generate", talk(f"busy {i}", sampling=LONG)) for i in range(4)]
    waiting = engine.send("generate", talk("waiting"))
    engine.cancel(waiting)
    header, raw = engine.receive()
    while header.kind is not Kind.DONE:
        header, raw = engine.receive()
    assert (header.id, raw["finish"], raw["text"]) == (waiting, "cancelled", "")
    for id_ in running:
        engine.cancel(id_)
    engine.wait(*running)


def test_a_cancel_of_nothing_is_ignored(engine: EngineClient) -> None:
    engine.cancel("never heard of")
    assert engine.generate(talk("still there")).text


def test_a_long_prompt_is_computed_in_pieces(engine: EngineClient) -> None:
    (answer,) = engine.wait(engine.send("generate", talk("long " * 70)))
    stages = {p.stage for p in answer.progress}
    done = [p.done for p in answer.progress]
    total = answer.progress[-1].total
    assert stages == {"prefill"}
    assert done == sorted(done)
    assert done[-1] == total
    assert max(b - a for a, b in zip([0, *done], done, strict=False)) <= 256


# The context


def test_a_full_context_ends_a_reply(engine: EngineClient) -> None:
    reply = engine.generate(talk("on and on", sampling=replace(GREEDY, max_tokens=10_000)))
    assert reply.finish == "length"
    assert reply.usage.prompt_tokens + reply.usage.reply_tokens == CONTEXT + 1


def test_old_turns_leave_and_the_next_turn_finds_its_prefix(engine: EngineClient) -> None:
    texts = ["question " * 6, "answer " * 6] * 6
    reply = engine.generate(talk(*texts, "last"))
    assert 0 < reply.keep_from < len(texts)
    again = engine.generate(talk(*texts, "last", reply.text, "x", keep_from=reply.keep_from))
    assert again.keep_from == reply.keep_from
    assert again.usage.prompt_tokens - again.usage.cached_tokens < 40


def test_a_message_that_does_not_fit_is_refused_with_numbers(engine: EngineClient) -> None:
    answer = engine.call("generate", talk("word " * 500))
    assert answer.error is not None
    assert answer.error.code is ErrorCode.PROMPT_TOO_LONG
    assert f"a context of {CONTEXT} leaves 504" in answer.error.message
    assert engine.generate(talk("shorter")).text


def test_control_tokens_in_a_message_are_plain_text(engine: EngineClient) -> None:
    plain = engine.generate(talk("x" * len("<|im_end|>")))
    sly = engine.generate(talk("<|im_end|>"))
    assert sly.usage.prompt_tokens == plain.usage.prompt_tokens


@pytest.mark.parametrize("roles", [(), ("assistant",), ("user", "assistant"), ("system",)], ids=str)
def test_there_must_be_a_message_to_answer(engine: EngineClient, roles: tuple[str, ...]) -> None:
    messages = [ChatMessage(role=role, text="x") for role in roles]  # type: ignore[arg-type]
    answer = engine.call("generate", Generate(messages=messages, sampling=GREEDY))
    assert answer.error is not None
    assert answer.error.code is ErrorCode.BAD_REQUEST


# Frames that are none


def frame(header: object, body: object = None) -> list[bytes]:
    return [b"S1", msgpack.packb(header), msgpack.packb(body or {})]


@pytest.mark.parametrize(
    ("parts", "code", "id_"),
    [
        ([b""], ErrorCode.PROTOCOL_MISMATCH, ""),
        ([b"S0", b"\x80", b"\x80"], ErrorCode.PROTOCOL_MISMATCH, ""),
        ([b"S1", b"\x80"], ErrorCode.BAD_REQUEST, ""),
        ([b"S1", b"\xc1", b"\x80"], ErrorCode.BAD_REQUEST, ""),
        (frame({"kind": "nonsense"}), ErrorCode.BAD_REQUEST, ""),
        (frame({"kind": "req", "id": "a", "method": "fly"}), ErrorCode.UNKNOWN_METHOD, "a"),
        (frame({"kind": "done", "id": "a"}), ErrorCode.BAD_REQUEST, "a"),
        (frame({"kind": "req", "id": "a", "method": "generate"}), ErrorCode.BAD_REQUEST, "a"),
        (
            frame({"kind": "req", "id": "a", "method": "load"}, {"name": 5}),
            ErrorCode.BAD_REQUEST,
            "a",
        ),
        ([*frame({"kind": "req", "id": "a", "method": "load"})[:2], b"\xa1\xff"], None, "a"),
    ],
)
def test_a_malformed_frame_is_answered_and_survived(
    engine: EngineClient, parts: list[bytes], code: ErrorCode | None, id_: str
) -> None:
    engine.socket.send_multipart(parts)
    header, raw = engine.receive()
    assert (header.kind, header.id) == (Kind.ERROR, id_)
    assert raw["code"] == (code or ErrorCode.BAD_REQUEST)
    assert engine.generate(talk("still there")).text


def test_unknown_fields_are_ignored(engine: EngineClient) -> None:
    header = Header(kind=Kind.REQ, id="new", method="memory")
    engine.socket.send_multipart([*codec.pack(header)[:2], msgpack.packb({"later": 1})])
    (answer,) = engine.wait("new")
    assert codec.convert(answer.result, Memory).resident_bytes > 50e6


def test_an_id_under_way_is_not_taken_twice(engine: EngineClient) -> None:
    engine.send("generate", talk("first", sampling=LONG), "twice")
    engine.send("generate", talk("second"), "twice")
    (answer,) = engine.wait("twice")
    assert answer.error is not None
    assert "under way" in answer.error.message
    engine.cancel("twice")
    engine.wait("twice")


# Loading


def test_loading_says_what_was_chosen_and_why(spare: EngineClient, body: Path) -> None:
    request = spare.load_request(body, device="cpu", context_tokens=300)
    (answer,) = spare.wait(spare.send("load", request))
    loaded = answer.result
    assert (loaded["device"], loaded["dtype"], loaded["threads"]) == ("cpu", "float32", 1)
    assert loaded["context_tokens"] == 300
    assert len(loaded["fingerprint"]) == 64
    words = " ".join(loaded["reasons"])
    for choice in ("device", "dtype", "kernel", "threads", "context", "layers", "conversations"):
        assert choice in words
    assert {p.stage for p in answer.progress} == {"loading", "checking"}


def refused(engine: EngineClient, body: Path, **changes: object) -> tuple[ErrorCode, str]:
    answer = engine.call("load", engine.load_request(body, **changes))
    assert answer.error is not None
    return answer.error.code, f"{answer.error.message} {answer.error.hint}"


def test_a_broken_body_is_refused(spare: EngineClient, body: Path, tmp_path: Path) -> None:
    broken = write_body(tmp_path / "broken")
    with (broken / "model.safetensors").open("r+b") as file:
        file.truncate(10_000)
    code, message = refused(spare, broken)
    assert code is ErrorCode.BODY_INVALID
    assert "model.safetensors" in message
    assert refused(spare, tmp_path / "missing")[0] is ErrorCode.BODY_INVALID
    spare.load(body)
    assert spare.generate(talk("all well")).text


def test_a_gpu_that_is_not_there_is_never_replaced(spare: EngineClient, body: Path) -> None:
    code, message = refused(spare, body, device="cuda:77")
    assert code is ErrorCode.DEVICE_UNAVAILABLE
    assert "cuda:77" in message


def test_a_body_over_the_budget_is_refused_with_both_numbers(
    spare: EngineClient, body: Path
) -> None:
    code, message = refused(spare, body, memory_budget_bytes=100_000_000)
    assert code is ErrorCode.NO_MEMORY
    assert "the budget is 100 MB" in message
    assert "context_tokens" in message


def test_without_a_compiler_auto_says_so_and_native_is_an_error(
    spare: EngineClient, body: Path
) -> None:
    loaded = spare.load(body, device="cpu", kernel="auto")
    assert loaded.kernel == "torch"
    assert any("no-such-compiler" in reason for reason in loaded.reasons)
    assert "WARNING sould.engine.kernels: native kernel unavailable" in spare.log
    code, message = refused(spare, body, device="cpu", kernel="native")
    assert code is ErrorCode.DEVICE_UNAVAILABLE
    assert "no-such-compiler" in message


def test_without_a_body_there_is_no_reply(spare: EngineClient, tmp_path: Path) -> None:
    refused(spare, tmp_path / "missing")
    answer = spare.call("generate", talk("hello"))
    assert answer.error is not None
    assert answer.error.code is ErrorCode.BODY_MISSING


def test_a_body_that_computes_nonsense_is_an_error_not_garbage(
    spare: EngineClient, tmp_path: Path
) -> None:
    spare.load(write_body(tmp_path / "nan", broken_token=ord("%")))
    answer = spare.call("generate", talk("100 %"))
    assert answer.error is not None
    assert answer.error.code is ErrorCode.INTERNAL
    assert "NaN" in answer.error.message
    assert spare.generate(talk("without it")).text


def test_a_load_waits_for_replies_and_replies_for_the_load(spare: EngineClient, body: Path) -> None:
    spare.load(body)
    before = spare.send("generate", talk("before", sampling=LONG))
    say_first(spare, before)
    load = spare.send("load", spare.load_request(body))
    after = spare.send("generate", talk("after"))
    ended = []
    while len(ended) < 3:
        header, _ = spare.receive()
        if header.kind is Kind.DONE:
            ended.append(header.id)
    assert ended == [before, load, after]


# The process


def test_it_sleeps_when_there_is_nothing_to_do(engine: EngineClient) -> None:
    engine.generate(talk("then rest"))
    process = psutil.Process(engine.process.pid)
    used = process.cpu_times()
    time.sleep(0.5)
    now = process.cpu_times()
    assert now.user + now.system - used.user - used.system <= 0.03


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no niceness")
def test_it_gives_way_to_others(engine: EngineClient) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, engine.process.pid) == min(ours + 5, 19)
    assert "niceness" in engine.log


def test_nothing_said_is_logged(engine: EngineClient) -> None:
    engine.generate(talk("a Geheimnis"))
    engine.call("generate", talk("Geheimnis " * 300))
    assert "Geheimnis" not in engine.log


def test_ctrl_c_is_not_for_the_engine_and_sigterm_is(tmp_path: Path) -> None:
    with EngineClient(tmp_path) as engine:
        engine.process.send_signal(signal.SIGINT)
        assert engine.call("memory", Empty()).error is None
        engine.process.terminate()
        assert eventually(lambda: engine.process.poll() is not None)


def test_it_ends_with_its_supervisor_even_at_work(tmp_path: Path, body: Path) -> None:
    with EngineClient(tmp_path) as engine:
        engine.load(body)
        say_first(engine, engine.send("generate", talk("on", sampling=LONG)))
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert eventually(lambda: engine.process.poll() == 0, timeout_s=1)


def test_over_tcp_the_link_is_encrypted_with_keys_from_stdin(tmp_path: Path) -> None:
    with EngineClient(tmp_path, is_tcp=True) as engine:
        assert engine.call("memory", Empty()).error is None
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert eventually(lambda: engine.process.poll() == 0)
