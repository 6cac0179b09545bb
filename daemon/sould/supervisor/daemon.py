"""The daemon: its parts, and how they are wired."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec

from soul_client.wire import PROTOCOL, Connection, LoadedBody, Status
from sould.config import Config
from sould.plugin.structs import Body
from sould.soulfile.home import SoulFolder
from sould.supervisor.background import Background
from sould.supervisor.binding import Binding
from sould.supervisor.bodies import Bodies
from sould.supervisor.children import Children
from sould.supervisor.control import Control
from sould.supervisor.diary import Diary
from sould.supervisor.engine import Engine
from sould.supervisor.engine_link import Spawn
from sould.supervisor.events import Events, is_subscription
from sould.supervisor.frontends import Frontends
from sould.supervisor.gateway import Gateway
from sould.supervisor.handlers import Parts, make_handlers, make_sleeping
from sould.supervisor.job_notes import JobNotes, NightNote
from sould.supervisor.jobs import Jobs
from sould.supervisor.learner import Learner
from sould.supervisor.models_watch import ModelsWatch
from sould.supervisor.plugins.hooks import make_plugins
from sould.supervisor.progress_events import ProgressEvents
from sould.supervisor.reports import FOLDER as REPORTS
from sould.supervisor.reports import Reports
from sould.supervisor.request import Request
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.sessions import Sessions
from sould.supervisor.sockets import Channel
from sould.supervisor.status import SLEEP, daemon_state, resident_bytes, running_requests
from sould.supervisor.wardrobe import Wardrobe
from sould.supervisor.watching import Watching
from sould.version import version

STOP_GRACE_S = 2.0


class Daemon:
    """Everything between the sockets; made inside the running loop."""

    def __init__(
        self,
        config: Config,
        *,
        binding: Binding,
        spawn: Spawn,
        cancel_grace_s: float,
        quiet_s: float,
        diary: Diary,
        souls: SoulFolder,
        soul_name: str,
        clock: Callable[[], datetime],
        on_state: Callable[[str], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        self.stop_requested = asyncio.Event()
        self._config = config
        self._binding = binding
        self._diary = diary
        self._souls = souls
        self._clock = clock
        self._on_state = on_state
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._is_stopping = False
        self._background = Background()
        self._state_due = False
        self._last_state: tuple[object, ...] = ()
        self._last_body: LoadedBody | None = None
        self._told_body = ""  # its fingerprint
        self._evt = Channel(binding.sockets["evt"], self._receive_evt)
        self.plugins = make_plugins(config, self.id, on_declared=self._declared)
        self.events = Events(self._evt.send, on_publish=self.plugins.event)
        self._progress = ProgressEvents(self.events)
        self.frontends = Frontends(config_path=config.path, events=self.events)
        self.engine = Engine(
            spawn=spawn,
            load_request=lambda name: self._bodies.load_request(name),
            idle_unload_s=config.body.idle_unload_s,
            cancel_grace_s=cancel_grace_s,
            on_change=self._changed,
            on_loaded=lambda: self._wardrobe.put_on(),
            before_end=lambda why: self._wardrobe.put_away(why),
            on_gone=lambda how: self._wardrobe.gone(how),
        )
        self._learner = Learner(
            engine=self.engine,
            diary=diary,
            on_learned=lambda done: self._wardrobe.learned(done),
            on_left_out=lambda why: self._wardrobe.left_out(why),
            on_change=lambda: self._wardrobe.changed(),
        )
        self._wardrobe = Wardrobe(
            config=config,
            folder=souls,
            name=soul_name,
            engine=self.engine,
            learner=self._learner,
            events=self.events,
            clock=clock,
            on_change=self._changed,
        )
        self._scheduler = Scheduler(
            parallel=config.body.parallel,
            max_queue=config.wire.max_queue,
            on_change=self._changed,
        )
        self._sessions = Sessions(diary)
        models = ModelsWatch(config.models, self.events)
        children = Children(config.path, self.events)
        self._bodies = Bodies(
            config=config,
            scheduler=self._scheduler,
            engine=self.engine,
            events=self.events,
            watch=models,
            on_other_body=self._sessions.forget,
            children=children,
        )
        parts = Parts(
            config=config,
            engine=self.engine,
            learner=self._learner,
            wardrobe=self._wardrobe,
            scheduler=self._scheduler,
            sessions=self._sessions,
            bodies=self._bodies,
            children=children,
            diary=diary,
            souls=souls,
            reports=Reports(config.workspace / REPORTS),
            night=NightNote(config.workspace),
            events=self.events,
            clock=clock,
            quiet_s=quiet_s,
            plugins=self.plugins,
        )
        self._sleeping = make_sleeping(parts)
        self.watching = Watching(
            parts,
            models,
            spawn=spawn,
            cancel_grace_s=cancel_grace_s,
            night_over=self._sleeping.over,
            on_change=self._changed,
        )
        self._gateway = self._open_gateway(parts)
        self._jobs = Jobs(
            notes=JobNotes(config.workspace),
            night=parts.night,
            ask=self._gateway.requests.ask,
            idle_s=lambda: self._gateway.requests.idle_s,
            clock=clock,
            on_change=self._changed,
            quiet_s=quiet_s,
        )

    def warm(self) -> None:
        """Begin what the first turn would have to wait for."""
        self.engine.warm()
        self._wardrobe.open()
        self._background.start(self._jobs.open())
        self.plugins.start()

    def connection(self) -> Connection:
        """Return what clients need to know to reach us."""
        return Connection(
            **self._binding.endpoints,
            protocol_min=PROTOCOL,
            protocol_max=PROTOCOL,
            daemon_id=self.id,
            pid=os.getpid(),
            version=version(),
            config=str(self._config.path),
            workspace=str(self._config.workspace),
            server_key=self._binding.server_key,
        )

    def status(self) -> Status:
        """Return what the daemon is doing."""
        requests = self._gateway.requests.in_flight
        pid = self.engine.pid
        return Status(
            version=version(),
            protocol=PROTOCOL,
            daemon_id=self.id,
            pid=os.getpid(),
            uptime_s=round(self._loop.time() - self._started_at, 3),
            state=daemon_state(
                is_stopping=self._is_stopping,
                engine_state=self.engine.state,
                is_imprinting=self.engine.is_imprinting,
                methods=[request.method for request in requests],
            ),
            config=str(self._config.path),
            workspace=str(self._config.workspace),
            engine=self.engine.status(resident_bytes(pid) if pid else 0),
            body=self.engine.body,
            body_configured=self._config.body.name,
            requests=running_requests(requests),
            diary_writable=self._diary.is_writable,
            memory_bytes=resident_bytes(os.getpid()),
            event_seq=self.events.seq,
            memory=self._config.memory,
            soul=self._wardrobe.status(),
            jobs=self._jobs.status(),
            frontends=self.frontends.status(),
            watched=self.watching.status(),
        )

    def stop(self, target: str) -> list[str]:
        """Stop a request by its id ("" or "all": every one, and learning until the next turn;
        "sleep": wake the soul); return the ids told to stop.
        """
        if target == "sleep":
            woken = self._sleeping.wake()
            return [r.id for r in self._gateway.requests.in_flight if r.method == SLEEP and woken]
        if target in ("", "all"):
            self._learner.pause()
        return self._gateway.requests.stop(target)

    async def close(self) -> None:
        """Refuse what is new, stop and record what runs, send the last frames, save the soul,
        end the engine.
        """
        self._is_stopping = True
        self._jobs.close()
        self._learner.pause()
        self._changed()
        await self.frontends.close()  # they could not be answered any more
        await self.watching.close()
        await self._gateway.close(STOP_GRACE_S, on_late=self.engine.kill)
        await self.engine.close()
        self._learner.end()
        self._wardrobe.close()
        await self.plugins.close()

    def _open_gateway(self, parts: Parts) -> Gateway:
        control = Control(
            daemon_id=self.id,
            limits=self._config.wire.limits(),
            status=self.status,
            stop=self.stop,
            shutdown=self.stop_requested.set,
        )
        return Gateway(
            self._config,
            rpc=self._binding.sockets["rpc"],
            ctl=self._binding.sockets["ctl"],
            control=control,
            handlers=make_handlers(parts, self._sleeping, self.watching.take_up_settings),
            on_change=self._request_changed,
            on_progress=self._progress.tell,
        )

    def _receive_evt(self, frames: list[bytes]) -> None:
        if is_subscription(frames):
            self.events.welcome(self.status())

    def _request_changed(self, request: Request, phase: str) -> None:
        data = {"id": request.id, "method": request.method, "phase": phase}
        if phase != "accepted":
            self._progress.end(request.id)
        self.events.publish("request", data)
        self._changed()

    def _declared(self) -> None:
        """Do the jobs that plugins declare now, and run their frontends."""
        jobs = {f"{plugin}/{job.name}": job for plugin, job in self.plugins.jobs}
        self._background.start(self._jobs.declare(jobs))
        self.frontends.keep(self.plugins.frontends)
        self._changed()

    def _changed(self) -> None:
        """Publish the state, once for all that changes in this turn of the loop."""
        if not self._state_due:
            self._state_due = True
            self._loop.call_soon(self._publish_state)

    def _publish_state(self) -> None:
        self._state_due = False
        body = self.engine.body
        if body is not self._last_body:
            self._tell_swapped(body)
            self._last_body = body
            self.events.publish("body", {"loaded": msgspec.to_builtins(body)})
        status = self.status()
        state = (
            *(status.state, status.engine.state, status.engine.pid, body),
            *(status.diary_writable, [(r.id, r.position) for r in status.requests]),
            *(status.jobs, status.watched),
        )
        if state != self._last_state:
            self._last_state = state
            self.events.publish("state", status)
            self._on_state(status.state)

    def _tell_swapped(self, body: LoadedBody | None) -> None:
        """Tell plugins of a body that is not the one they were told of last."""
        if body is not None and body.fingerprint != self._told_body:
            self._told_body = body.fingerprint
            self.plugins.body_swapped(Body(name=body.name, fingerprint=body.fingerprint))
