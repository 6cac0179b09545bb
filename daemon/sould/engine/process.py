"""The engine's main loop: take requests, let their jobs take turns, send what they say."""

from __future__ import annotations

import logging
import os
import traceback
from pathlib import Path
from queue import Empty as NothingThere
from threading import Event
from typing import NoReturn

import torch
from msgspec import Struct

from soul_client.wire import Chunk, Empty, Error, ErrorCode, Kind, Progress, SoulDiff, TextScore
from sould.bridge import (
    EngineReady,
    Examine,
    Generate,
    Imprint,
    Load,
    Memory,
    Save,
    Sleep,
    Trace,
    Wake,
    Wear,
)
from sould.engine import provenance, souls
from sould.engine.generate import generate
from sould.engine.learning import AnyTeacher, Learning
from sould.engine.link import Link, Request
from sould.engine.loading import Body, gpu_bytes, load, resident_bytes
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.teacher import NativeTeacher
from sould.engine.runner import AnySoul
from sould.engine.scheduler import Failed, Finished, Job, Outcome, Scheduler, Told
from sould.engine.soul.teacher import Teacher
from sould.engine.soul.worn import WornSoul
from sould.engine.soul.writer import Writer, Written
from sould.errors import BodyMissing, Cancelled, NotFound, SouldError

log = logging.getLogger(__name__)

EXIT_DEVICE_BROKE = 71


