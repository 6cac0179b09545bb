"""The engine as the supervisor sees it: there when needed, loaded on demand, started anew
when it died, ended when idle (which is how memory is really given back).

The process starts with the daemon, since importing torch takes longer than a person needs to
type a first word, but it reads no body then: the memory of a body is taken only for work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from soul_client.wire import EngineStatus, LoadedBody, Progress
from sould.bridge import Generate, Load
from sould.errors import EngineDied
from sould.supervisor.background import Background, note_failure
from sould.supervisor.engine_link import Call, EngineLink, OnChunk, OnProgress, Spawn

log = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
END_GRACE_S = 2.0

State = Literal["absent", "starting", "loading", "ready", "answering", "dead"]


class Engine:
    """At most one engine process at a time.

    ``load_request`` finds a body by name (in a thread) and says how it is to be loaded.
    """

    def __init__(
        self,
        *,
        spawn: Spawn,
        load_request: Callable[[str], Load],
        idle_unload_s: float,
        cancel_grace_s: float,
        on_change: Callable[[], None],
    ) -> None:
        self.body: LoadedBody | None = None
        self.body_name = ""  # as asked for; "" while none is loaded
        self.restarts = 0
        self.last_error = ""
        self._spawn = spawn
        self._load_request = load_request
        self._idle_unload_s = idle_unload_s
        self._cancel_grace_s = cancel_grace_s
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._background = Background()
        self._link: EngineLink | None = None
        self._loading: asyncio.Task[LoadedBody] | None = None
        self._listeners: list[OnProgress] = []
        self._is_dead = False
        self._failures = 0
        self._holds = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """Return the pid of the process, 0 without one."""
        return self._link.pid if self._link else 0

    @property
    def state(self) -> State:
        """Return what the engine is doing."""
        if self._loading is not None:
            return "loading"
        if self._link is None:
            return "dead" if self._is_dead else "absent"
        if not self._link.ready.done():
            return "starting"
        return "answering" if self._link.calls else "ready"

    def status(self, memory_bytes: int) -> EngineStatus:
        """Return the state for ``daemon.status``."""
        return EngineStatus(
            state=self.state,
            pid=self.pid,
            memory_bytes=memory_bytes,
            restarts=self.restarts,
            last_error=self.last_error,
        )

    def warm(self) -> None:
        """Let the process start in the background; nobody waits for it yet."""
        self._background.start(self._await_link())

    async def ensure(self, name: str, on_progress: OnProgress) -> LoadedBody:
        """Return the loaded body; load it first if it isn't.

        Raises:
            SouldError: why it can't be loaded; EngineDied if that ended the process.
        """
        while self._loading is not None or self.body is None or self.body_name != name:
            if self._loading is None:
                self._loading = self._loop.create_task(self._load(name))
                self._loading.add_done_callback(self._loading_ended)
            loading = self._loading
            self._listeners.append(on_progress)
            try:
                await asyncio.wait({loading})
            finally:
                self._listeners.remove(on_progress)
            if not loading.cancelled():  # else somebody abandoned it just before we came
                loading.result()
        return self.body

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the engine from being ended as idle."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._changed()

    def generate(self, params: Generate, on_progress: OnProgress, on_chunk: OnChunk) -> Call:
        """Begin a reply; the body was ensured before, and the engine is held.

        Raises:
            EngineDied: the process ended in between.
        """
        if self._link is None:
            raise EngineDied("the engine ended just before the request", "ask again")
        return self._link.begin("generate", params, on_progress, on_chunk)

    def cancel(self, call: Call) -> None:
        """Tell the engine to stop a call."""
        if self._link is not None:
            self._link.cancel(call)

    def abandon_load(self) -> None:
        """Stop a load that nobody waits for any more."""
        if self._loading is not None and not self._listeners:
            self._loading.cancel()

    def kill(self) -> None:
        """End the process at once, for good; what it works on fails."""
        if self._link is not None:
            self._link.is_ending = True
            self._link.kill()

    async def unload(self) -> None:
        """End the process, if there is one; its memory is free when this returns."""
        self.body, self.body_name = None, ""
        self._disarm()
        if self._link is not None:
            await self._link.end(END_GRACE_S)

    async def close(self) -> None:
        """End the process for good."""
        self._background.cancel()
        if self._loading is not None:
            self._loading.cancel()
        await self.unload()

    async def _load(self, name: str) -> LoadedBody:
        self._on_change()
        request = await asyncio.to_thread(self._load_request, name)
        if self.body is not None:  # a fresh process: the old body's memory is really gone
            await self.unload()
        link = await self._await_link()
        call = link.begin("load", request, self._tell, lambda _: None)
        try:
            body = await asyncio.shield(call.future)
        except asyncio.CancelledError:
            await self.unload()
            raise
        assert isinstance(body, LoadedBody)
        self._failures = 0
        self.body, self.body_name = body, name
        log.info(
            "body loaded name=%s device=%s dtype=%s kernel=%s memory_bytes=%d load_s=%.2f (%s)",
            *(body.name, body.device, body.dtype, body.kernel, body.memory_bytes, body.load_s),
            "; ".join(body.reasons),
        )
        return body

    def _loading_ended(self, task: asyncio.Task[LoadedBody]) -> None:
        note_failure(task)
        self._loading = None
        self._changed()

    async def _await_link(self) -> EngineLink:
        """Return a process that said it is ready; start one if there is none.

        Raises:
            EngineDied: it ended before it was ready.
        """
        if self._link is not None and self._link.is_ending:
            await self._link.gone.wait()
        if self._link is None and (delay_s := backoff_s(self._failures)):
            note = f"the engine died {self._failures} times; next try in {delay_s:g} s"
            self._tell(Progress(stage="loading", note=note))
            await asyncio.sleep(delay_s)
        if self._link is None:
            self._is_dead = False
            self._link = EngineLink(
                self._spawn,
                cancel_grace_s=self._cancel_grace_s,
                on_change=self._changed,
                on_exit=self._exited,
            )
            self._changed()
        link = self._link
        try:
            await asyncio.wait_for(asyncio.shield(link.ready), START_TIMEOUT_S)
        except TimeoutError as e:
            link.kill()
            raise EngineDied(f"the engine was not ready after {START_TIMEOUT_S:g} s") from e
        return link

    def _exited(self, how: str) -> None:
        """Take note of the end of the process; ``how`` is "" when it was asked to end."""
        assert self._link is not None
        has_served = self.body is not None
        self._link = self.body = None
        self.body_name = ""
        if how:
            log.error("engine died: %s", how)
            self._is_dead = True
            self.restarts += 1
            self.last_error = how
            if has_served:
                self.warm()
            else:
                self._failures += 1
        self._changed()

    def _tell(self, progress: Progress) -> None:
        for listener in self._listeners:
            listener(progress)

    def _changed(self) -> None:
        """Count idle time from now on if there is nothing to do, and pass the change on."""
        self._disarm()
        if self._idle_unload_s and self.state == "ready" and not self._holds:
            self._idle = self._loop.call_later(self._idle_unload_s, self._end_idle)
        self._on_change()

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_idle(self) -> None:
        log.info("engine idle for %g s: ended, its memory is free", self._idle_unload_s)
        self._background.start(self.unload())


def backoff_s(failures: int) -> float:
    """Return how long to wait before the next try after so many failed ones in a row."""
    return 0.0 if failures == 0 else min(30.0, 0.5 * 2.0 ** (failures - 1))
