"""Lessons in the engine's idle time: one at a time, in small steps, answered when on disk."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Event
from typing import TypeAlias

from msgspec import Struct

from soul_client.wire import Dreamt, SleepReport
from sould.bridge import Imprint, Imprinted, Sleep, Slept
from sould.engine.native.teacher import NativeTeacher
from sould.engine.soul.imprint import Progress
from sould.engine.soul.night import Answers, Dreaming, NightsEnd
from sould.engine.soul.teacher import Steps, Teacher
from sould.engine.soul.worn import WornSoul
from sould.errors import Cancelled, NotFound, SouldError

log = logging.getLogger(__name__)

Answer = Callable[[str, Struct | Exception], None]
Tell = Callable[[str, Struct], None]
AnyTeacher: TypeAlias = Teacher | NativeTeacher


class _Lesson:
    def __init__(self, id_: str, params: Imprint | Sleep, stop: Event) -> None:
        self.id = id_
        self.params = params
        self.stop = stop
        self.woken = Event()
        self.steps: Steps | Dreaming | None = None


class Learning:
    """The lessons asked for; a night is the longest of them. ``answer`` is told of each one's
    end, once, ``tell`` how far it is.
    """

    def __init__(self, answer: Answer, tell: Tell) -> None:
        self._answer = answer
        self._tell = tell
        self._lessons: deque[_Lesson] = deque()
        self._worn: WornSoul | None = None
        self._teacher: AnyTeacher | None = None
        self._is_prepared = True

    @property
    def is_idle(self) -> bool:
        """Nothing is to be learned, nor to be prepared."""
        return not self._lessons and self._is_prepared

    def begin(self, worn: WornSoul | None, teacher: AnyTeacher | None) -> None:
        """Teach this soul from now on. What was being learned for another is given up."""
        lessons, self._lessons = self._lessons, deque()
        self._worn, self._teacher = worn, teacher
        self._is_prepared = teacher is None or teacher.has_prepared
        for lesson in lessons:
            self._answer(lesson.id, Cancelled("another soul is worn now"))

    def submit(self, id_: str, params: Imprint | Sleep, stop: Event) -> None:
        """Learn a record, or sleep, when there is time."""
        self._lessons.append(_Lesson(id_, params, stop))

    def wake(self) -> None:
        """Let the night that goes on come to its end."""
        for lesson in self._lessons:
            lesson.woken.set()

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
            if (message := next(lesson.steps)) is not None:
                self._tell(lesson.id, message)
        except StopIteration as end:
            assert self._worn is not None and self._teacher is not None
            if isinstance(lesson.params, Sleep):
                self._slept(lesson, lesson.params, end.value, self._worn, self._teacher)
            else:
                self._learned(lesson, lesson.params, end.value, self._worn, self._teacher)
        except Exception as error:
            self._end(lesson, error)

    def _prepare(self) -> None:
        """Prepare for lessons to come. If that fails, it is left to the next one, which says so."""
        assert self._teacher is not None
        try:
            if not self._teacher.has_prepared:  # a lesson may have done the last of it
                self._teacher.prepare()
            self._is_prepared = self._teacher.has_prepared
        except Exception as error:
            log.warning("nothing could be prepared to learn: %s: %s", type(error).__name__, error)
            self._is_prepared = True

    def _begun(self, lesson: _Lesson, worn: WornSoul, teacher: AnyTeacher) -> bool:
        """Begin a lesson, or end it at once if there is nothing to learn."""
        if isinstance(lesson.params, Sleep):
            return self._begun_night(lesson, lesson.params, worn, teacher)
        record, level = lesson.params.record, worn.meta.level
        if record.id in worn.meta.taught or not teacher.tells(record):
            done = Imprinted(id=record.id, tokens=0, level=level, is_durable=True)
            self._end(lesson, done)
            return False
        lesson.steps = teacher.lesson(worn.soul, lesson.params, worn.inner_lr)
        return True

    def _begun_night(
        self, lesson: _Lesson, params: Sleep, worn: WornSoul, teacher: AnyTeacher
    ) -> bool:
        told = [record for record in params.records if teacher.tells(record)]
        is_new = any(not params.nights.get(record.id) for record in told)
        if not (told and (is_new or params.is_due)):
            report = SleepReport(
                outcome="nothing",
                why="nothing was told since the last night",
                level=worn.meta.level,
            )
            self._end(lesson, Slept(report=report, worn=worn.told()))
            return False
        lesson.steps = teacher.night(worn.soul, params, worn.inner_lr, lesson.woken.is_set)
        return True

    def _slept(
        self, lesson: _Lesson, params: Sleep, dreamt: NightsEnd, worn: WornSoul, teacher: AnyTeacher
    ) -> None:
        self._lessons.remove(lesson)
        before, after = dreamt.before.told(), dreamt.after.told()
        facts = _facts(params, dreamt)
        telling = {fact.id for fact in facts}
        evening = worn.meta.level

        def report(error: SouldError | None) -> None:
            is_kept = dreamt.soul is not None and error is None
            outcome = SleepReport(
                outcome="kept" if is_kept else "rolled_back",
                why=f"it cannot be saved: {error.message}" if error else dreamt.why,
                soul=worn.name,
                before=before,
                after=after,
                steps=dreamt.steps,
                seconds=dreamt.seconds,
                level=evening if error else worn.meta.level,
                facts=facts,
                telling_nothing=[r.id for r in params.records if r.id not in telling],
            )
            self._answer(lesson.id, Slept(report=outcome, worn=worn.told(all_taught=True)))

        if dreamt.soul is None:
            report(None)
            return
        known = {fact.id for fact in facts if fact.after or fact.replaced_by}
        learned = [
            record
            for record in params.records
            if not dreamt.is_early or record.id in known or record.id not in telling
        ]  # of a night that was woken the rest still waits
        tokens = {r.id: teacher.tokens(r) if teacher.tells(r) else 0 for r in learned}
        heard = {record.id for record in params.records} - tokens.keys()
        scores = {"recalled": after.recalled, "facts": after.facts}
        scores |= {"stated": after.stated, "statements": after.statements}
        worn.slept(dreamt.soul, tokens, heard, scores, report)

    def _learned(
        self,
        lesson: _Lesson,
        params: Imprint,
        progress: Progress,
        worn: WornSoul,
        teacher: AnyTeacher,
    ) -> None:
        self._lessons.remove(lesson)
        record = params.record
        tokens = teacher.tokens(record)
        fault = progress.fault
        why = f"a step was undone: {fault.text}" if fault else ""

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
        """End a lesson before its end, if it was begun: nothing of it stays."""
        self._lessons.remove(lesson)
        is_begun = lesson.steps is not None and isinstance(lesson.params, Imprint)
        if is_begun and self._worn and self._teacher and self._worn.undo_lesson():
            self._teacher.begin_anew()
        self._answer(lesson.id, outcome)


def _facts(order: Sleep, end: NightsEnd) -> list[Dreamt]:
    """Return what became of each fact of a night, in the order of the records."""
    resting = set(order.resting)
    before, after = end.before.known, end.after.known
    none = Answers(question="", before="", after="")
    found = []
    for record in order.records:
        if record.id not in after and record.id not in end.replaced:
            continue
        answers = end.answers.get(record.id, none)
        fact = Dreamt(
            id=record.id,
            nights=order.nights.get(record.id, 0),
            resting=record.id in resting,
            before=before.get(record.id, False),
            after=after.get(record.id, False),
            replaced_by=end.replaced.get(record.id, ""),
            question=answers.question,
            said_before=answers.before,
            said_after=answers.after,
        )
        found.append(fact)
    return found
