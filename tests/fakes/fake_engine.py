"""An engine without a model: speaks the bridge protocol, obeys orders in the user's message.

The last user message is a list of orders, separated by ``;``; anything else is echoed word by
word. ``tokens N`` says N words, ``clock N`` says N times what ``time.monotonic()`` is, ``delay S``
waits that long before each, ``prefill S`` reports
progress for so long first, ``huge N`` says N characters at once, ``unicode`` says some,
``hang`` never answers nor stops, ``deaf`` speaks on but ignores cancel, ``exit N`` ends with
that code after what was said, ``kill`` by SIGKILL, ``error CODE`` answers with an error,
``garbage`` sends a broken frame, ``messages`` says what messages and keep_from it got,
``sampling`` says what sampling it got, ``keep N`` answers with that keep_from, ``bare`` says
whether it is asked to leave its soul out, ``who`` says the fingerprint of the body. What it does
with souls is in ``fake_soul``.

The fingerprint follows from the name of the body and what its file holds after the magic. A body
file that says ``mute`` says nothing, one that says ``broken`` is refused; with ``--one-room`` a
load is refused while another engine has a body.

    python -m tests.fakes.fake_engine [--load-s S] [--die-loading FILE] … ENDPOINT LEVEL
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zmq
from fake_soul import FakeSoul  # beside this file, which is run as a program
from msgspec import Struct

from soul_client import codec
from soul_client.wire import (
    Chunk,
    Empty,
    Error,
    ErrorCode,
    Finish,
    Header,
    Kind,
    LoadedBody,
    Progress,
    Usage,
)
from sould.bridge import ENGINE_METHODS, EngineReady, Generate, Generated, Load, Memory

STEP_S = 0.005
POEM = "縁側の 🐈‍⬛ naïve 👩🏽‍🚀 café"


class FakeEngine:
    """One thread steps all requests in turn, as the real engine does."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.cancelled: set[str] = set()
        self.jobs: dict[str, Iterator[None]] = {}
        self.replies: set[str] = set()
        self.fingerprint = ""
        self.is_mute = False
        self.soul = FakeSoul(self, args.imprints, args.taught)
        self.socket = zmq.Context().socket(zmq.PAIR)
        self.socket.set_hwm(0)
        if args.endpoint.startswith("tcp://"):
            server, public, secret = sys.stdin.buffer.readline().split()
            self.socket.curve_serverkey = server
            self.socket.curve_publickey, self.socket.curve_secretkey = public, secret
        self.socket.connect(args.endpoint)

    def run(self) -> None:
        """Serve until stdin ends."""
        time.sleep(self.args.start_s)
        if self.args.die_starting:
            print("cannot start: the fake was told so", file=sys.stderr, flush=True)
            os._exit(1)
        self.send(Kind.WELCOME, "", EngineReady(pid=os.getpid(), torch="fake", devices=["cpu"]))
        while True:
            if self.socket.poll(0 if self.jobs else 1000):
                self.receive(self.socket.recv_multipart())
            for id_, job in list(self.jobs.items()):
                if next(job, "ended") == "ended":
                    del self.jobs[id_]
                    self.replies.discard(id_)
                    self.cancelled.discard(id_)

    def receive(self, frames: list[bytes]) -> None:
        """Take one frame of the supervisor."""
        header, raw = codec.unpack(frames)
        if header.kind is Kind.CANCEL:
            self.cancelled.add(header.id)
            return
        params = codec.convert(raw, ENGINE_METHODS[header.method][0])
        if isinstance(params, Load):
            self.jobs[header.id] = self.load(header.id, params)
        elif isinstance(params, Generate):
            self.replies.add(header.id)
            self.jobs[header.id] = Reply(self, header.id, params).steps()
        elif isinstance(params, Empty):
            self.send(Kind.DONE, header.id, Memory(resident_bytes=1))
        else:
            self.jobs[header.id] = self.soul.steps(header.id, params)

    def send(self, kind: Kind, id_: str, body: Struct) -> None:
        """Send one frame."""
        self.socket.send_multipart(codec.pack(Header(kind=kind, id=id_), body))

    def load(self, id_: str, load: Load) -> Iterator[None]:
        """Pretend to load for ``--load-s``; die as often as ``--die-loading`` says."""
        if self.args.die_loading and Path(self.args.die_loading).exists():
            lives = int(Path(self.args.die_loading).read_text())
            if lives > 0:
                Path(self.args.die_loading).write_text(str(lives - 1))
                print("RuntimeError: the fake fell over while loading", file=sys.stderr, flush=True)
                os._exit(3)
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < self.args.load_s:
            done = int(spent / self.args.load_s * 100)
            self.send(Kind.PROGRESS, id_, Progress(stage="loading", done=done, total=100))
            yield from pause(0.05)
        if self.args.one_room and not self.has_room():
            error = Error(code=ErrorCode.NO_MEMORY, message="no room for two")
            self.send(Kind.ERROR, id_, error)
            return
        held = contents(Path(load.path))
        if b"broken" in held:
            error = Error(code=ErrorCode.BODY_INVALID, message=f"{load.path}: is broken")
            self.send(Kind.ERROR, id_, error)
            return
        if self.args.refuse_load:
            error = Error(code=ErrorCode.NO_MEMORY, message="too big", hint="buy more")
            self.send(Kind.ERROR, id_, error)
            return
        body = LoadedBody(
            name=load.name,
            family="fake",
            fingerprint=hashlib.sha256(load.name.encode() + held).hexdigest(),
            device="cpu",
            dtype="float32",
            kernel="torch",
            threads=1,
            context_tokens=load.context_tokens or 2048,
            memory_bytes=1,
            load_s=self.args.load_s,
            reasons=["kernel torch: the fake has no compiler"],
        )
        self.fingerprint, self.is_mute = body.fingerprint, b"mute" in held
        self.soul.take_off(body)
        self.send(Kind.DONE, id_, body)

    def has_room(self) -> bool:
        """Whether no other engine that lives has a body; take the only room there is."""
        room = Path(self.args.one_room)
        holder = int(room.read_text()) if room.exists() else 0
        if holder not in (0, os.getpid()) and Path(f"/proc/{holder}").exists():
            return False
        room.write_text(str(os.getpid()))
        return True


