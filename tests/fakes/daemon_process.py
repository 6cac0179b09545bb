"""A real daemon in a process of its own, mostly with the fake engine, and a raw client for it."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import zmq
from msgspec import Struct

from soul_client import codec, locate
from soul_client.wire import Connection, Error, Header, Kind, Status
from sould.testing import daemon_process as testing

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")

_ids = count(1)


def write_config(folder: Path, text: str = "") -> Path:
    """Write a config with short paths, and a model file the fake engine pretends to load."""
    path = folder / "config.yaml"
    head = "" if "runtime_dir" in text else f"runtime_dir: {folder / 'run'}\n"
    path.write_text(f"bit_ttt: 1\n{head}{text}\n")
    models = folder / "models"
    models.mkdir(exist_ok=True)
    for name in ("smollm2-135m-instruct", "other"):
        (models / f"{name}.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    return path


class DaemonProcess(testing.DaemonProcess):
    """A running ``sould``. ``engine`` are arguments of the fake engine, if it has that one.
    ``grace_s``: how long that may take to obey a stop.
    """

    def __init__(
        self,
        config: Path,
        *engine: str,
        env: dict[str, str] | None = None,
        has_real_engine: bool = False,
        safe_mode: bool = False,
        grace_s: float = 1,
    ) -> None:
        fake = " ".join([sys.executable, str(FAKE_ENGINE), *engine])
        patience = ["--engine-grace-s", str(grace_s), "--engine-quiet-s", "0.3"]
        options = [] if has_real_engine else ["--engine", fake, *patience]
        mode = ["--safe-mode"] if safe_mode else []
        super().__init__(config, *mode, *options, environ=env)


class Peer:
    """One client, nothing but sockets and the codec."""

    def __init__(self, connection: Connection, *, rcvhwm: int = 1000) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.rpc = self.context.socket(zmq.DEALER)
        self.ctl = self.context.socket(zmq.DEALER)
        self.rpc.set(zmq.RCVHWM, rcvhwm)
        self.rpc.connect(connection.rpc)
        self.ctl.connect(connection.ctl)
        self.connection = connection

    def send(
        self,
        method: str,
        body: Struct | dict[str, Any] | None = None,
        id: str = "",
        ctl: bool = False,
    ) -> str:
        """Send a request and return its id."""
        id = id or f"r{next(_ids)}"
        header = Header(kind=Kind.REQ, id=id, method=method)
        (self.ctl if ctl else self.rpc).send_multipart(codec.pack(header, body))
        return id

    def chat(self, text: str, **more: Any) -> str:
        """Send ``chat.send`` and return its id."""
        return self.send("chat.send", {"text": text, **more})

    def recv(self, timeout_s: float = 10.0, ctl: bool = False) -> tuple[Header, Any]:
        """Return the next frame."""
        socket = self.ctl if ctl else self.rpc
        assert socket.poll(max(0, int(timeout_s * 1000))), "no frame came"
        return codec.unpack(socket.recv_multipart(), BIG)

    def collect(self, *ids: str, timeout_s: float = 10.0) -> dict[str, list[tuple[Header, Any]]]:
        """Read until each of the requests has its final frame; return their frames."""
        frames: dict[str, list[tuple[Header, Any]]] = {id_: [] for id_ in ids}
        open_ids = set(ids)
        until = time.monotonic() + timeout_s
        while open_ids:
            header, body = self.recv(until - time.monotonic())
            frames.setdefault(header.id, []).append((header, body))
            if header.kind in (Kind.DONE, Kind.ERROR):
                open_ids.discard(header.id)
        return frames

    def finish(self, id_: str, timeout_s: float = 10.0) -> Any:
        """Return the body of the final frame of a request, an ``Error`` struct for an error."""
        header, body = self.collect(id_, timeout_s=timeout_s)[id_][-1]
        return codec.convert(body, Error) if header.kind is Kind.ERROR else body

    def ask(self, method: str, body: Struct | dict[str, Any] | None = None) -> Any:
        """Send a request and return its final body."""
        return self.finish(self.send(method, body))

    def say(self, text: str, **more: Any) -> Any:
        """Chat and return the final body."""
        return self.finish(self.chat(text, **more))

    def await_chunk(self, id_: str) -> str:
        """Wait for the next chunk of a request."""
        while True:
            header, body = self.recv()
            assert header.kind not in (Kind.DONE, Kind.ERROR), (header, body)
            if header.id == id_ and header.kind is Kind.CHUNK:
                return str(body["text"])

    def control(self, kind: Kind, body: Any = None, method: str = "") -> Any:
        """Ask on ``ctl`` and return the answer's body."""
        id_ = f"c{next(_ids)}"
        self.ctl.send_multipart(codec.pack(Header(kind=kind, id=id_, method=method), body))
        header, answer = self.recv(ctl=True)
        assert header.id == id_
        return codec.convert(answer, Error) if header.kind is Kind.ERROR else answer

    def cancel(self, target: str = "") -> list[str]:
        """Cancel a request; return the ids told to stop."""
        ids: list[str] = self.control(Kind.CANCEL, {"target": target})["ids"]
        return ids

    def status(self) -> Status:
        """Ask for the status."""
        return codec.convert(self.control(Kind.REQ, method="daemon.status"), Status)

    def await_status(self, holds: Callable[[Status], bool], timeout_s: float = 10.0) -> Status:
        """Wait until the status fulfils a condition."""
        until = time.monotonic() + timeout_s
        while not holds(status := self.status()):
            assert time.monotonic() < until, status
            time.sleep(0.01)
        return status

    def close(self) -> None:
        """Vanish."""
        self.context.destroy(linger=0)


BIG = msgspec.structs.replace(codec.DEFAULT_LIMITS, max_frame_bytes=1 << 28)


@contextlib.contextmanager
def running(
    folder: Path,
    config: str = "",
    *engine: str,
    env: dict[str, str] | None = None,
    grace_s: float = 1,
) -> Iterator[tuple[DaemonProcess, Peer]]:
    """Run a daemon and connect one client to it."""
    daemon = DaemonProcess(write_config(folder, config), *engine, env=env, grace_s=grace_s)
    try:
        peer = Peer(daemon.await_ready())
        try:
            yield daemon, peer
        finally:
            peer.close()
    finally:
        daemon.close()


def diary_of(daemon: DaemonProcess) -> list[dict[str, Any]]:
    """Return all records of a daemon's diary, oldest first."""
    folder = locate.workspace_dir(daemon.config) / "memories"
    days = [path.read_text() for path in sorted(folder.glob("*.jsonl"))]
    return [json.loads(line) for day in days for line in day.splitlines()]
