"""A stand-in for the supervisor: starts a real engine process and speaks to it, blocking."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import zmq
from msgspec import Struct

from soul_client import codec
from soul_client.wire import ChatMessage, Chunk, Error, Header, Kind, LoadedBody, Progress, Sampling
from sould.bridge import (
    ENGINE_METHODS,
    Dreams,
    EngineReady,
    Generate,
    Generated,
    Load,
    Wear,
    Worn,
)
from sould.engine.link import LIMITS
from sould.soulfile.home import SoulHome

GREEDY = Sampling(temperature=0, max_tokens=8)


@dataclass
class Answer:
    """All frames of one request, as they came."""

    progress: list[Progress] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    result: Any = None
    error: Error | None = None


class EngineClient:
    """An engine process and its PAIR socket. Leaving the block ends both."""

    def __init__(
        self, folder: Path, *, level: str = "DEBUG", is_tcp: bool = False, **env: str
    ) -> None:
        self.log_path = folder / "engine.log"
        self._folder = folder
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.PAIR)
        self.socket.linger = 0
        keys = self._bind_curve() if is_tcp else b""
        self.socket.bind("tcp://127.0.0.1:*" if is_tcp else f"ipc://{folder / 'e.sock'}")
        endpoint = self.socket.last_endpoint.decode()
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sould.engine", endpoint, level],
                stdin=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
            )
        self._ids = count(1)
        assert self.process.stdin is not None
        self.process.stdin.write(keys)
        self.process.stdin.flush()

    def _bind_curve(self) -> bytes:
        """Encrypt the socket; return the line of keys for the engine's stdin."""
        (server, server_secret), (client, client_secret) = zmq.curve_keypair(), zmq.curve_keypair()
        self.socket.curve_server = True
        self.socket.curve_secretkey = server_secret
        return b" ".join((server, client, client_secret)) + b"\n"

    def __enter__(self) -> EngineClient:
        header, raw = self.receive(60)
        assert header.kind is Kind.WELCOME
        self.ready = codec.convert(raw, EngineReady)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._context.destroy()

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def send(self, method: str, params: Struct, id_: str = "") -> str:
        """Send a request; return its id."""
        id_ = id_ or f"r{next(self._ids)}"
        self.socket.send_multipart(codec.pack(Header(kind=Kind.REQ, id=id_, method=method), params))
        return id_

    def cancel(self, id_: str) -> None:
        self.socket.send_multipart(codec.pack(Header(kind=Kind.CANCEL, id=id_)))

    def receive(self, timeout_s: float = 30) -> tuple[Header, Any]:
        """Return the next frame."""
        if not self.socket.poll(timeout_s * 1000):
            raise TimeoutError(f"no frame for {timeout_s} s; the engine's log:\n{self.log}")
        return codec.unpack(self.socket.recv_multipart(), LIMITS)

    def wait(self, *ids: str, timeout_s: float = 60) -> list[Answer]:
        """Collect frames until all of ``ids`` are answered."""
        answers = {id_: Answer() for id_ in ids}
        open_ids = set(ids)
        ends_s = time.monotonic() + timeout_s
        while open_ids:
            header, raw = self.receive(ends_s - time.monotonic())
            answer = answers[header.id]
            match header.kind:
                case Kind.PROGRESS:
                    answer.progress.append(codec.convert(raw, Progress))
                case Kind.CHUNK:
                    answer.chunks.append(codec.convert(raw, Chunk).text)
                case Kind.DONE:
                    answer.result = raw
                    open_ids.discard(header.id)
                case Kind.ERROR:
                    answer.error = codec.convert(raw, Error)
                    open_ids.discard(header.id)
                case _:
                    raise AssertionError(f"unexpected {header.kind} frame")
        return [answers[id_] for id_ in ids]

    def call(self, method: str, params: Struct) -> Answer:
        """Send a request and wait for its answer."""
        (answer,) = self.wait(self.send(method, params))
        if answer.error is None:
            answer.result = codec.convert(answer.result, ENGINE_METHODS[method][1])
        return answer

    def ask(self, method: str, params: Struct) -> Any:
        """Send a request that does not fail, and return its result."""
        answer = self.call(method, params)
        assert answer.error is None, answer.error
        return answer.result

    def wear(self, home: SoulHome, inner_lr: float = 3e-3, dreams: Dreams = "auto") -> Worn:
        """Put on the soul of a folder."""
        order = Wear(name="mika", folder=str(home.folder), inner_lr=inner_lr, dreams=dreams)
        worn = self.ask("soul.wear", order)
        assert isinstance(worn, Worn)
        return worn

    def load(self, body: Path, **changes: Any) -> LoadedBody:
        """Load ``body`` with the torch kernel, which needs no compiler, unless told otherwise."""
        params = self.load_request(body, **changes)
        answer = self.call("load", params)
        assert answer.error is None, answer.error
        assert isinstance(answer.result, LoadedBody)
        return answer.result

    def load_request(self, body: Path, **changes: Any) -> Load:
        request = Load(
            name="tiny",
            path=str(body),
            cache_dir=str(self._folder / "cache"),
            kernel="torch",
            threads=1,
        )
        return msgspec.structs.replace(request, **changes)

    def generate(self, params: Generate) -> Generated:
        """Return a reply, after checking that its chunks are its text."""
        answer = self.call("generate", params)
        assert answer.error is None, answer.error
        assert isinstance(answer.result, Generated)
        assert "".join(answer.chunks) == answer.result.text
        return answer.result


def talk(*texts: str, sampling: Sampling = GREEDY, keep_from: int = 0, **rest: Any) -> Generate:
    """Return a request: texts of user and assistant in turn, the user's first."""
    return Generate(messages=messages(texts), sampling=sampling, keep_from=keep_from, **rest)


def messages(texts: Sequence[str]) -> list[ChatMessage]:
    roles = ("user", "assistant")
    return [ChatMessage(role=roles[i % 2], text=t) for i, t in enumerate(texts)]  # type: ignore[arg-type]
