"""What lies in ``workspace/souls/``, read for those who ask. Blocking: call it from a thread."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_client.wire import Generation, LoadedBody, SoulEntry, SoulGenerations
from sould.config import Config
from sould.errors import BadRequest, ConfigError, SoulInvalid, SoulMissing, StorageError
from sould.soulfile.history import again_of
from sould.soulfile.home import GenerationFile, SoulFolder, SoulHome
from sould.soulfile.journal import Journal
from sould.soulfile.names import name_fault
from sould.supervisor.files import make_private_dir

log = logging.getLogger(__name__)

FOLDER = "souls"


class SoulState(Struct, frozen=True, kw_only=True):
    """What is on disk of a soul: its newest sound generation, with its journal."""

    generation: int = 0
    level: int = 0
    saved: str = ""
    since: str = ""
    taught: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    is_unsaved: bool = False


def open_folder(config: Config) -> tuple[SoulFolder, str]:
    """Make the folder of souls private; return it, and the name of the soul in use.

    Raises:
        ConfigError: no soul can be called as the config says.
        StorageError: the folder cannot be made, or is not ours alone.
    """
    if fault := name_fault(config.soul.name):
        raise ConfigError(f"{config.path}: soul.name is {config.soul.name!r}: the name {fault}")
    folder = SoulFolder(config.workspace / FOLDER)
    make_private_dir(folder.folder)
    name = config.soul.name
    try:
        name = folder.active() or name
        if name not in folder.names():
            folder.new(name)
    except (SoulInvalid, StorageError) as e:  # chatting with another soul, or none, beats silence
        log.error("%s; the soul in use is %r", e, name)
    return folder, name


def read_state(folder: SoulFolder, name: str) -> SoulState:
    """Read what is on disk of a soul. Not while the engine writes its journal.

    Raises:
        SouldError: it is not there or cannot be read.
    """
    home = folder.home(name)
    newest, notes = home.newest()
    if newest is None or newest.meta is None:
        if notes:
            raise SoulInvalid(f"no generation of soul '{name}' is sound: {notes[0]}")
        return SoulState()
    meta = newest.meta
    read = Journal(home.journal).read()
    entry = read.entry if read and read.after == meta.sha256 else None
    return SoulState(
        generation=newest.number,
        level=entry.level if entry else meta.level,
        saved=meta.saved,
        since=config_text(newest, "since"),
        taught=meta.taught | entry.taught if entry else meta.taught,
        again=again_of(meta),
        is_unsaved=entry is not None,
    )


def entries(folder: SoulFolder, active: str, body: LoadedBody | None) -> list[SoulEntry]:
    """List the souls, by name; ``body``: the loaded one, which some may not fit."""
    found = [_entry(folder.home(name), active) for name in folder.names()]
    return [
        msgspec.structs.replace(entry, problem=f"was grown on body {entry.body_name}")
        if body and entry.body not in ("", body.fingerprint)
        else entry
        for entry in found
    ]


def history(home: SoulHome) -> SoulGenerations:
    """List the generations of a soul, newest first; seals are checked down to the first sound one.

    Raises:
        SouldError: it cannot be read.
    """
    found = home.generations()
    newest, _ = home.newest()
    current = newest.number if newest else 0
    return SoulGenerations(name=home.name, generations=[_generation(g, current) for g in found])


def resolve(folder: SoulFolder, ref: str) -> str:
    """Return the path of ``NAME`` or ``NAME@N``; "" is the bare body, and stays.

    Raises:
        BadRequest: N is no number.
        SouldError: there is no such soul or generation.
    """
    if not ref:
        return ""
    name, _, number = ref.partition("@")
    home = folder.home(name)
    if number:
        if not number.isdecimal():
            raise BadRequest(f"{ref!r}: after the @ comes the number of a generation")
        return str(home.number(int(number)).path)
    newest, _ = home.newest()
    if newest is None:
        raise SoulMissing(f"soul '{name}' has no sound generation yet")
    return str(newest.path)


def require_absolute(path: str) -> Path:
    """Return a path that does not depend on where the daemon was started.

    Raises:
        BadRequest: it does.
    """
    if not Path(path).is_absolute():
        raise BadRequest(f"{path!r} is not an absolute path")
    return Path(path)


def _entry(home: SoulHome, active: str) -> SoulEntry:
    found = home.generations()
    entry = SoulEntry(
        name=home.name,
        active=home.name == active,
        generations=len(found),
        size_bytes=sum(g.size_bytes for g in found),
    )
    meta = next((g.meta for g in found if g.meta), None)
    if meta is None:
        return msgspec.structs.replace(entry, problem=found[0].problem if found else "")
    return msgspec.structs.replace(
        entry,
        level=meta.level,
        body=meta.body,
        body_name=meta.body_name,
        created=meta.created,
        saved=meta.saved,
    )


def _generation(found: GenerationFile, current: int) -> Generation:
    problem = found.problem
    if found.number > current and not problem:
        problem = "is damaged: its seal does not hold"
    if (meta := found.meta) is None:
        return Generation(number=found.number, size_bytes=found.size_bytes, problem=problem)
    return Generation(
        number=found.number,
        saved=meta.saved,
        level=meta.level,
        why=config_text(found, "why"),
        seal=meta.sha256,
        parent=meta.parent,
        size_bytes=found.size_bytes,
        current=found.number == current,
        problem=problem,
    )


def config_text(found: GenerationFile, key: str) -> str:
    """Return what a generation's config has under a key, "" if that is no text. Pure."""
    value = found.meta.config.get(key) if found.meta else None
    return value if isinstance(value, str) else ""
