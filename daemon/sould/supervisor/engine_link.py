"""The conversation with one engine process: its readiness, the calls in it, its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec import Struct

from soul_client import codec
from soul_client.errors import WireError
from soul_client.wire import Chunk, Error, ErrorCode, Header, Kind, Limits, Progress
from sould.bridge import ENGINE_METHODS, EngineReady
from sould.errors import EngineDied, Relayed
from sould.supervisor.background import note_failure
from sould.supervisor.engine_process import EngineProcess, describe_exit

log = logging.getLogger(__name__)

LIMITS = Limits(max_frame_bytes=1 << 30, max_items=1 << 24)
"""The engine is trusted with size, not with form."""

OnProgress = Callable[[Progress], None]
OnChunk = Callable[[str], None]
Spawn = Callable[[Callable[[list[bytes]], None], Callable[[int], None]], EngineProcess]
"""``(on_frames, on_exit) -> process``"""


class Call:
    """A request the engine works on; ``future`` gets its result or why there is none."""

    def __init__(self, id: str, method: str, on_progress: OnProgress, on_chunk: OnChunk) -> None:
        self.id = id
        self.method = method
        self.on_progress = on_progress
        self.on_chunk = on_chunk
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.future.add_done_callback(note_failure)


class EngineLink:
    """One engine process from its start to its end. ``on_change`` is called whenever a call
    begins or ends, ``on_exit`` once, with how it ended ("" if it was asked to).
    """

    def __init__(
        self,
        spawn: Spawn,
        *,
        cancel_grace_s: float,
        on_change: Callable[[], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._cancel_grace_s = cancel_grace_s
        self._on_change = on_change
        self._on_exit = on_exit
        self._ids = count(1)
        self._calls: dict[str, Call] = {}
        self._heard_at = self._loop.time()
        self.is_ending = False
        self.gone = asyncio.Event()
        self.ready: asyncio.Future[EngineReady] = self._loop.create_future()
        self.ready.add_done_callback(note_failure)
        self._process = spawn(self._receive, self._exited)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def calls(self) -> list[Call]:
        """Return what the engine works on."""
        return list(self._calls.values())

    def begin(
        self, method: str, params: Struct, on_progress: OnProgress, on_chunk: OnChunk
    ) -> Call:
        """Hand a request to the engine."""
        if self.is_ending:
            raise EngineDied("the engine was ended just before the request", "ask again")
        call = Call(f"e{next(self._ids)}", method, on_progress, on_chunk)
        self._calls[call.id] = call
        self._process.send(Header(kind=Kind.REQ, id=call.id, method=method), params)
        self._on_change()
        return call

    def cancel(self, call: Call) -> None:
        """Tell the engine to stop a call; a process that stays silent is killed."""
        if self._calls.get(call.id) is call:  # not one of an engine that died meanwhile
            self._process.send(Header(kind=Kind.CANCEL, id=call.id))
            self._loop.call_later(self._cancel_grace_s, self._require_stopped, call)

    async def end(self, grace_s: float) -> None:
        """Let the process end itself, kill it after ``grace_s``; return when it is gone."""
        self.is_ending = True
        self._process.end()
        try:
            await asyncio.wait_for(self.gone.wait(), grace_s)
        except TimeoutError:
            self._process.kill()
            await self.gone.wait()

    def hand_over(self, on_change: Callable[[], None], on_exit: Callable[[str], None]) -> None:
        """Tell somebody else from now on."""
        self._on_change, self._on_exit = on_change, on_exit

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def _receive(self, frames: list[bytes]) -> None:
        self._heard_at = self._loop.time()
        try:
            header, raw = codec.unpack(frames, LIMITS)
            if header.kind is Kind.WELCOME:
                self._welcome(codec.convert(raw, EngineReady))
            elif call := self._calls.get(header.id):
                self._answer(header, raw, call)
        except WireError as e:
            log.error("the engine broke the protocol and is ended: %s", e.message)
            self.kill()

    def _welcome(self, ready: EngineReady) -> None:
        log.debug("engine ready pid=%d torch=%s devices=%s", ready.pid, ready.torch, ready.devices)
        if not self.ready.done():
            self.ready.set_result(ready)
        self._on_change()

    def _answer(self, header: Header, raw: Any, call: Call) -> None:
        match header.kind:
            case Kind.PROGRESS:
                call.on_progress(codec.convert(raw, Progress))
            case Kind.CHUNK:
                call.on_chunk(codec.convert(raw, Chunk).text)
            case Kind.DONE:
                result = codec.convert(raw, ENGINE_METHODS[call.method][1])
                self._finish(call).set_result(result)
            case Kind.ERROR:
                error = codec.convert(raw, Error)
                self._finish(call).set_exception(Relayed(error.code, error.message, error.hint))
            case _:
                raise WireError(ErrorCode.BAD_REQUEST, f"unexpected {header.kind.value} frame")

    def _finish(self, call: Call) -> asyncio.Future[Any]:
        del self._calls[call.id]
        self._on_change()
        return call.future

    def _exited(self, returncode: int) -> None:
        how = describe_exit(returncode, self._process.last_line)
        error = EngineDied(f"its process ended: {how}", "the next request starts a new one")
        if self.is_ending:
            error = EngineDied("the engine was ended while it worked")
        calls, self._calls = self._calls, {}
        if not self.ready.done():
            self.ready.set_exception(error)
        for call in calls.values():
            call.future.set_exception(error)
        self.gone.set()
        self._on_exit("" if self.is_ending else how)

    def _require_stopped(self, call: Call) -> None:
        """Kill a process that was told to stop a call and has said nothing since."""
        if call.id not in self._calls:
            return
        silent_s = self._loop.time() - self._heard_at
        if silent_s >= self._cancel_grace_s:
            log.error("the engine did not stop within %g s", self._cancel_grace_s)
            self.kill()
        else:
            self._loop.call_later(self._cancel_grace_s - silent_s, self._require_stopped, call)
