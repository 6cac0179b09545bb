"""Frames as a client sends them, spoilt in every way; and which of them must not be sent.

A frame is spoilt as bytes (bits, lengths, parts) or before it is packed (types, shapes, kinds).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

from soul_client import codec
from soul_client.errors import WireError
from soul_client.wire import CTL_METHODS, MAGIC, RPC_METHODS, Header, Kind, Limits

Json = dict[str, Any]
Parts = list[bytes]

RARE = 0.03
"""How often what starts a process or makes a soul is asked for, against the others."""

RARELY = (
    *("body.info", "body.load", "body.unload", "body.pull"),
    *("soul.new", "soul.load", "soul.import", "soul.verify"),
)

VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf"),
    "", " ", "x", "../..", "\x00", "é" * 70, "x" * 5000, "s1", b"", b"\xff\xfe", [], [[]], ["x"],
    [None] * 100, {}, {"a": 1}, {"": {}}, [{"role": "user"}], "all", "daemon.shutdown",
]  # fmt: skip

PREFIXES = [
    b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc1", b"\x81",
    b"\xdf\xff\xff\xff\xff", b"\xdd\x00\x01\x00\x00", b"\xc9\x00\x00\x00\x10\x05", b"\xc7\x01\x05x",
    b"\xd9\xff", b"\xda\xff\xff", b"\xdc\xff\xff", b"\xde\xff\xff", b"\x9f" * 40, b"\x91" * 3000,
    b"\x81\xa1a" * 200, b"\xcb\x7f\xf0", b"\xa4\xff\xfe\xfd\xfc",
]  # fmt: skip


class Frames:
    """Makes frames: sound ones by chance, of every kind and method, then spoilt."""

    def __init__(self, rng: random.Random, scratch: Path, limits: Limits) -> None:
        self._random = rng
        self._scratch = scratch
        self._limits = limits
        self._made = 0
        self._whole: tuple[Callable[[Header, Any], tuple[Json, Any]], ...] = (
            self._other_value, self._no_field, self._another_field, self._nested, self._other_body,
            self._other_kind, self._other_method, self._other_header,
        )  # fmt: skip
        self._packed: tuple[Callable[[Parts], Parts], ...] = (
            self._flipped, self._truncated, self._cut_out, self._lengthened, self._overwritten,
            self._doubled, self._dropped, self._swapped, self._prefixed, self._huge,
        )  # fmt: skip

    def frame(self, *, is_ctl: bool) -> Parts:
        """Return a spoilt frame that is safe to send."""
        while True:
            parts = self._spoilt(is_ctl)
            if self._is_safe(parts, is_ctl):
                return parts

    def noise(self) -> bytes:
        """Return what no ZeroMQ peer says, or stops saying in the middle."""
        greeting = b"\xff" + b"\0" * 7 + b"\x01\x7f\x03\x00NULL" + b"\0" * 48
        ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
        length = self._random.choice((0, 2**20, 2**40, 2**63 - 1, 2**64 - 1))
        frame = self._random.choice((b"\x02", b"\x03", b"\x06")) + length.to_bytes(8)
        whole = greeting + ready + frame + self._random.randbytes(64)
        match self._random.randrange(4):
            case 0:
                return self._random.randbytes(self._random.randint(0, 200))
            case 1:
                return whole[: self._random.randrange(len(whole))]
            case 2:
                return self._flipped([whole])[0]
        return whole

    def _spoilt(self, is_ctl: bool) -> Parts:
        header, body = self._sound(is_ctl)
        raw: Any = {k: v for k, v in vars_of(header).items() if v != ""}
        for _ in range(self._random.choice((0, 1, 1, 2))):
            raw, body = self._random.choice(self._whole)(raw, body)
        parts = [MAGIC, msgpack.packb(raw), msgpack.packb(body)]
        for _ in range(self._random.choice((0, 0, 1, 2))):
            parts = self._random.choice(self._packed)(parts)
        return parts

    def _is_safe(self, parts: Parts, is_ctl: bool) -> bool:
        """Tell whether a frame does no harm if it is sound: it may end the daemon, ask the
        network, or write where it should not.
        """
        try:
            header, raw = codec.unpack(parts, self._limits)
            if header.kind is not Kind.REQ:
                return True
            methods = CTL_METHODS if is_ctl else RPC_METHODS
            if header.method not in methods:
                return True
            params: Any = codec.convert(raw, methods[header.method][0])
        except WireError:
            return True
        if header.method == "daemon.shutdown":
            return False
        if header.method == "body.pull":
            return str(params.source).startswith("/nowhere")
        if header.method == "soul.export":
            return Path(params.path).parent == self._scratch
        return True

    # Sound frames.

    def _sound(self, is_ctl: bool) -> tuple[Header, Any]:
        self._made += 1
        kind, id_ = Kind.REQ, f"m{self._made}"
        if self._random.random() < (0.5 if is_ctl else 0.05):
            kind = self._random.choice((Kind.HELLO, Kind.PING, Kind.CANCEL))
        if kind is not Kind.REQ:
            return Header(kind=kind, id=id_), self._body_of(kind)
        if is_ctl:
            return Header(kind=kind, id=id_, method="daemon.status"), {}
        names = list(RPC_METHODS)
        weights = [RARE if name in RARELY else 1.0 for name in names]
        method = self._random.choices(names, weights)[0]
        return Header(kind=kind, id=id_, method=method), self._params(method)

    def _body_of(self, kind: Kind) -> Json:
        bodies: dict[Kind, Json] = {
            Kind.HELLO: {"client": "x", "protocol_min": 1, "protocol_max": 1},
            Kind.CANCEL: {"target": f"m{max(0, self._made - self._random.randint(0, 30))}"},
        }
        return bodies.get(kind, {})

    def _params(self, method: str) -> Json:
        name = self._random.choice(("default", "mika", "mika@1", "nobody"))
        path = str(self._scratch / self._random.choice(("a.soul", "b.soul", "none.soul")))
        match method:
            case "chat.send":
                return self._chat()
            case "session.get":
                return {"session": f"s{self._random.randrange(50)}"}
            case "body.load" | "body.info":
                return {"name": self._random.choice(("", "other", "nothing"))}
            case "body.pull":
                return {"source": "/nowhere/body.gguf", "name": "x", "replace": False}
            case "soul.use" | "soul.new" | "soul.history":
                return {"name": name}
            case "soul.save":
                return {"name": self._random.choice(("", "", "mika"))}
            case "soul.load":
                return {"source": self._random.choice((name, path))}
            case "soul.undo":
                return self._random.choice(({"steps": 1}, {"to": 1}))
            case "soul.export" | "soul.import":
                return {"path": path, "name": self._random.choice(("", name))}
            case "soul.verify":
                return {"path": path}
            case "soul.diff":
                return {"a": name, "b": "", "probes": ["Who?"]}
            case "text.score":
                return {"texts": ["One text.", "Another."], "bare": True}
        return {}

    def _chat(self) -> Json:
        return {
            "text": "some words",
            "session": f"s{self._random.randrange(50)}",
            "system": None,
            "sampling": {"max_tokens": 4, "temperature": 0.5, "stop": ["x"]},
            "deadline_s": 5.0,
            "off_record": self._random.random() < 0.5,
            "bare": False,
        }

    # Spoilt before they are packed.

    def _other_value(self, header: Any, body: Any) -> tuple[Any, Any]:
        return header, self._changed(body, lambda _: self._random.choice(VALUES))

    def _no_field(self, header: Any, body: Any) -> tuple[Any, Any]:
        if isinstance(body, dict) and body:
            gone = self._random.choice(list(body))
            return header, {k: v for k, v in body.items() if k is not gone}
        return header, {}

    def _another_field(self, header: Any, body: Any) -> tuple[Any, Any]:
        key = self._random.choice(("x", "", 1, None, b"text", "text", "é" * 300))
        value = self._random.choice(VALUES)
        return header, {**body, key: value} if isinstance(body, dict) else {key: value}

    def _nested(self, header: Any, body: Any) -> tuple[Any, Any]:
        def deep(value: Any) -> Any:
            for _ in range(self._random.choice((2, 31, 32, 33, 200, 450))):
                value = [value] if self._random.random() < 0.5 else {"a": value}
            return value

        return header, self._changed(body, deep)

    def _other_body(self, header: Any, body: Any) -> tuple[Any, Any]:
        big: list[Any] = [0] * self._random.choice((10, 65_536, 65_537))
        return header, self._random.choice([*VALUES, big, {"text": "y" * 70_000}, [body], body])

    def _other_kind(self, header: Any, body: Any) -> tuple[Any, Any]:
        kind = self._random.choice([*(k.value for k in Kind), *VALUES])
        return self._with(header, "kind", kind), body

    def _other_method(self, header: Any, body: Any) -> tuple[Any, Any]:
        methods = [*RPC_METHODS, *CTL_METHODS, "chat", "imprint", "soul.wear", "m" * 65]
        return self._with(header, "method", self._random.choice([*methods, *VALUES])), body

    def _other_header(self, header: Any, body: Any) -> tuple[Any, Any]:
        if self._random.random() < 0.3:
            return self._random.choice(VALUES), body
        key = self._random.choice(("id", "seq", "x", "kind"))
        return self._with(header, key, self._random.choice([*VALUES, "i" * 65])), body

    def _with(self, header: Any, key: str, value: Any) -> Any:
        return {**header, key: value} if isinstance(header, dict) else header

    def _changed(self, body: Any, change: Callable[[Any], Any]) -> Any:
        """Return a body with one value in it, or itself, changed."""
        if isinstance(body, dict) and body and self._random.random() < 0.95:
            key = self._random.choice(list(body))
            return {**body, key: self._changed(body[key], change)}
        return change(body)

    # Spoilt as bytes.

    def _one(self, parts: Parts, change: Callable[[bytes], bytes]) -> Parts:
        at = self._random.choices(range(len(parts)), [0.3, *(1.0,) * (len(parts) - 1)])[0]
        return [change(part) if n == at else part for n, part in enumerate(parts)]

    def _flipped(self, parts: Parts) -> Parts:
        def flip(part: bytes) -> bytes:
            spoilt = bytearray(part)
            for _ in range(self._random.randint(1, 4) if part else 0):
                spoilt[self._random.randrange(len(part))] ^= 1 << self._random.randrange(8)
            return bytes(spoilt)

        return self._one(parts, flip)

    def _truncated(self, parts: Parts) -> Parts:
        return self._one(parts, lambda part: part[: self._random.randint(0, max(0, len(part) - 1))])

    def _cut_out(self, parts: Parts) -> Parts:
        def cut(part: bytes) -> bytes:
            at = self._random.randint(0, len(part))
            return part[:at] + part[at + self._random.randint(1, 8) :]

        return self._one(parts, cut)

    def _lengthened(self, parts: Parts) -> Parts:
        return self._one(parts, lambda p: p + self._random.randbytes(self._random.randint(1, 64)))

    def _overwritten(self, parts: Parts) -> Parts:
        def overwrite(part: bytes) -> bytes:
            at, noise = self._random.randint(0, len(part)), self._random.randbytes(8)
            return part[:at] + noise + part[at + 8 :]

        return self._one(parts, overwrite)

    def _prefixed(self, parts: Parts) -> Parts:
        return self._one(parts, lambda part: self._random.choice(PREFIXES) + part)

    def _huge(self, parts: Parts) -> Parts:
        """Make a part long, in whole up to twice what is allowed."""
        if self._random.random() < 0.8:
            return self._prefixed(parts)
        size = self._random.choice((1000, self._limits.max_frame_bytes))
        return self._one(parts, lambda part: part[:4] + b"\x93" * size)

    def _doubled(self, parts: Parts) -> Parts:
        at = self._random.randrange(len(parts))
        return [*parts[:at], *[parts[at]] * self._random.choice((2, 2, 3, 200)), *parts[at + 1 :]]

    def _dropped(self, parts: Parts) -> Parts:
        at = self._random.randrange(len(parts))
        return [*parts[:at], *parts[at + 1 :]] or [b""]

    def _swapped(self, parts: Parts) -> Parts:
        return self._random.sample(parts, len(parts))


def vars_of(header: Header) -> Json:
    """Return a header as it is packed."""
    return {"kind": header.kind.value, "id": header.id, "method": header.method}