class Engine:
    """One body at most, and the requests made of it. Everything here runs on one thread."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._body: Body | None = None
        self._cache_dir = Path()
        self._worn: WornSoul | None = None
        self._teacher: AnyTeacher | None = None
        self._writer = Writer(link.inbox.put)
        self._learning = Learning(self._answer, self._tell_progress)
        self._scheduler = Scheduler(parallel=1)

    def run(self) -> NoReturn:
        """Serve until the process is ended from outside."""
        n_cuda = torch.cuda.device_count()
        devices = ["cpu", *(f"cuda:{i}" for i in range(n_cuda))]
        ready = EngineReady(pid=os.getpid(), torch=str(torch.__version__), devices=devices)
        self._link.send(Kind.WELCOME, "", ready)
        while True:
            self._take_requests()
            if not self._scheduler.is_idle:
                outcome = self._scheduler.step()
                if outcome is not None:
                    self._tell(outcome)
            elif not self._learning.is_idle:
                self._learning.step()

    def _take_requests(self) -> None:
        """Take all requests there are; sleep until there is one if there is nothing to do."""
        if self._scheduler.is_idle and self._learning.is_idle:
            self._take(self._link.inbox.get())
        while True:
            try:
                self._take(self._link.inbox.get_nowait())
            except NothingThere:
                return

    def _take(self, request: Request | Written) -> None:
        if isinstance(request, Written):
            request.then(request.outcome)
            return
        id_, params, stop = request.id, request.params, request.stop
        job: Job | None = None
        match params:
            case Generate():
                job = self._generate(params, stop)
            case Load():
                job = self._load(id_, params, stop)
            case Wear():
                job = self._wear(params, stop)
            case SoulDiff():
                job = self._diff(params, stop)
            case Trace():
                job = self._trace(params, stop)
            case TextScore():
                job = self._score(params, stop)
            case Examine():
                job = self._examine(params, stop)
            case Imprint() | Sleep():
                self._learning.submit(id_, params, stop)
            case Save():
                self._save(id_, params)
            case Wake():
                self._learning.wake()
                self._answer(id_, Empty())
            case _:
                memory = Memory(resident_bytes=resident_bytes(), gpu_bytes=gpu_bytes())
                self._answer(id_, memory)
        if job is not None:
            is_exclusive = isinstance(params, Load | Wear)
            self._scheduler.submit(id_, job, is_exclusive=is_exclusive, should_stop=stop.is_set)

    def _loaded(self) -> Body:
        if self._body is None:
            raise BodyMissing("no body is loaded", "load one first")
        return self._body

    def _generate(self, params: Generate, stop: Event) -> Job:
        body = self._loaded()
        soul = None if params.bare else body.decoder.soul
        return (yield from generate(body, params, stop, soul=soul))

    def _diff(self, params: SoulDiff, stop: Event) -> Job:
        return (yield from souls.diff(self._loaded(), params, stop))

    def _trace(self, params: Trace, stop: Event) -> Job:
        return (yield from provenance.trace(self._loaded(), params, stop))

    def _score(self, params: TextScore, stop: Event) -> Job:
        return (yield from souls.score(self._loaded(), params, stop.is_set))

    def _examine(self, params: Examine, stop: Event) -> Job:
        body = self._loaded()
        if self._teacher is None:
            raise NotFound("no soul is worn")
        return (yield from souls.examine(body, self._teacher, params, stop.is_set))

    def _wear(self, params: Wear, stop: Event) -> Job:
        """Wear a soul; the one worn before is taken off even if this one cannot be."""
        body = self._loaded()
        if stop.is_set():
            raise Cancelled("nobody waits for the soul to be worn any more")
        self._take_off()
        yield None
        self._worn = souls.wear(body, params, self._writer)
        teacher = self._teacher = self._new_teacher(body, params, self._worn.soul)
        self._learning.begin(self._worn, teacher)
        return self._worn.told(all_taught=True)

    def _new_teacher(self, body: Body, params: Wear, soul: AnySoul) -> AnyTeacher:
        if isinstance(body.decoder, NativeDecoder):
            return NativeTeacher(body)
        return Teacher(
            body,
            system=params.system,
            dreams=params.dreams,
            reads=souls.layer_read_by(soul),
            cache_dir=self._cache_dir,
            should_yield=lambda: not self._link.inbox.empty(),
        )

    def _save(self, id_: str, params: Save) -> None:
        worn = self._worn
        if worn is None:
            self._answer(id_, NotFound("no soul is worn"))
            return
        worn.save(params.why, lambda error: self._answer(id_, error or worn.told()))

    def _take_off(self) -> None:
        self._worn = self._teacher = None
        self._learning.begin(None, None)
        if self._body is not None:
            self._body.decoder.soul = None

    def _load(self, request_id: str, params: Load, stop: Event) -> Job:
        """Load in one long step: nobody else is served meanwhile, so progress is sent directly.

        The body that was loaded goes first: there may not be memory for two.
        """
        yield Progress(stage="loading")
        if stop.is_set():
            raise Cancelled("loading was stopped before it began")
        self._take_off()
        self._body, self._cache_dir = None, Path(params.cache_dir)
        torch.cuda.empty_cache()  # or what the last body had counts as taken
        self._body = load(
            params,
            should_stop=stop.is_set,
            tell=lambda progress: self._link.send(Kind.PROGRESS, request_id, progress),
        )
        self._scheduler.allow(self._body.parallel)
        return self._body.summary

    def _answer(self, id_: str, outcome: Struct | Exception) -> None:
        """End a request that is no job of the scheduler."""
        if isinstance(outcome, Exception):
            self._tell(Failed(id_, outcome))
        else:
            self._tell(Finished(id_, outcome))

    def _tell_progress(self, id_: str, message: Struct) -> None:
        self._link.send(Kind.PROGRESS, id_, message)

    def _tell(self, outcome: Outcome) -> None:
        match outcome:
            case Told(id=id_, message=message):
                kind = Kind.CHUNK if isinstance(message, Chunk) else Kind.PROGRESS
                self._link.send(kind, id_, message)
            case Finished(id=id_, result=result):
                self._link.close(id_)
                self._link.send(Kind.DONE, id_, result)
            case Failed(id=id_, error=error):
                self._link.close(id_)
                self._link.send(Kind.ERROR, id_, describe(error))
                self._recover(id_, error)

    def _recover(self, id_: str, error: Exception) -> None:
        """Log what needs a look, and free what memory can be freed."""
        described = describe(error)
        if described.code is ErrorCode.INTERNAL:
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("request %s failed: %s\n%s", id_, type(error).__name__, where)
        else:
            log.info("request %s refused: %s", id_, described.code.value)
        if isinstance(error, torch.AcceleratorError):
            log.critical("the GPU's state is lost; another process must take over")
            os._exit(EXIT_DEVICE_BROKE)
        if described.code is ErrorCode.NO_MEMORY and self._body is not None:
            self._body.prefixes.drop_idle()
            torch.cuda.empty_cache()


def describe(error: Exception) -> Error:
    """Return what is told of an error. Anything unexpected is ``internal``."""
    if isinstance(error, SouldError):
        return Error(code=error.code, message=error.message, hint=error.hint)
    if _is_out_of_memory(error):
        return Error(
            code=ErrorCode.NO_MEMORY,
            message=f"memory ran out: {error}",
            hint="set a smaller body.context_tokens, or take a smaller body",
        )
    return Error(code=ErrorCode.INTERNAL, message=f"{type(error).__name__}: {error}")


def _is_out_of_memory(error: Exception) -> bool:
    """torch has a type for it on GPUs only; its CPU allocator says it in words."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
