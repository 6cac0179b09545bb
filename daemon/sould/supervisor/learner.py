"""What the user said is learned one record after the other, whenever the engine has time for it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager

from soul_client.wire import ErrorCode
from sould.bridge import Imprint, Imprinted, Told
from sould.errors import EngineDied, Relayed
from sould.supervisor.background import note_failure
from sould.supervisor.diary import Diary, Record
from sould.supervisor.engine import Engine
from sould.supervisor.engine_link import Call
from sould.supervisor.waiting import MAX_RECENT, Waiting, find_waiting

log = logging.getLogger(__name__)

RETRY_S = 2.0
MAX_DEATHS = 3
"""A record that the engine died of so many times is left alone until the daemon starts anew."""


class Learner:
    """The turns that wait to be learned by the soul that is worn.

    ``since``: when the soul began to listen; ``again``: what of before that waits all the same.
    ``on_learned`` gets each result, ``on_left_out`` why a record was given up; it is learned at
    the next start, if it can be then.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        diary: Diary,
        on_learned: Callable[[Imprinted], None],
        on_left_out: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._diary = diary
        self._on_learned = on_learned
        self._on_left_out = on_left_out
        self._on_change = on_change
        self._soul = ""
        self.since = ""
        self.again: frozenset[str] = frozenset()
        self._taught: set[str] = set()
        self._waiting: dict[str, Told] = {}
        self._added: dict[str, Told] = {}  # since the diary began to be read
        self._recent: deque[Told] = deque(maxlen=MAX_RECENT)
        self._tried: set[str] = set()
        self._left_out: set[str] = set()
        self._replaced: set[str] = set()  # since the daemon began
        self._deaths: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._call: Call | None = None
        self._told = ""  # id of the record that is being learned
        self._is_stopped = False  # the call was told to end
        self._is_paused = False
        self._stops = 0
        self._wake_sleeper: Callable[[], None] | None = None
        self._alone = asyncio.Lock()
        self._wake = asyncio.Event()
        self._known = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    @property
    def waiting(self) -> list[Told]:
        """What waits, oldest first."""
        return list(self._waiting.values())

    @property
    def recent(self) -> list[Told]:
        """What was learned last, oldest first."""
        return list(self._recent)

    @property
    def taught(self) -> frozenset[str]:
        """Ids of the records in the weights."""
        return frozenset(self._taught)

    @property
    def is_paused(self) -> bool:
        """Nothing is learned until the next turn has been recorded."""
        return self._is_paused

    def begin(self, soul: str, since: str, taught: Set[str], again: Set[str]) -> None:
        """Learn from now on what waits for a soul that has just been put on."""
        self.end()
        self._soul, self.since, self._taught = soul, since, set(taught)
        self.again = frozenset(again)
        self._added = {}
        self._known.clear()
        self._task = asyncio.get_running_loop().create_task(self._work(soul, since, taught, again))
        self._task.add_done_callback(note_failure)

    async def look(self, soul: str, since: str, taught: Set[str], again: Set[str]) -> None:
        """Find out what waits for a soul that is not worn; without ``since`` it is new."""
        self.end()
        self._soul, self.since, self._taught = soul, since, set(taught)
        self.again = frozenset(again)
        self._added = {}
        nothing = Waiting(waiting=[], recent=[])
        found = await self._read(soul, since, taught, again) if since else nothing
        if self._task is None and soul == self._soul:  # it was not put on meanwhile
            self._take(found)

    async def known(self) -> None:
        """Wait until it is known what waits."""
        if self._task is not None:
            await self._known.wait()

    def add(self, record: Record | None, resume: bool, replaced: Set[str] = frozenset()) -> None:
        """Let a record wait that has just been written, if there is one; ``resume``: end a pause;
        ``replaced``: ids of those that wait no longer.
        """
        if resume:
            self._is_paused = False
        if replaced:
            self._drop(replaced)
        if record and record.learn and record.soul and record.soul == self._soul:
            told = Told(id=record.id, text=record.text)
            self._added[told.id] = self._waiting[told.id] = told
            self._on_change()
        self._wake.set()

    def _drop(self, ids: Set[str]) -> None:
        """Let records wait no longer; what is being learned of them is not."""
        self._replaced |= ids
        for id_ in ids:
            self._added.pop(id_, None)
            self._waiting.pop(id_, None)
        if self._told in ids:
            self._stop_call()
        self._on_change()

    def pause(self) -> None:
        """Stop learning until the next turn has been recorded."""
        self._is_paused = True
        self._stop_call()

    def end(self) -> None:
        """Learn no more: the soul is taken off. What waits is still counted."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._known.set()

    def gone(self, how: str) -> None:
        """Take note of the end of the engine: what it was learning waits again."""
        if how and self._told:
            self._deaths[self._told] += 1
            if self._deaths[self._told] >= MAX_DEATHS:
                self._leave_out(self._told, f"the engine died of it {MAX_DEATHS} times")
        self._told, self._call = "", None
        self.end()

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Let nothing be learned inside; what is being learned is stopped, and waits again."""
        self._stops += 1
        self._stop_call()
        if self._wake_sleeper is not None:
            self._wake_sleeper()
        try:
            async with self._alone:
                yield
        finally:
            self._stops -= 1
            self._wake.set()

    @property
    def is_asleep(self) -> bool:
        """Whether a night holds the soul."""
        return self._wake_sleeper is not None

    @asynccontextmanager
    async def asleep(self, wake: Callable[[], None]) -> AsyncIterator[None]:
        """As :meth:`stopped`, for a night; ``wake`` is called if somebody else wants that."""
        async with self.stopped():
            self._wake_sleeper = wake
            if self._stops > 1:  # somebody came while the lock was waited for
                wake()
            try:
                yield
            finally:
                self._wake_sleeper = None

    @asynccontextmanager
    async def between(self) -> AsyncIterator[None]:
        """Let nothing be learned inside; what is being learned comes to its end first."""
        async with self._alone:
            yield

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting) and not self._is_paused and not self._stops

    async def _work(self, soul: str, since: str, taught: Set[str], again: Set[str]) -> None:
        with self._engine.held():
            self._take(await self._read(soul, since, taught, again))
        while True:
            self._wake.clear()
            with self._engine.held():
                while self._has_work:
                    await self._learn_next()
            await self._wake.wait()

    async def _read(self, soul: str, since: str, taught: Set[str], again: Set[str]) -> Waiting:
        try:
            return await asyncio.to_thread(find_waiting, self._diary, soul, since, taught, again)
        except OSError as e:
            log.error("the diary cannot be read: %s", e)
            self._on_left_out(f"the diary cannot be read, what waits in it is not learned: {e}")
            return Waiting(waiting=[], recent=[])

    def _take(self, found: Waiting) -> None:
        told = {one.id: one for one in found.waiting} | self._added
        gone = self._left_out | self._replaced
        self._waiting = {id_: one for id_, one in told.items() if id_ not in gone}
        self._recent.clear()
        self._recent.extend(found.recent)
        self._known.set()
        self._on_change()

    async def _learn_next(self) -> None:
        told = next(iter(self._waiting.values()))
        if told.id in self._tried:
            await asyncio.sleep(RETRY_S)
        async with self._alone:
            if not self._has_work or next(iter(self._waiting.values())) is not told:
                return
            try:
                self._learned(told, await self._imprint(told))
            except Relayed as e:
                if not (self._is_stopped and e.code is ErrorCode.CANCELLED):
                    self._failed(told, e)

    async def _imprint(self, told: Told) -> Imprinted:
        order = Imprint(record=told, recent=list(self._recent))
        call = self._engine.begin("imprint", order)
        self._call, self._told, self._is_stopped = call, told.id, False
        try:
            done = await asyncio.shield(call.future)
        except EngineDied:
            raise  # ``gone`` comes next, and needs to know what of
        except BaseException:
            self._call, self._told = None, ""
            raise
        self._call, self._told = None, ""
        assert isinstance(done, Imprinted)
        return done

    def _learned(self, told: Told, done: Imprinted) -> None:
        self._waiting.pop(told.id, None)  # it may have been replaced
        if done.tokens:
            self._recent.append(told)
            self._taught.add(told.id)
        self._on_learned(done)
        self._on_change()

    def _failed(self, told: Told, error: Relayed) -> None:
        """Try a record once more, after all others, then leave it out."""
        if told.id in self._replaced:
            return
        if told.id in self._tried:
            self._leave_out(told.id, error.message)
            return
        self._tried.add(told.id)
        self._waiting[told.id] = self._waiting.pop(told.id)
        log.debug("%s is not learned at the first try: %s", told.id, error.message)

    def _leave_out(self, id_: str, why: str) -> None:
        self._left_out.add(id_)
        self._waiting.pop(id_, None)
        log.warning("diary record %s is not learned: %s", id_, why)
        self._on_left_out(f"diary record {id_} is not learned: {why}")
        self._on_change()

    def _stop_call(self) -> None:
        if self._call is not None and not self._is_stopped:
            self._is_stopped = True
            self._engine.cancel(self._call)
