"""A daemon's life: locks before sockets, announced last; withdrawn first, unlocked last."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from types import FrameType

from msgspec import Struct

from soul_client.locate import LOG_FILE
from sould.config import Config
from sould.errors import StorageError
from sould.privacy import all_detectors
from sould.soulfile.home import SoulFolder
from sould.supervisor import logs, shelf
from sould.supervisor.accepting import Acceptance
from sould.supervisor.binding import DEFAULT_ENGINE, Binding, EngineSpawner
from sould.supervisor.daemon import Daemon
from sould.supervisor.diary import Diary
from sould.supervisor.erasing import Eraser
from sould.supervisor.locks import InstanceLock
from sould.supervisor.notify import Notifier
from sould.supervisor.reports import FOLDER as REPORTS
from sould.supervisor.reports import Reports
from sould.supervisor.runtime import RuntimeDir
from sould.supervisor.status import resident_bytes
from sould.supervisor.stop_signal import StopSignal

log = logging.getLogger(__name__)

LINGER_S = 0.5
SWITCH_S = 0.001
"""For how long a thread that computes may keep the loop from going on; Python's own is 5 ms, and
the loop has to wait for it several times until it has answered a ping.
"""


class EngineOptions(Struct, frozen=True, kw_only=True):
    """How the engine process is treated: its command, and how long it may take to stop what
    it was told to stop before it is killed (a step of a large body can take seconds).
    ``quiet_s``: how long nobody may have wanted it before a rebirth goes on.
    """

    command: Sequence[str] = DEFAULT_ENGINE
    cancel_grace_s: float = 10.0
    quiet_s: float = 15.0


def run(config: Config, engine: EngineOptions) -> None:
    """Be the daemon until a signal or ``daemon.shutdown`` ends it.

    Raises:
        AlreadyRunning: another daemon has this workspace or runtime dir.
        SouldError: why it can't start.
    """
    os.umask(0o077)  # whatever is written from here on is private
    sys.setswitchinterval(SWITCH_S)
    logs.write_to_stderr(config.log.level)
    manager = Notifier.from_environment(os.environ)
    with contextlib.ExitStack() as at_end:
        runtime = _take_ownership(config, at_end)
        logs.write_to_file(config.workspace / LOG_FILE)
        for stale in runtime.clean():
            log.info("stale %s removed", stale)
        at_end.callback(runtime.clean)
        diary = Diary(config.workspace / "memories", local_now)
        diary.open()
        _finish_acceptance(config, diary)
        souls = shelf.open_folder(config)
        eraser = Eraser(workspace=config.workspace, diary=diary, souls=souls[0], clock=local_now)
        eraser.finish_what_was_begun()
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_live(config, runtime, diary, souls, engine, manager))
    log.info("ended")


def _finish_acceptance(config: Config, diary: Diary) -> None:
    """Call the souls as they are to be called, before one of them is looked for."""
    acceptance = Acceptance(
        workspace=config.workspace,
        diary=diary,
        souls=SoulFolder(config.workspace / shelf.FOLDER),
        reports=Reports(config.workspace / REPORTS),
        clock=local_now,
    )
    acceptance.finish_what_was_begun()


def local_now() -> datetime:
    """Return the local time with its offset."""
    return datetime.now().astimezone()


def _take_ownership(config: Config, at_end: contextlib.ExitStack) -> RuntimeDir:
    """Lock the workspace and the runtime dir; only then is anything in them touched."""
    try:
        config.workspace.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StorageError(f"workspace {config.workspace} cannot be made: {e.strerror}") from e
    runtime = RuntimeDir(config)
    for folder in dict.fromkeys((config.workspace, config.runtime_dir)):
        lock = InstanceLock(folder)
        lock.acquire()
        at_end.callback(lock.release)
    return runtime


async def _live(
    config: Config,
    runtime: RuntimeDir,
    diary: Diary,
    souls: tuple[SoulFolder, str],
    engine: EngineOptions,
    manager: Notifier,
) -> None:
    spawner = EngineSpawner(engine.command, lambda: config.log.level, runtime)
    binding = Binding(config, runtime)
    daemon = Daemon(
        config,
        binding=binding,
        spawn=spawner.spawn,
        cancel_grace_s=engine.cancel_grace_s,
        quiet_s=engine.quiet_s,
        diary=diary,
        souls=souls[0],
        soul_name=souls[1],
        clock=local_now,
        on_state=manager.status,
    )
    stop_signal = StopSignal(config.workspace, daemon.stop)
    stop_signal.remove_stale()
    _obey_signals(daemon)
    root, events = logging.getLogger(), logs.EventHandler(daemon.events.publish)
    root.addHandler(events)
    _pass_over_what_is_there()
    gc.enable()
    runtime.announce(daemon.connection())
    log.info("ready pid=%d rpc=%s config=%s", os.getpid(), binding.endpoints["rpc"], config.path)
    manager.ready()
    heart = asyncio.create_task(manager.beat())
    try:
        daemon.warm()
        await asyncio.to_thread(_import_what_can_wait, stop_signal, daemon)
        await daemon.stop_requested.wait()
    finally:
        log.info("stopping")
        manager.stopping()
        await daemon.close()
        heart.cancel()
        await asyncio.to_thread(stop_signal.close)
        await asyncio.to_thread(daemon.watching.end_notices)
        root.removeHandler(events)
        runtime.withdraw()
        binding.close(LINGER_S)
        spawner.close()


def _import_what_can_wait(stop_signal: StopSignal, daemon: Daemon) -> None:
    """Import on a thread what the first clients don't wait for."""
    resident_bytes(os.getpid())
    stop_signal.watch()
    daemon.watching.watch()
    all_detectors()
    _pass_over_what_is_there()


def _pass_over_what_is_there() -> None:
    """Have garbage looked for among what is new alone: the rest was imported and stays, and to go
    through it would stall pings by tens of milliseconds.
    """
    gc.freeze()


def _obey_signals(daemon: Daemon) -> None:
    """Let SIGTERM and SIGINT stop the daemon; the second one ends it at once."""
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        if daemon.stop_requested.is_set():
            daemon.engine.kill()
            os._exit(128 + number)
        loop.call_soon_threadsafe(daemon.stop_requested.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
