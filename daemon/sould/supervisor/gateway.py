"""The sockets that clients ask on: ``rpc`` and ``ctl``, and what keeps their answers moving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import zmq
from msgspec import Struct

from soul_client import codec
from soul_client.wire import Header, Progress
from sould.config import Config
from sould.supervisor.control import Control
from sould.supervisor.delivery import Delivery
from sould.supervisor.request import Request, StopReason
from sould.supervisor.rpc import Handler, Rpc
from sould.supervisor.sockets import Channel, Sent

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.02
PULSE_EVERY_S = 0.3


class Gateway:
    """Requests come in here, and their answers leave. ``on_change`` hears of every request
    that begins or ends, and how; ``on_progress`` how far each is, by id and method.
    """

    def __init__(
        self,
        config: Config,
        *,
        rpc: zmq.Socket[bytes],
        ctl: zmq.Socket[bytes],
        control: Control,
        handlers: Mapping[str, Handler],
        on_change: Callable[[Request, str], None],
        on_progress: Callable[[str, str, Progress], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_change = on_change
        self._control = control
        self._ticking: set[Callable[[], bool]] = set()
        self.requests = Rpc(
            handlers=handlers,
            control=control,
            limits=config.wire.limits(),
            put=self._put,
            on_change=self._request_changed,
            on_progress=on_progress,
        )
        self._delivery = Delivery(
            lambda frames: self._rpc.send(frames),
            clock=self._loop.time,
            slow_client_s=config.wire.slow_client_s,
            max_frame_bytes=config.wire.max_frame_bytes,
            on_gone=lambda client: self.requests.stop_client(client, StopReason.GONE),
            on_slow=lambda client: self.requests.stop_client(client, StopReason.SLOW),
        )
        self._ctl = Channel(ctl, self._receive_ctl)
        self._rpc = Channel(rpc, self.requests.receive)

    async def close(self, grace_s: float, on_late: Callable[[], None]) -> None:
        """Refuse new requests, stop those under way, and see their last frames off."""
        await self.requests.close(grace_s, on_late)
        until_s = self._loop.time() + grace_s
        while self._delivery.is_backlogged and self._loop.time() < until_s:
            self._delivery.flush()
            await asyncio.sleep(FLUSH_EVERY_S)

    def _receive_ctl(self, frames: list[bytes]) -> None:
        client, *rest = frames
        sent = self._ctl.send([client, *codec.pack(*self._control.receive(rest))])
        if sent is not Sent.OK:
            log.debug("an answer on ctl was dropped: the client is %s", sent.value)

    def _put(self, client: bytes, header: Header, body: Struct | None) -> None:
        self._delivery.put(client, header, body)
        if self._delivery.is_backlogged:
            self._tick(self._flush, FLUSH_EVERY_S)

    def _request_changed(self, request: Request, phase: str) -> None:
        self._tick(self._pulse, PULSE_EVERY_S)
        self._on_change(request, phase)

    def _flush(self) -> bool:
        self._delivery.flush()
        return self._delivery.is_backlogged

    def _pulse(self) -> bool:
        self.requests.pulse()
        return bool(self.requests.in_flight)

    def _tick(self, work: Callable[[], bool], every_s: float) -> None:
        """Call ``work`` again and again for as long as it says that there is more to do."""

        def again() -> None:
            if work():
                self._loop.call_later(every_s, again)
            else:
                self._ticking.discard(work)

        if work not in self._ticking:
            self._ticking.add(work)
            self._loop.call_later(every_s, again)
