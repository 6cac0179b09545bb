"""The soul beside the loaded body: opened from its folder, journaled as it learns, saved.

Everything here runs on the main thread but the writes themselves, which get copies.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sould.bridge import Wear, Worn
from sould.engine.runner import AnySoul
from sould.engine.soul.tensors import (
    all_tensors,
    consolidate,
    dims_of,
    restore,
    soul_of,
    state_soul_of,
    tensors_of,
)
from sould.engine.soul.weights import FAST, MatrixName, Soul
from sould.engine.soul.writer import Writer
from sould.engine.spec import BodySpec
from sould.errors import SouldError
from sould.soulfile.history import SoulHome, again_of, heard_of, since_of
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.meta import BodyShape, SoulMeta
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord, Weights
from sould.soulfile.taught import pack

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wearer:
    """The body a soul is worn by. ``limits``: what its matrices' shares may not pass. ``first``: of
    a native body, the states that it begins with.
    """

    shape: BodyShape
    family: str
    spec: BodySpec
    limits: Mapping[MatrixName, Tensor]
    first: tuple[Tensor, ...] = ()

    @staticmethod
    def of(
        spec: BodySpec,
        limits: Mapping[MatrixName, Tensor],
        *,
        name: str,
        fingerprint: str,
        first: Sequence[Tensor] = (),
    ) -> Wearer:
        shape = BodyShape(fingerprint=fingerprint, name=name, dims=dims_of(spec))
        return Wearer(shape=shape, family=spec.family, spec=spec, limits=limits, first=tuple(first))

    def soul(self, tensors: Weights, *, seed: int) -> AnySoul:
        """Return the soul of a file's tensors.

        Raises:
            SoulInvalid: it is over a limit on this body.
        """
        if self.first:
            return state_soul_of(self.first, tensors)
        return soul_of(self.spec, tensors, limits=self.limits, seed=seed)


class WornSoul:
    """One soul, its weights and what is known of them.

    Written is what the weights were when the last record had been learned: a lesson that is not
    over is begun anew after a restart. ``meta``: of the newest generation, with level and taught
    as they are now. ``journaled``: ids learned since that generation.
    """

    def __init__(self, params: Wear, wearer: Wearer, writer: Writer) -> None:
        """Open the soul of a folder; write a first generation if it has none.

        Raises:
            SouldError: it does not fit the body, is damaged, or cannot be read or written.
        """
        self.name = params.name
        self.notes: list[str] = []
        self.inner_lr = params.inner_lr
        self._keep = params.keep
        self._wearer = wearer
        self._writer = writer
        self._folder = Path(params.folder)
        self._journal = Journal(SoulHome(self._folder).journal)
        opened = open_soul(self._folder, wearer.shape)
        if opened is None:
            self.soul = wearer.soul({}, seed=0)
            self.meta, self.number = self._new_meta(), 0
            self._learned = self._tensors()
            self.number, self.meta = save_generation(self._folder, self._record("new"))
            self.is_unsaved = False
        else:
            self.soul = wearer.soul(opened.record.tensors, seed=opened.number)
            self.meta, self.number = opened.record.meta, opened.number
            self.notes += opened.notes
            self._learned = self._tensors()
            self.is_unsaved = opened.is_journaled
        self._learned_state = self.soul.state
        found = self._journal.read()
        self.journaled = found.entry.taught if found and found.entry else frozenset[str]()

    def told(self, *, all_taught: bool = False) -> Worn:
        """Return what is worn, for the supervisor."""
        return Worn(
            name=self.name,
            generation=self.number,
            level=self.meta.level,
            saved=self.meta.saved,
            since=since_of(self.meta),
            is_unsaved=self.is_unsaved,
            taught=sorted(self.meta.taught) if all_taught else [],
            again=sorted(again_of(self.meta)) if all_taught else [],
            notes=self.notes,
        )

    def learned(self, id_: str, tokens: int, then: Callable[[SouldError | None], None]) -> None:
        """Count a record as learned and journal what the weights are now.

        ``then`` is called once that is on disk, or with why it is not.
        """
        if id_ not in self.meta.taught:
            level, taught = self.meta.level + tokens, self.meta.taught | {id_}
            self.meta = dataclasses.replace(self.meta, level=level, taught=taught)
        self.journaled |= {id_}
        self.is_unsaved = True
        tensors = tensors_of(self.soul, FAST)
        self._learned |= tensors
        self._learned_state = self.soul.state
        entry = JournalEntry(
            taught=self.journaled,
            level=self.meta.level,
            shapes={name: _shape(array) for name, array in tensors.items()},
            data=[array.data.cast("B") for array in tensors.values()],
        )
        journal = self._journal

        def done(outcome: Any) -> None:
            then(outcome if isinstance(outcome, SouldError) else None)

        self._writer.submit(lambda: journal.append(entry), done)

    def slept(
        self,
        dreamer: AnySoul,
        tokens: Mapping[str, int],
        heard: Set[str],
        scores: Mapping[str, Any],
        then: Callable[[SouldError | None], None],
    ) -> None:
        """Take the slow weights of a night, clear the fast ones, and write a generation.

        ``tokens``: of the records learned, by id; those learned for the first time count.
        ``heard``: others that it went over. ``then`` as with :meth:`learned`.
        """
        fault = consolidate(self.soul, dreamer, seed=self.number + 1)
        assert fault is None, fault  # the dreamer was held to the same bounds
        new = [id_ for id_ in tokens if id_ not in self.meta.taught]
        taught = self.meta.taught | tokens.keys()
        self.meta = dataclasses.replace(
            self.meta,
            level=self.meta.level + sum(tokens[id_] for id_ in new),
            taught=taught,
            scores={**self.meta.scores, **scores},
            config=_with_heard(self.meta.config, (heard_of(self.meta) | heard) - taught),
        )
        self.journaled |= set(new)
        self.is_unsaved = True
        self._learned, self._learned_state = self._tensors(), self.soul.state
        self.save("sleep", then)

    def undo_lesson(self) -> bool:
        """Be as when the last record had been learned: a lesson ended before it was. Tells whether
        that changed anything.
        """
        if self.soul.state == self._learned_state:
            return False
        fault = restore(self.soul, self._wearer.soul(self._learned, seed=self.number))
        assert fault is None, fault
        self._learned_state = self.soul.state
        return True

    def save(self, why: str, then: Callable[[SouldError | None], None]) -> None:
        """Write a generation if anything is unsaved; ``then`` as with :meth:`learned`."""
        if not self.is_unsaved:
            then(None)
            return
        record, before = self._record(why), self.journaled
        folder, journal, keep = self._folder, self._journal, self._keep

        def write() -> tuple[int, SoulMeta]:
            saved = save_generation(folder, record, keep=keep)
            journal.read()  # the one begun behind it: what is learned now goes there
            return saved

        def done(outcome: Any) -> None:
            if isinstance(outcome, SouldError):
                then(outcome)
                return
            self.number, meta = outcome
            level, taught = self.meta.level, self.meta.taught
            self.meta = dataclasses.replace(meta, level=level, taught=taught)
            self.journaled -= before
            self.is_unsaved = bool(self.journaled)
            then(None)

        self._writer.submit(write, done)

    def _record(self, why: str) -> SoulRecord:
        meta, now = self.meta, _now()
        config = {
            **meta.config,
            "why": why,
            "inner_lr": self.inner_lr,
        }
        if isinstance(self.soul, Soul):
            config["ranks"] = dict(self.soul.ranks)
        parent = meta.sha256 if self.number else ""
        return SoulRecord(
            dataclasses.replace(meta, saved=now, parent=parent, config=config),
            {name: self._learned[name] for name in sorted(self._learned)},
        )

    def _tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of all tensors as they are now."""
        return all_tensors(self.soul)

    def _new_meta(self) -> SoulMeta:
        now, shape = _now(), self._wearer.shape
        return SoulMeta(
            name=self.name,
            created=now,
            saved=now,
            body=shape.fingerprint,
            body_name=shape.name,
            family=self._wearer.family,
            dims=shape.dims,
            config={"since": now},
        )


def _with_heard(config: Mapping[str, Any], heard: Set[str]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key != "heard"}
    return kept | ({"heard": pack(heard)} if heard else {})


def _shape(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    rows, cols = array.shape
    return rows, cols


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
