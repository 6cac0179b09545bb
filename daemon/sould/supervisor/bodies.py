"""``body.*``: what lies in ``models/``, what is loaded, what can be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from soul_client import codec
from soul_client.wire import (
    BodyEntry,
    BodyInfo,
    BodyList,
    BodyPull,
    BodyPulled,
    BodyRef,
    Catalog,
    Empty,
    LoadedBody,
    Progress,
)
from sould.bodystore.orders import load_order
from sould.bodystore.scan import resolve
from sould.bodystore.sighting import Stamp, stamp_of
from sould.bridge import Load
from sould.config import Config
from sould.errors import BodyInvalid, BodyMissing
from sould.supervisor.children import Children
from sould.supervisor.engine import Engine
from sould.supervisor.events import Events
from sould.supervisor.models_watch import ModelsWatch
from sould.supervisor.request import Request, Stopped
from sould.supervisor.scheduler import Scheduler


@dataclass(frozen=True, kw_only=True)
class Version:
    """A body as it lies in ``models/`` at one time."""

    path: str
    stamp: Stamp


class Bodies:
    """Handlers of the ``body.*`` methods. ``wanted`` is the body chats are answered with."""

    def __init__(
        self,
        *,
        config: Config,
        scheduler: Scheduler,
        engine: Engine,
        events: Events,
        watch: ModelsWatch,
        on_other_body: Callable[[], None],
        children: Children,
    ) -> None:
        self.wanted = config.body.name
        self._config = config
        self._scheduler = scheduler
        self._engine = engine
        self._events = events
        self._watch = watch
        self._on_other_body = on_other_body
        self._children = children
        self._pulling = asyncio.Lock()
        self.loaded: Version | None = None  # what was last begun to be loaded
        self._refused: tuple[Version, str] | None = None

    async def list(self, request: Request, params: Empty) -> BodyList:
        """List ``models/``."""
        request.ack()
        entries = await request.race(self._watch.bodies())
        loaded = self._engine.body_name
        return BodyList(
            bodies=[msgspec.structs.replace(e, loaded=e.name == loaded) for e in entries]
        )

    async def info(self, request: Request, params: BodyRef) -> BodyInfo:
        """Read what a body is from its files, in a child process."""
        request.ack()
        entry = await request.race(asyncio.to_thread(self.find, params.name))
        done = await self._children.run(request, ["inspect", entry.path])
        return codec.convert(done, BodyInfo)

    async def load(self, request: Request, params: BodyRef) -> LoadedBody:
        """Load a body now, and answer chats with it from now on.

        One that is loaded already is kept, unless its file changed meanwhile.
        """
        async with self._scheduler.slot(request, exclusive=True):
            entry = await request.race(asyncio.to_thread(self.find, params.name))
            version = await asyncio.to_thread(_version, entry)
            if entry.name == self._engine.body_name and version != self.loaded:
                await self._engine.unload()
            try:
                body = await request.race(self._engine.ensure(entry.name, request.progress))
            except Stopped:
                self._engine.abandon_load()
                raise
            self.want(entry.name)
            return body

    def want(self, name: str) -> None:
        """Answer chats with this body from now on; it is loaded when it is needed."""
        if name != self.wanted:
            self.wanted = name
            self._on_other_body()

    async def unload(self, request: Request, params: Empty) -> Empty:
        """End the engine: all its memory is free when this is done."""
        async with self._scheduler.slot(request, exclusive=True):
            await self._engine.unload()
            return Empty()

    async def catalog(self, request: Request, params: Empty) -> Catalog:
        """List well-known bodies, the one for this machine marked."""
        request.ack()
        return await request.race(asyncio.to_thread(_catalog, self._config.language))

    async def pull(self, request: Request, params: BodyPull) -> BodyPulled:
        """Fetch a body in a child process, beside any chat; one pull at a time."""
        request.ack()
        request.progress(Progress(stage="queued"))
        await request.race(self._pulling.acquire())
        try:
            name = ["--name", params.name] if params.name else []
            replace = ["--replace"] if params.replace else []
            source = ["--", params.source] if params.source else []
            argv = ["pull", *name, *replace, *source]
            done = await self._children.run(request, argv, told_as="pull")
        finally:
            self._pulling.release()
        pulled = codec.convert(done, BodyPulled)
        self._watch.vouch(pulled.name)
        self._events.publish("pull", {"id": request.id, "done": done})
        return pulled

    def load_request(self, name: str) -> Load:
        """Return how a body is to be loaded, which is done next; called on a thread.

        Raises:
            BodyMissing: it is not in ``models/``.
            BodyInvalid: it was tried before, and cannot speak.
        """
        order, version = self.order(name)
        if self._refused is not None and self._refused[0] == version:
            raise BodyInvalid(
                f"{version.path} is not used: {self._refused[1]}",
                "put another file in its place, or 'soul body load' another body",
            )
        self.loaded = version
        return order

    def replaced(self, version: Version) -> None:
        """Take note that another version of the loaded body is in use."""
        self.loaded = version
        self._on_other_body()

    def refuse(self, version: Version, why: str) -> None:
        """Let a version of a body not be loaded any more."""
        self._refused = version, why

    def order(self, name: str) -> tuple[Load, Version]:
        """Return how a body is to be loaded, and what lies there. Blocking.

        Raises:
            BodyMissing: it is not in ``models/``.
        """
        entry = self.find(name)
        return load_order(self._config, entry), _version(entry)

    def find(self, name: str) -> BodyEntry:
        """Return a body of ``models/``; "" is the configured one. Blocking.

        Raises:
            BodyMissing: it is not there.
        """
        return resolve(self._config.models, name or self._config.body.name)


def _catalog(configured_language: str) -> Catalog:
    from sould.bodystore import catalog, machine

    language = machine.language() if configured_language == "auto" else configured_language
    return catalog.catalog_for(machine.memory_bytes(), machine.vram_bytes(), language)


def _version(entry: BodyEntry) -> Version:
    """Return what lies there now. Blocking.

    Raises:
        BodyMissing: it has just gone.
    """
    try:
        return Version(path=entry.path, stamp=stamp_of(Path(entry.path)))
    except OSError as e:
        raise BodyMissing(f"{entry.path} cannot be read: {e.strerror}") from e
