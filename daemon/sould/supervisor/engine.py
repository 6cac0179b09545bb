"""The engine as the supervisor sees it: there when needed, loaded on demand, started anew
when it died, ended when idle (which is how memory is really given back).

The process starts with the daemon, since importing torch takes longer than a person needs to
type a first word, but it reads no body then: the memory of a body is taken only for work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from msgspec import Struct

from soul_client.wire import EngineStatus, LoadedBody, Progress
from sould.bridge import Load
from sould.errors import EngineDied
from sould.supervisor.background import Background, note_failure
from sould.supervisor.engine_link import Call, EngineLink, OnChunk, OnProgress, Spawn

log = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
END_GRACE_S = 2.0
UNASKED = ("imprint", "soul.save", "soul.wear")
"""What the engine does without being asked by a client: it is no less ready for one."""

Ensure = Callable[[str, OnProgress], Awaitable[LoadedBody]]
State = Literal["absent", "starting", "loading", "ready", "answering", "dead"]


class Engine:
    """At most one engine process at a time.

    ``load_request`` finds a body by name (in a thread) and says how it is to be loaded.
    ``on_loaded`` runs when a body is loaded and before it is used, ``before_end`` before a
    process with a body is ended in good order (it gets the reason), ``on_gone`` when one has
    ended (how, "" if it was asked to).
    """

    def __init__(
        self,
        *,
        spawn: Spawn,
        load_request: Callable[[str], Load],
        idle_unload_s: float,
        cancel_grace_s: float,
        on_change: Callable[[], None],
        on_loaded: Callable[[], Awaitable[None]],
        before_end: Callable[[str], Awaitable[None]],
        on_gone: Callable[[str], None],
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
        self._on_loaded = on_loaded
        self._before_end = before_end
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._background = Background()
        self._link: EngineLink | None = None
        self._loading: asyncio.Task[LoadedBody] | None = None
        self._listeners: list[OnProgress] = []
        self._is_dead = False
        self._failures = 0
        self._holds = 0
        self._idle: asyncio.TimerHandle | None = None
        self._is_free = asyncio.Event()
        self._is_free.set()

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
        is_asked = any(call.method not in UNASKED for call in self._link.calls)
        return "answering" if is_asked else "ready"

    def is_answering_before(self, call: Call) -> bool:
        """Whether somebody is still answered who asked before a call was made."""
        for other in self._link.calls if self._link is not None else ():
            if other is call:
                return False
            if other.method not in UNASKED:
                return True
        return False

    @property
    def is_imprinting(self) -> bool:
        """Whether a turn is being learned."""
        return self._link is not None and any(c.method == "imprint" for c in self._link.calls)

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

    @property
    def has_body(self) -> bool:
        """Whether a body is loaded, or is being loaded."""
        return self.body is not None or self._loading is not None

    @property
    def is_reserved(self) -> bool:
        """Whether somebody has the engine for a long time."""
        return not self._is_free.is_set()

    @contextmanager
    def reserved(self) -> Iterator[Ensure]:
        """Let nobody else have a body loaded inside: they wait. Yields an :meth:`ensure` for whom
        it is reserved; what was loaded with it is unloaded before the end.
        """
        self._is_free.clear()
        try:
            yield self._ensure
        finally:
            self._is_free.set()

    def at_hand(self, name: str) -> LoadedBody | None:
        """Return the body if ``ensure`` would not have to wait for it."""
        return self.body if self._is_free.is_set() and self._has(name) else None

    def _has(self, name: str) -> bool:
        return self._loading is None and self.body is not None and self.body_name == name

    async def ensure(self, name: str, on_progress: OnProgress) -> LoadedBody:
        """Return the loaded body; load it first if it isn't.

        Raises:
            SouldError: why it can't be loaded; EngineDied if that ended the process.
        """
        await self._is_free.wait()
        return await self._ensure(name, on_progress)

    async def _ensure(self, name: str, on_progress: OnProgress) -> LoadedBody:
        while not self._has(name):
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
        assert self.body is not None
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

    def begin(
        self,
        method: str,
        params: Struct,
        on_progress: OnProgress = lambda _: None,
        on_chunk: OnChunk = lambda _: None,
    ) -> Call:
        """Hand the engine a request; the body was ensured before, and the engine is held.

        Raises:
            EngineDied: the process ended in between.
        """
        is_loaded = self.body is not None or (method == "soul.wear" and self._loading is not None)
        if self._link is None or not is_loaded:  # or it is a new process, without a body yet
            raise EngineDied("the engine ended just before the request", "ask again")
        return self._link.begin(method, params, on_progress, on_chunk)

    async def ask(
        self, method: str, params: Struct, on_progress: OnProgress = lambda _: None
    ) -> Any:
        """Return what the engine answers; cancelling tells it to stop.

        Raises:
            EngineDied: the process ended before, or while it worked.
            Relayed: the engine's error.
        """
        call = self.begin(method, params, on_progress)
        try:
            return await asyncio.shield(call.future)
        except asyncio.CancelledError:
            self.cancel(call)
            raise

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

    async def unload(self, why: str = "unload") -> None:
        """End the process, if there is one; its memory is free when this returns."""
        if self.body is not None:
            await self._before_end(why)
        await self._end()

    async def clear(self, why: str = "unload") -> None:
        """As :meth:`unload`, also while a body is being loaded: that is stopped if nobody waits
        for it, and waited for if somebody does.
        """
        loading = self._loading
        self.abandon_load()
        if loading is not None:
            await asyncio.wait({loading})
        await self.unload(why)

    async def adopt(self, rival: EngineLink, body: LoadedBody, name: str) -> bool:
        """Let another process, with a body of this name loaded, take the place of this one, which
        is ended in good order; not if another body has come into use meanwhile. Who wants a body
        waits.

        Raises:
            EngineDied: the other one ended.
        """
        while self._loading is not None:
            await asyncio.wait({self._loading})
        if self.body_name != name or self.is_reserved:
            return False
        self._loading = self._loop.create_task(self._adopt(rival, body, name))
        self._loading.add_done_callback(self._loading_ended)
        await asyncio.shield(self._loading)
        return True

    def owns(self, link: EngineLink) -> bool:
        """Tell whether a process is the one in use."""
        return self._link is link

    def unload_after(self, idle_s: float) -> None:
        """End the process after so long without work from now on; 0: never."""
        self._idle_unload_s = idle_s
        self._changed()

    async def discard(self) -> None:
        """End the process without saving anything: what it holds is to be forgotten."""
        await self._end()

    async def close(self) -> None:
        """End the process for good."""
        self._background.cancel()
        if self._loading is not None:
            self._loading.cancel()
        await self.unload("exit")

    async def _load(self, name: str) -> LoadedBody:
        self._on_change()
        request = await asyncio.to_thread(self._load_request, name)
        if self.body is not None:  # a fresh process: the old body's memory is really gone
            await self.unload()
        link = await self._await_link()
        call = link.begin("load", request, self._tell, lambda _: None)
        try:
            body = await asyncio.shield(call.future)
            assert isinstance(body, LoadedBody)
        except asyncio.CancelledError:
            await self.unload()
            raise
        return await self._use(link, body, name)

    async def _adopt(self, rival: EngineLink, body: LoadedBody, name: str) -> LoadedBody:
        self._on_change()
        if rival.gone.is_set():
            raise EngineDied("its process ended before it was used")
        await self.unload("swap")
        self._link = rival
        rival.hand_over(self._changed, self._exited)
        return await self._use(rival, body, name)

    async def _use(self, link: EngineLink, body: LoadedBody, name: str) -> LoadedBody:
        """Put the soul on beside a body that has just been loaded; then it is the one in use."""
        try:
            await self._on_loaded()
        except asyncio.CancelledError:
            await self.unload()
            raise
        if self._link is not link:
            raise EngineDied("the engine ended as soon as the body was loaded", "ask again")
        self._failures = 0
        self.body, self.body_name = body, name
        log.info(
            "body loaded name=%s device=%s dtype=%s kernel=%s memory_bytes=%d load_s=%.2f (%s)",
            *(body.name, body.device, body.dtype, body.kernel, body.memory_bytes, body.load_s),
            "; ".join(body.reasons),
        )
        return body

    async def _end(self) -> None:
        self.body, self.body_name = None, ""
        self._disarm()
        if self._link is not None:
            await self._link.end(END_GRACE_S)

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
        self._on_gone(how)
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
        if self._idle_unload_s and self._is_idle:
            self._idle = self._loop.call_later(
                self._idle_unload_s, lambda: self._background.start(self._end_idle())
            )
        self._on_change()

    @property
    def _is_idle(self) -> bool:
        if self._holds or self._loading is not None or self._link is None:
            return False
        return self._link.ready.done() and not self._link.calls and not self._link.is_ending

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def _end_idle(self) -> None:
        """End the process, unless work comes while what is unsaved is written."""
        if self.body is not None:
            await self._before_end("unload")
        if self._is_idle:
            log.info("engine idle for %g s: ended, its memory is free", self._idle_unload_s)
            await self._end()


def backoff_s(failures: int) -> float:
    """Return how long to wait before the next try after so many failed ones in a row."""
    return 0.0 if failures == 0 else min(30.0, 0.5 * 2.0 ** (failures - 1))
