"""Lessons in the engine's idle time: one at a time, in small steps, answered when on disk."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Event

from msgspec import Struct

from sould.bridge import Imprint, Imprinted
from sould.engine.soul.imprint import Progress
from sould.engine.soul.teacher import Steps, Teacher
from sould.engine.soul.worn import WornSoul
from sould.errors import Cancelled, NotFound, SouldError

log = logging.getLogger(__name__)

Answer = Callable[[str, Struct | Exception], None]


class _Lesson:
    def __init__(self, id_: str, params: Imprint, stop: Event) -> None:
        self.id = id_
        self.params = params
        self.stop = stop
        self.steps: Steps | None = None


class Learning:
    """The lessons asked for. ``answer`` is told of each one's end, once."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._lessons: deque[_Lesson] = deque()
        self._worn: WornSoul | None = None
        self._teacher: Teacher | None = None
        self._is_prepared = True

    @property
    def is_idle(self) -> bool:
        """Nothing is to be learned, nor to be prepared."""
        return not self._lessons and self._is_prepared

    def begin(self, worn: WornSoul | None, teacher: Teacher | None) -> None:
        """Teach this soul from now on. What was being learned for another is given up."""
        lessons, self._lessons = self._lessons, deque()
        self._worn, self._teacher = worn, teacher
        self._is_prepared = teacher is None or teacher.has_prepared
        for lesson in lessons:
            self._answer(lesson.id, Cancelled("another soul is worn now"))

    def submit(self, id_: str, params: Imprint, stop: Event) -> None:
        """Learn a record when there is time."""
        self._lessons.append(_Lesson(id_, params, stop))

    def step(self) -> None:
        """Do a small piece of the first lesson; without one, of what the next will need."""
        if not self._lessons:
            self._prepare()
            return
        lesson = self._lessons[0]
        if lesson.stop.is_set():
            self._end(lesson, Cancelled("learning was stopped"))
            return
        try:
            if self._worn is None or self._teacher is None:
                raise NotFound("no soul is worn")
            if lesson.steps is None and not self._begun(lesson, self._worn, self._teacher):
                return
            assert lesson.steps is not None
            next(lesson.steps)
        except StopIteration as end:
            assert self._worn is not None and self._teacher is not None
            self._learned(lesson, end.value, self._worn, self._teacher)
        except Exception as error:
            self._end(lesson, error)

    def _prepare(self) -> None:
        """Prepare for lessons to come. If that fails, it is left to the next one, which says so."""
        assert self._teacher is not None
        try:
            self._teacher.prepare()
            self._is_prepared = self._teacher.has_prepared
        except Exception as error:
            log.warning("nothing could be prepared to learn: %s: %s", type(error).__name__, error)
            self._is_prepared = True

    def _begun(self, lesson: _Lesson, worn: WornSoul, teacher: Teacher) -> bool:
        """Begin a lesson, or end it at once if there is nothing to learn."""
        record, level = lesson.params.record, worn.meta.level
        if record.id in worn.meta.taught or not teacher.tells(record):
            done = Imprinted(id=record.id, tokens=0, level=level, is_durable=True)
            self._end(lesson, done)
            return False
        lesson.steps = teacher.lesson(worn.soul, record, lesson.params.recent, worn.inner_lr)
        return True

    def _learned(
        self, lesson: _Lesson, progress: Progress, worn: WornSoul, teacher: Teacher
    ) -> None:
        self._lessons.remove(lesson)
        record = lesson.params.record
        tokens = teacher.tokens(record)
        fault = progress.fault
        why = f"a step was undone: {fault.where} is {fault.what}" if fault else ""

        def written(error: SouldError | None) -> None:
            done = Imprinted(
                id=record.id,
                tokens=tokens,
                level=worn.meta.level,
                is_durable=error is None,
                steps=progress.steps,
                seconds=round(progress.seconds, 3),
                fault=error.message if error else why,
            )
            self._answer(lesson.id, done)

        worn.learned(record.id, tokens, written)

    def _end(self, lesson: _Lesson, outcome: Struct | Exception) -> None:
        self._lessons.remove(lesson)
        self._answer(lesson.id, outcome)
