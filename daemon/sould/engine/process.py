"""The engine's main loop: take requests, let their jobs take turns, send what they say."""

from __future__ import annotations

import logging
import os
import traceback
from queue import Empty as NothingThere
from threading import Event
from typing import NoReturn

import torch

from soul_client.wire import Chunk, Error, ErrorCode, Kind, Progress
from sould.bridge import EngineReady, Generate, Load, Memory
from sould.engine.generate import generate
from sould.engine.link import Link, Request
from sould.engine.loading import Body, gpu_bytes, load, resident_bytes
from sould.engine.scheduler import Failed, Finished, Job, Outcome, Scheduler, Told
from sould.errors import BodyMissing, Cancelled, SouldError

log = logging.getLogger(__name__)

EXIT_DEVICE_BROKE = 71


class Engine:
    """One body at most, and the requests made of it. Everything here runs on one thread."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._body: Body | None = None
        self._scheduler = Scheduler(parallel=1)

    def run(self) -> NoReturn:
        """Serve until the process is ended from outside."""
        n_cuda = torch.cuda.device_count()
        devices = ["cpu", *(f"cuda:{i}" for i in range(n_cuda))]
        ready = EngineReady(pid=os.getpid(), torch=str(torch.__version__), devices=devices)
        self._link.send(Kind.WELCOME, "", ready)
        while True:
            self._take_requests()
            outcome = self._scheduler.step()
            if outcome is not None:
                self._tell(outcome)

    def _take_requests(self) -> None:
        """Take all requests there are; sleep until there is one if there is nothing to do."""
        if self._scheduler.is_idle:
            self._take(self._link.inbox.get())
        while True:
            try:
                self._take(self._link.inbox.get_nowait())
            except NothingThere:
                return

    def _take(self, request: Request) -> None:
        params, stop = request.params, request.stop
        match params:
            case Generate():
                job = self._generate(params, stop)
                self._scheduler.submit(request.id, job, should_stop=stop.is_set)
            case Load():
                job = self._load(request.id, params, stop)
                self._scheduler.submit(request.id, job, is_exclusive=True, should_stop=stop.is_set)
            case _:
                memory = Memory(resident_bytes=resident_bytes(), gpu_bytes=gpu_bytes())
                self._tell(Finished(request.id, memory))

    def _generate(self, params: Generate, stop: Event) -> Job:
        if self._body is None:
            raise BodyMissing("no body is loaded", "load one first")
        return (yield from generate(self._body, params, stop))

    def _load(self, request_id: str, params: Load, stop: Event) -> Job:
        """Load in one long step: nobody else is served meanwhile, so progress is sent directly.

        The body that was loaded goes first: there may not be memory for two.
        """
        yield Progress(stage="loading")
        if stop.is_set():
            raise Cancelled("loading was stopped before it began")
        self._body = None
        self._body = load(
            params,
            should_stop=stop.is_set,
            tell=lambda progress: self._link.send(Kind.PROGRESS, request_id, progress),
        )
        self._scheduler.allow(self._body.parallel)
        return self._body.summary

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
