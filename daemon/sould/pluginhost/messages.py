"""What supervisor and plugin host say to each other: msgpack, each message after its length."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sould.plugin.declared import Frontend, Job
from sould.plugin.structs import Home

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
EXIT_MEMORY = 70
"""The host ended itself: a plugin used up its memory, and was told of as a failure."""

_LENGTH = struct.Struct("<I")


class Wanted(Struct, frozen=True, kw_only=True):
    """A plugin to load. ``target``: ``module`` or ``module:name``."""

    name: str
    target: str
    settings: dict[str, Any] = {}


class Load(Struct, frozen=True, kw_only=True, tag="load"):
    """The first message: load these plugins, in the order they are to be called in.

    ``budget_s``: for what a turn waits for, ``patient_s``: for the rest. ``memory_bytes``: of
    address space that the process may have, beyond what it has now.
    """

    home: Home
    plugins: list[Wanted]
    budget_s: float
    patient_s: float
    memory_bytes: int


class Call(Struct, frozen=True, kw_only=True, tag="call"):
    """Call a hook of all plugins that have it. ``id`` 0: nobody waits for what they return."""

    id: int
    hook: str
    args: dict[str, Any]


class Drop(Struct, frozen=True, kw_only=True, tag="drop"):
    """Call a plugin no more."""

    plugin: str


class Failure(Struct, frozen=True, kw_only=True):
    """A plugin failed. ``what``: without anything that was said; ``detail`` may have it."""

    plugin: str
    hook: str
    what: str
    detail: str = ""


class Loaded(Struct, frozen=True, kw_only=True):
    """A plugin that was loaded, or its ``problem``."""

    name: str
    hooks: list[str] = []
    jobs: list[Job] = []
    frontends: list[Frontend] = []
    problem: str = ""


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """Answers ``Load``: calls may come."""

    plugins: list[Loaded]
    failures: list[Failure] = []


class Answer(Struct, frozen=True, kw_only=True):
    """What a plugin returned, if that was not None."""

    plugin: str
    value: Raw


class Answered(Struct, frozen=True, kw_only=True, tag="answered"):
    """Answers a call; one that nobody waits for is answered only if something failed."""

    id: int
    answers: list[Answer] = []
    failures: list[Failure] = []


def pack(message: Struct) -> bytes:
    """Encode one message.

    Raises:
        ValueError: it is too long.
        TypeError, OverflowError, RecursionError: something in it cannot be encoded.
    """
    data = msgspec.msgpack.encode(message)
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data):,} bytes, at most {MAX_MESSAGE_BYTES:,} may be")
    return _LENGTH.pack(len(data)) + data


class Buffer:
    """Puts messages together from pieces of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, piece: bytes | memoryview) -> list[bytes]:
        """Return the messages that are whole now.

        Raises:
            ValueError: the other side announces more than a message may have.
        """
        self._data += piece
        found: list[bytes] = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message of {length:,} bytes was announced")
            end = _LENGTH.size + length
            if len(self._data) < end:
                break
            found.append(bytes(self._data[_LENGTH.size : end]))
            del self._data[:end]
        return found
