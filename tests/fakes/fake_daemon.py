"""A daemon without an engine: real sockets, scripted answers, and every bad habit on demand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import zmq

from soul_client import codec, wire
from soul_client.wire import Header, Kind

CONFIG = "bit_ttt: 1\nruntime_dir: run\n"

Answer = tuple[Kind, Any]
Script = Callable[["FakeDaemon", Header, Any], Iterator[Answer | None]]
"""Yields answers one by one; None lets the sockets be read before it goes on."""


def echo_chat(daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
    """Reply with the text, a character at a time; stop when told to."""
    session = raw["session"] or "s1"
    yield Kind.ACK, wire.Ack(session=session)
    yield Kind.PROGRESS, wire.Progress(stage="prefill", done=1, total=1)
    said = ""
    for character in raw["text"]:
        yield None
        if header.id in daemon.cancelled:
            break
        said += character
        yield Kind.CHUNK, wire.Chunk(text=character)
    finish: wire.Finish = "stop" if said == raw["text"] else "cancelled"
    usage = wire.Usage(prompt_tokens=len(raw["text"]), reply_tokens=len(said))
    yield (
        Kind.DONE,
        wire.ChatDone(session=session, text=said, finish=finish, usage=usage, recorded=bool(said)),
    )


def endless_chat(daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
    """Talk until told to stop."""
    yield Kind.ACK, wire.Ack(session="s1")
    said = ""
    while header.id not in daemon.cancelled:
        said += "la "
        yield Kind.CHUNK, wire.Chunk(text="la ")
        time.sleep(0.002)
        yield None
    usage = wire.Usage()
    yield Kind.DONE, wire.ChatDone(session="s1", text=said, finish="cancelled", usage=usage)


def answer(*answers: Answer) -> Script:
    """Make a script that sends these and no more."""

    def script(daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        yield from answers

    return script


class FakeDaemon:
    """One thread with the three sockets; ``scripts`` says how each method is answered."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        self.config.write_text(CONFIG, "utf-8")
        self.run_dir = folder / "run"
        self.run_dir.mkdir(mode=0o700, exist_ok=True)
        self.scripts: dict[str, Script] = {"chat.send": echo_chat}
        self.cancelled: set[str] = set()
        self.requests: list[tuple[Header, Any]] = []
        self.answered: list[str] = []
        self.is_silent = False
        self.hides_ids = False
        self.pings = 0
        self._seq = 0
        self._running: list[tuple[zmq.Socket[bytes], bytes, Header, Iterator[Answer | None]]] = []
        self._outbox: list[list[bytes]] = []
        self._is_stopping = threading.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        """Serve, and write ``connection.json`` when the sockets are bound."""
        self._thread.start()
        assert self._is_up.wait(10)
        self.write_connection(self.run_dir / "connection.json")

    def stop(self) -> None:
        """Close the sockets, as a killed daemon does."""
        self._is_stopping.set()
        self._thread.join(10)

    def connection(self) -> wire.Connection:
        """What ``connection.json`` says."""
        return wire.Connection(
            rpc=self._endpoint("rpc"),
            ctl=self._endpoint("ctl"),
            evt=self._endpoint("evt"),
            protocol_min=wire.PROTOCOL,
            protocol_max=wire.PROTOCOL,
            daemon_id="fake",
            pid=os.getpid(),
            version="0",
            config=str(self.config),
            workspace=str(self.config.parent / "workspace"),
        )

    def write_connection(self, path: Path) -> None:
        """Write a private ``connection.json``."""
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(self.connection()))

    def publish(self, name: str, data: dict[str, Any], *, lose: int = 0) -> None:
        """Send an event, after losing some."""
        self._seq += 1 + lose
        event = wire.Event(name=name, ts="2026-01-01T00:00:00Z", data=data)
        self._outbox.append(codec.pack(Header(kind=Kind.EVENT, seq=self._seq), event))

    def status(self) -> wire.Status:
        """A status of an idle daemon."""
        return wire.Status(
            version="0",
            protocol=wire.PROTOCOL,
            daemon_id="fake",
            pid=os.getpid(),
            uptime_s=1.0,
            state="idle",
            config=str(self.config),
            workspace=str(self.config.parent / "workspace"),
            engine=wire.EngineStatus(state="absent"),
            body=None,
            body_configured="smollm2",
            requests=[],
            diary_writable=True,
            memory_bytes=1,
            event_seq=self._seq,
        )

    def _endpoint(self, name: str) -> str:
        return f"ipc://{self.run_dir}/{name}.sock"

    def _serve(self) -> None:
        context = zmq.Context()
        try:
            sockets = [context.socket(zmq.ROUTER), context.socket(zmq.ROUTER)]
            events = context.socket(zmq.XPUB)
            for socket, name in zip((*sockets, events), ("rpc", "ctl", "evt"), strict=True):
                socket.bind(self._endpoint(name))
            self._is_up.set()
            while not self._is_stopping.is_set():
                self._turn(sockets, events)
        finally:
            context.destroy(linger=0)

    def _turn(self, sockets: list[zmq.Socket[bytes]], events: zmq.Socket[bytes]) -> None:
        if events.poll(0) and events.recv().startswith(b"\x01"):
            welcome = wire.Event(name="welcome", ts="2026-01-01T00:00:00Z", data={})
            self._outbox.append(codec.pack(Header(kind=Kind.EVENT, seq=self._seq), welcome))
        while self._outbox:
            events.send_multipart(self._outbox.pop(0))
        for socket in sockets:
            if socket.poll(0 if self._running else 2) and not self.is_silent:
                peer, *frames = socket.recv_multipart()
                header, raw = codec.unpack(frames)
                self._take(socket, peer, header, raw)
        for running in list(self._running):
            self._step(running)

    def _take(self, socket: zmq.Socket[bytes], peer: bytes, header: Header, raw: Any) -> None:
        self.requests.append((header, raw))
        match header.kind:
            case Kind.HELLO:
                welcome = wire.Welcome(
                    version="0", protocol=1, daemon_id="fake", limits=wire.Limits()
                )
                script = answer((Kind.WELCOME, welcome))
            case Kind.PING:
                self.pings += 1
                script = answer((Kind.PONG, wire.Empty()))
            case Kind.CANCEL:
                self.cancelled.add(raw["target"])
                script = answer((Kind.DONE, wire.Stopped(ids=[raw["target"]])))
            case _:
                script = self.scripts.get(header.method) or self._default(header.method)
        self._running.append((socket, peer, header, script(self, header, raw)))

    def _default(self, method: str) -> Script:
        if method == "daemon.status":
            return answer((Kind.DONE, self.status()))
        unknown = wire.Error(code=wire.ErrorCode.UNKNOWN_METHOD, message=f"no method {method}")
        return answer((Kind.ERROR, unknown))

    def _step(
        self, running: tuple[zmq.Socket[bytes], bytes, Header, Iterator[Answer | None]]
    ) -> None:
        socket, peer, header, script = running
        for item in script:
            if item is None:
                return
            kind, body = item
            reply_id = "" if self.hides_ids else header.id
            socket.send_multipart([peer, *codec.pack(Header(kind=kind, id=reply_id), body)])
        self._running.remove(running)
        self.answered.append(header.id)


@contextmanager
def fake_daemon(folder: Path) -> Iterator[FakeDaemon]:
    """Run a fake daemon in ``folder`` (its config is there too)."""
    daemon = FakeDaemon(folder)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
