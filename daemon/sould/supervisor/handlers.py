"""What answers each method of ``rpc``, put together from the parts of the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sould.config import Config
from sould.soulfile.home import SoulFolder
from sould.supervisor.bodies import Bodies
from sould.supervisor.children import Children
from sould.supervisor.converting import Converter
from sould.supervisor.diary import Diary
from sould.supervisor.engine import Engine
from sould.supervisor.erasing import Eraser
from sould.supervisor.events import Events
from sould.supervisor.feeding import Feeding
from sould.supervisor.forgetting import Forgetting
from sould.supervisor.importing import Importing
from sould.supervisor.intake import Intake
from sould.supervisor.job_notes import NightNote
from sould.supervisor.learner import Learner
from sould.supervisor.lookups import Lookups
from sould.supervisor.off_record import OffRecord
from sould.supervisor.pasts import Pasts
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.plugins.listing import Listing
from sould.supervisor.provenance import Provenance
from sould.supervisor.reincarnating import Reincarnating
from sould.supervisor.reports import Reports
from sould.supervisor.rpc import Handler
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.sessions import Sessions
from sould.supervisor.settings import Settings
from sould.supervisor.sleeping import Sleeping
from sould.supervisor.souls import Souls
from sould.supervisor.status import SLEEP
from sould.supervisor.turns import Turns
from sould.supervisor.wardrobe import Wardrobe
from sould.supervisor.workshop import Workshop


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What handlers work with."""

    config: Config
    engine: Engine
    learner: Learner
    wardrobe: Wardrobe
    scheduler: Scheduler
    sessions: Sessions
    bodies: Bodies
    children: Children
    diary: Diary
    souls: SoulFolder
    reports: Reports
    night: NightNote
    events: Events
    clock: Callable[[], datetime]
    quiet_s: float
    plugins: Plugins


def make_sleeping(parts: Parts) -> Sleeping:
    """Return the handlers of nights."""
    return Sleeping(
        engine=parts.engine,
        learner=parts.learner,
        wardrobe=parts.wardrobe,
        diary=parts.diary,
        reports=parts.reports,
        note=parts.night,
        clock=parts.clock,
        body_name=lambda: parts.bodies.wanted,
        souls=parts.souls,
        plugins=parts.plugins,
    )


def make_handlers(
    parts: Parts, sleeping: Sleeping, take_up_settings: Callable[[], Awaitable[None]]
) -> dict[str, Handler]:
    """Return the handler of every method of ``rpc``."""
    off_record = OffRecord()
    turns = Turns(
        config=parts.config,
        scheduler=parts.scheduler,
        engine=parts.engine,
        diary=parts.diary,
        pasts=Pasts(parts.sessions, off_record),
        events=parts.events,
        clock=parts.clock,
        body_name=lambda: parts.bodies.wanted,
        soul_name=lambda: parts.wardrobe.worn_name,
        on_recorded=parts.learner.add,
        plugins=parts.plugins,
    )
    souls = Souls(
        scheduler=parts.scheduler,
        engine=parts.engine,
        learner=parts.learner,
        wardrobe=parts.wardrobe,
        folder=parts.souls,
        clock=parts.clock,
        body_name=lambda: parts.bodies.wanted,
        plugins=parts.plugins,
        reports=parts.reports,
        converter=Converter(parts.config, lambda: parts.bodies.wanted),
    )
    provenance = Provenance(
        scheduler=parts.scheduler,
        engine=parts.engine,
        learner=parts.learner,
        wardrobe=parts.wardrobe,
        folder=parts.souls,
        diary=parts.diary,
        system=lambda: parts.config.chat.system_prompt,
        body_name=lambda: parts.bodies.wanted,
    )
    intake = Intake(
        config=parts.config,
        engine=parts.engine,
        wardrobe=parts.wardrobe,
        folder=parts.souls,
        diary=parts.diary,
        clock=parts.clock,
        body_name=lambda: parts.bodies.wanted,
    )
    feeding = Feeding(intake, parts.diary, parts.wardrobe)
    forgetting = _forgetting(parts, off_record)
    reincarnating = _reincarnating(parts, sleeping)
    lookups = Lookups(parts.sessions)
    settings = Settings(parts.config, take_up_settings)
    workshop = Workshop(parts.children, parts.events)
    return {
        "chat.send": turns.send,
        "session.list": lookups.list_sessions,
        "session.get": lookups.get_session,
        "diary.import": Importing(intake).import_log,
        "diary.feed": feeding.feed,
        "diary.documents": feeding.list_documents,
        "body.list": parts.bodies.list,
        "body.info": parts.bodies.info,
        "body.load": parts.bodies.load,
        "body.unload": parts.bodies.unload,
        "body.catalog": parts.bodies.catalog,
        "body.pull": parts.bodies.pull,
        "body.train": workshop.train,
        "body.evaluate": workshop.evaluate,
        "body.export": workshop.export,
        "body.convert": workshop.convert,
        "soul.list": souls.list,
        "soul.use": souls.use,
        "soul.new": souls.new,
        "soul.save": souls.save,
        "soul.load": souls.load,
        "soul.history": souls.history,
        "soul.undo": souls.undo,
        "soul.reset": souls.reset,
        "soul.export": souls.export,
        "soul.import": souls.import_file,
        "soul.verify": souls.verify,
        "soul.diff": souls.diff,
        SLEEP: sleeping.sleep,
        "soul.why": provenance.why,
        "soul.report": sleeping.report,
        "soul.reports": sleeping.reports,
        "soul.forget": forgetting.forget,
        "soul.reincarnate": reincarnating.reincarnate,
        "text.score": souls.score,
        "config.show": settings.show,
        "config.set": settings.set,
        "plugins.list": Listing(parts.plugins).list,
    }


def _forgetting(parts: Parts, off_record: OffRecord) -> Forgetting:
    return Forgetting(
        scheduler=parts.scheduler,
        engine=parts.engine,
        learner=parts.learner,
        wardrobe=parts.wardrobe,
        sessions=parts.sessions,
        off_record=off_record,
        eraser=Eraser(
            workspace=parts.config.workspace,
            diary=parts.diary,
            souls=parts.souls,
            clock=parts.clock,
        ),
        body_name=lambda: parts.bodies.wanted,
    )


def _reincarnating(parts: Parts, sleeping: Sleeping) -> Reincarnating:
    return Reincarnating(
        scheduler=parts.scheduler,
        engine=parts.engine,
        wardrobe=parts.wardrobe,
        bodies=parts.bodies,
        souls=parts.souls,
        diary=parts.diary,
        reports=parts.reports,
        workspace=parts.config.workspace,
        clock=parts.clock,
        is_asleep=lambda: sleeping.is_asleep,
        quiet_s=parts.quiet_s,
    )
