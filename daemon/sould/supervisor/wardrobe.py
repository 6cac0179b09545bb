"""The soul in use: put on beside each body that is loaded, and saved without being asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

from msgspec import Struct

from soul_client.wire import SoulStatus
from sould.bridge import Imprinted, Save, Wear, Worn
from sould.config import Config
from sould.errors import EngineDied, SouldError, StorageError
from sould.soulfile.home import SoulFolder
from sould.supervisor.background import Background
from sould.supervisor.engine import Engine
from sould.supervisor.events import Events
from sould.supervisor.learner import Learner
from sould.supervisor.shelf import read_state

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 60.0
"""For the engine to put on or save a soul, which take well under a second, once those are answered
who asked before."""
ANSWER_LOOK_S = 1.0
END_TIMEOUT_S = 10.0
"""For what is unsaved to be written before the engine is ended; the journal has it anyway."""


class Wardrobe:
    """What is known of the soul in use, and what keeps it safe.

    ``save`` and ``change`` belong inside ``Learner.stopped`` or ``between``. What goes wrong is
    in the status until it is mended: ``problems`` by what cannot be done.
    """

    def __init__(
        self,
        *,
        config: Config,
        folder: SoulFolder,
        name: str,
        engine: Engine,
        learner: Learner,
        events: Events,
        clock: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.is_worn = False
        self.is_unsaved = False
        self.taught: frozenset[str] = frozenset()
        self.guest_taught: frozenset[str] = frozenset()
        self._config = config
        self._folder = folder
        self._engine = engine
        self._learner = learner
        self._events = events
        self._clock = clock
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._background = Background()
        self._reading = asyncio.Lock()  # who reads a journal also mends it: never two at a time
        self._timer: asyncio.TimerHandle | None = None
        self._problems: dict[str, str] = {}
        self._level = self._generation = 0
        self._saved = ""
        self._published: SoulStatus | None = None
        self._guest = ""  # the soul that is put on in place of the one in use
        self._is_put_on_again = False  # the one in use, which was worn

    @property
    def worn_name(self) -> str:
        """Return the soul that is beside the body now, or in a moment again, or ""."""
        return self.name if self.is_worn or self._is_put_on_again else ""

    @property
    def worn_generation(self) -> int | None:
        """Return the number of the generation that what is worn grew from, None without one."""
        return self._generation if self.is_worn else None

    def status(self) -> SoulStatus:
        """Return what ``daemon.status`` and ``soul`` events say."""
        return SoulStatus(
            name=self.name,
            level=self._level,
            generation=self._generation,
            worn=self.is_worn,
            unsaved=self.is_unsaved,
            pending=self._learner.pending,
            saved=self._saved,
            problem="; ".join(self._problems.values()),
        )

    def open(self) -> None:
        """Begin to find out what lies on disk."""
        self._background.start(self.look())

    async def put_on(self) -> None:
        """Put the soul on beside a body that has just been loaded; the body goes on without
        it if it does not fit.

        Raises:
            EngineDied: while it was put on.
            SouldError: a soul that the body was lent to cannot be put on.
        """
        if self._guest:
            async with self._reading:
                worn = await self._ask("soul.wear", self._order(self._guest))
            self.guest_taught = frozenset(worn.taught)
            return
        try:
            await self._wear(self.name)
        except EngineDied:
            raise
        except SouldError as e:
            log.warning("soul %s is not worn: %s", self.name, e)
            self._report("wear", str(e))

    @contextmanager
    def lent(self, name: str) -> Iterator[None]:
        """Have bodies wear another soul inside; the one in use stays in use. There is no body at
        the beginning, nor at the end.
        """
        assert self._engine.body is None
        self._guest = name
        try:
            yield
        finally:
            self._guest = ""

    async def change(self, name: str) -> None:
        """Use another soul from now on, or keep on the one in use if that one cannot be.

        Raises:
            SouldError: why it cannot be.
        """
        former = self.name
        try:
            if self._engine.body is not None:
                await self._wear(name)
            await asyncio.to_thread(self._folder.set_active, name)
        except SouldError:
            self.name = former
            await self.again()
            raise
        self.name = name
        log.info("soul in use: %s", name)
        if self.is_worn:
            await self._learner.known()
        else:
            self._problems = {}
            await self.look()

    async def again(self) -> None:
        """Take up what lies on disk now."""
        if self._engine.body is not None:
            await self.put_on()
            await self._learner.known()
        if not self.is_worn:
            await self.look()

    async def slept(self, worn: Worn) -> None:
        """Take note of a night that was kept: what the engine wears is what it wrote. If it is gone
        by now, what lies on disk is known.
        """
        if self.is_worn:
            self._is(worn)
            await self._learner.known()

    async def refresh(self) -> None:
        """Take up the soul in use again, as the settings are now; nobody is being answered."""
        with self._engine.held():
            async with self._learner.stopped():
                with contextlib.suppress(SouldError):  # it is in the journal, or waits
                    await self.save("settings")
                await self.again()

    def note_files(self, problem: str) -> None:
        """Take note of what somebody else did to the files of the soul, "" if nothing."""
        if problem and self._problems.get("files") != problem:
            log.warning("soul %s: %s", self.name, problem)
            self._report("files", problem)
        elif not problem and self._problems.pop("files", ""):
            self.changed()

    @property
    def listens(self) -> bool:
        """Whether anything is learned at all: ``memory`` of the config."""
        return self._config.memory

    async def look(self) -> None:
        """Read from disk what can be said of a soul that is not worn."""
        async with self._reading:
            if self.is_worn or self._guest == self.name:
                return
            try:
                state = await asyncio.to_thread(read_state, self._folder, self.name)
            except SouldError as e:
                log.warning("soul %s: %s", self.name, e)
                self._report("wear", str(e))
                return
            self._level, self._generation, self._saved = state.level, state.generation, state.saved
            self.is_unsaved, self.taught = state.is_unsaved, state.taught
        self.changed()
        if self._config.memory:
            await self._learner.look(self.name, state.since, state.taught, state.again)

    @asynccontextmanager
    async def untouched(self) -> AsyncIterator[None]:
        """Let nobody read what lies on disk inside: it is being changed."""
        async with self._reading:
            yield

    async def save(self, why: str) -> None:
        """Write a generation, if anything is unsaved; without a body from the journal.

        Raises:
            SouldError: it cannot be written; what was learned stays in the journal, or waits.
        """
        try:
            if self.is_worn:
                self._take(await self._ask("soul.save", Save(why=why)))
            elif self.is_unsaved:
                home = await asyncio.to_thread(self._folder.home, self.name)
                await asyncio.to_thread(lambda: home.keep_journal(now=self._clock(), why=why))
                await self.look()
        except EngineDied:
            raise
        except SouldError as e:
            if "save" not in self._problems:
                log.warning("soul %s cannot be saved: %s", self.name, e)
            self._report("save", f"cannot be saved: {e}")
            self._arm()
            raise
        if self._problems.pop("save", "") or self._problems.pop("journal", ""):
            log.info("soul %s is saved again", self.name)
        self._problems.pop("journal", None)
        self.changed()

    async def put_away(self, why: str) -> None:
        """Save what is unsaved before the engine is ended, if that can be done."""
        if not self.is_worn:
            return
        try:
            async with asyncio.timeout(END_TIMEOUT_S), self._learner.stopped():
                if self.is_unsaved:
                    await self.save(why)
        except TimeoutError:
            log.warning("soul %s is not saved within %g s", self.name, END_TIMEOUT_S)
        except SouldError as e:
            log.debug("the engine is ended with a soul unsaved: %s", e)

    def gone(self, how: str) -> None:
        """Take note of the end of the engine: what counts now is what lies on disk."""
        self.is_worn = False
        self._disarm()
        self._learner.gone(how)
        self.changed()
        self._background.start(self.look())

    def learned(self, done: Imprinted) -> None:
        """Take note of what was learned."""
        self._level = done.level
        if done.tokens:
            self.taught |= {done.id}
        self.is_unsaved = self.is_unsaved or done.tokens > 0
        self._arm()
        if done.fault:
            log.warning("learning %s: %s", done.id, done.fault)
        if done.is_durable:
            self._problems.pop("journal", None)
        elif done.fault:
            self._problems["journal"] = f"cannot be saved: {done.fault}"
        self.changed()

    def left_out(self, why: str) -> None:
        """Take note of what cannot be learned."""
        self._report("learn", why)

    def changed(self) -> None:
        """Publish the status if it is another one."""
        status = self.status()
        if status != self._published:
            self._published = status
            self._events.publish("soul", status)
            self._on_change()

    def close(self) -> None:
        """Save no more."""
        self._disarm()
        self._background.cancel()

    async def _wear(self, name: str) -> None:
        self._is_put_on_again = self.is_worn and name == self.name
        self.is_worn = False
        self._learner.end()
        try:
            async with self._reading:
                worn = await self._ask("soul.wear", self._order(name))
        finally:
            self._is_put_on_again = False
        self.name, self.is_worn = name, True
        for note in worn.notes:
            log.warning("soul %s: %s", name, note)
        log.info("soul worn name=%s generation=%d level=%d", name, worn.generation, worn.level)
        self._is(worn)

    def _is(self, worn: Worn) -> None:
        """Take note of what is worn now; all of it is known."""
        self._problems = {}
        self._take(worn)
        self.taught = frozenset(worn.taught)
        if self._config.memory:
            self._learner.begin(self.name, worn.since, self.taught, frozenset(worn.again))
        self.changed()

    def _order(self, name: str) -> Wear:
        return Wear(
            name=name,
            folder=str(self._folder.home(name).folder),
            inner_lr=self._config.soul.inner_lr,
            dreams=self._config.soul.dreams,
            system=self._config.chat.system_prompt,
            keep=self._config.soul.keep,
        )

    async def _ask(self, method: str, params: Struct) -> Worn:
        call = self._engine.begin(method, params)
        free_s = self._loop.time()
        try:
            while not call.future.done():
                await asyncio.wait({call.future}, timeout=ANSWER_LOOK_S)
                if self._engine.is_answering_before(call):
                    free_s = self._loop.time()
                elif not call.future.done() and self._loop.time() - free_s >= ANSWER_TIMEOUT_S:
                    why = f"the engine has not answered within {ANSWER_TIMEOUT_S:g} s"
                    raise StorageError(why)
        finally:
            if not call.future.done():
                self._engine.cancel(call)
        answer = call.future.result()
        assert isinstance(answer, Worn)
        return answer

    def _take(self, worn: Worn) -> None:
        self._level, self._generation, self._saved = worn.level, worn.generation, worn.saved
        self.is_unsaved = worn.is_unsaved
        self._disarm()
        self._arm()

    def _report(self, kind: str, problem: str) -> None:
        self._problems[kind] = problem
        self.changed()

    def _arm(self) -> None:
        """Save a while from now what is unsaved now."""
        if self.is_worn and self.is_unsaved and self._timer is None:
            self._timer = self._loop.call_later(
                self._config.soul.save_every_s, lambda: self._background.start(self._save_unasked())
            )

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _save_unasked(self) -> None:
        self._timer = None
        async with self._learner.between():
            if self.is_worn and self.is_unsaved:
                await self.save("timer")