class Reply:
    """One ``generate`` request."""

    def __init__(self, engine: FakeEngine, id_: str, params: Generate) -> None:
        self.engine = engine
        self.id = id_
        self.params = params
        self.said: list[str] = []
        self.delay_s = 0.0
        self.keep_from = params.keep_from
        self.is_deaf = False

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel frame for this request has come."""
        return self.id in self.engine.cancelled and not self.is_deaf

    def steps(self) -> Iterator[None]:
        """Carry out the orders in the last message."""
        for order in self.params.messages[-1].text.split(";"):
            verb, *values = order.split() or [""]
            method = getattr(self, f"do_{verb}", None)
            try:
                yield from method(*values) if method else self.do_echo(order)
            except _Ended:
                return
            if self.is_cancelled:
                break
        finish: Finish = "cancelled" if self.is_cancelled else "stop"
        text = "".join(self.said)
        usage = Usage(prompt_tokens=len(self.params.messages), reply_tokens=len(self.said))
        prompt = "\n".join(f"{m.role}: {m.text}" for m in self.params.messages)
        result = Generated(
            text=text,
            finish=finish,
            usage=usage,
            keep_from=self.keep_from,
            prompt=prompt if self.params.echo_prompt else None,
        )
        self.engine.send(Kind.DONE, self.id, result)

    def say(self, text: str) -> None:
        """Stream a piece of the reply."""
        if self.engine.is_mute:
            return
        self.said.append(text)
        self.engine.send(Kind.CHUNK, self.id, Chunk(text=text))

    def do_echo(self, order: str) -> Iterator[None]:
        for word in order.split():
            if self.is_cancelled:
                return
            yield from pause(self.delay_s)
            self.say(f"{word} ")

    def do_tokens(self, count: str) -> Iterator[None]:
        yield from self.do_echo(" ".join(f"t{n}" for n in range(int(count))))

    def do_clock(self, count: str) -> Iterator[None]:
        for _ in range(int(count)):
            if self.is_cancelled:
                return
            yield from pause(self.delay_s)
            self.say(f"{time.monotonic()!r} ")

    def do_delay(self, seconds: str) -> Iterator[None]:
        self.delay_s = float(seconds)
        yield

    def do_prefill(self, seconds: str) -> Iterator[None]:
        begun = time.monotonic()
        while time.monotonic() - begun < float(seconds) and not self.is_cancelled:
            self.engine.send(Kind.PROGRESS, self.id, Progress(stage="prefill", done=1, total=2))
            yield from pause(0.02)

    def do_huge(self, count: str) -> Iterator[None]:
        self.say("x" * int(count))
        yield

    def do_unicode(self) -> Iterator[None]:
        for char in POEM:
            self.say(char)
            yield

    def do_hang(self) -> Iterator[None]:
        while True:
            time.sleep(60)
            yield

    def do_deaf(self) -> Iterator[None]:
        self.is_deaf = True
        yield

    def do_exit(self, code: str) -> Iterator[None]:
        print(f"RuntimeError: told to exit with {code}", file=sys.stderr, flush=True)
        yield from pause(0.05)  # lets what was said leave
        os._exit(int(code))

    def do_kill(self) -> Iterator[None]:
        print("WARNING fake: long ago\nINFO fake: all is well", file=sys.stderr, flush=True)
        yield from pause(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    def do_error(self, code: str) -> Iterator[None]:
        error = Error(code=ErrorCode(code), message="as ordered", hint="order less")
        self.engine.send(Kind.ERROR, self.id, error)
        yield
        raise _Ended

    def do_garbage(self) -> Iterator[None]:
        self.engine.socket.send_multipart([b"S1", b"\xc1", b"nonsense"])
        yield from pause(5)

    def do_messages(self) -> Iterator[None]:
        said = [[m.role, m.text] for m in self.params.messages]
        self.say(json.dumps({"messages": said, "keep_from": self.params.keep_from}))
        yield

    def do_sampling(self) -> Iterator[None]:
        self.say(json.dumps(msgspec.to_builtins(self.params.sampling)))
        yield

    def do_bare(self) -> Iterator[None]:
        self.say(json.dumps(self.params.bare))
        yield

    def do_who(self) -> Iterator[None]:
        self.say(f"{self.engine.fingerprint[:12]} ")
        yield

    def do_keep(self, index: str) -> Iterator[None]:
        self.keep_from = int(index)
        yield


class _Ended(Exception):
    """The request was answered already."""


def contents(path: Path) -> bytes:
    """Return what a body file holds after its magic; nothing but zeros is nothing."""
    return path.read_bytes()[4:].rstrip(b"\0") if path.is_file() else b""


def pause(seconds: float) -> Iterator[None]:
    """Let other requests run for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(STEP_S, max(0.0, until - time.monotonic())))
        yield


def end_with_stdin() -> None:
    """End the process when the supervisor is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("level")
    parser.add_argument("--start-s", type=float, default=0.0)
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--die-starting", action="store_true")
    parser.add_argument("--die-loading", help="file with how many more loads are to fail")
    parser.add_argument("--refuse-load", action="store_true")
    parser.add_argument("--imprints", help="file that gets each imprint asked for, as JSON lines")
    parser.add_argument("--taught", help="file that gets each imprint done, as JSON lines")
    parser.add_argument("--one-room", help="file that says which engine has a body")
    parser.add_argument("--ignore-stdin", action="store_true")
    return parser.parse_args()


def main() -> Any:
    """Run the fake."""
    args = parse_args()
    engine = FakeEngine(args)
    if not args.ignore_stdin:
        threading.Thread(target=end_with_stdin, daemon=True).start()
    engine.run()


if __name__ == "__main__":
    main()
