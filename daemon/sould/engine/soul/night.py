"""One night: what was told is gone over as dreams, examined, and kept or rolled back.

The dreamer is a soul of its own, and the one that is worn stays as it is until the night is
over: who talks meanwhile talks to whom they talked in the evening.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from soul_client.wire import Progress, SleepMarks
from sould.engine.decoder import Decoder
from sould.engine.runner import AnySoul
from sould.engine.soul import imprint
from sould.engine.soul.anchors import Anchor
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.curriculum import RESTING_SHARE, Curriculum
from sould.engine.soul.curvature import Curvature
from sould.engine.soul.dreams import Dream, Fact
from sould.engine.soul.imprint import Imprinter
from sould.engine.soul.products import in_parts
from sould.engine.soul.recipe import Recipe
from sould.engine.soul.scoring import ROWS, Scorer
from sould.engine.soul.topics import Topic
from sould.engine.soul.weights import MATRICES, SLOW, MatrixName, Soul

log = logging.getLogger(__name__)

EXAM_ANCHORS = 48
EXAM_UNTOLD = 16
NO_NUMBER = 999.0  # the drift in a report of one that is no number, which JSON has no word for
LEAST_STEPS = 20
MOST_SECONDS = 3 * 3600.0  # of a night; what was dreamt by then is examined
FEW = 5
LEAST_SPOKEN = 4  # tokens of what the user said, below which it says nothing of how they talk


@dataclass(frozen=True, kw_only=True)
class Marks:
    """``recalled``: of each fact by its id, whether a greedy reply states it word by word;
    ``stated``: the same of what documents say.
    ``honest``: of questions about what was never told, whether it says so. ``drift``: from the
    bare body at the anchors, nats a token.
    """

    recalled: Mapping[str, bool]
    honest: Sequence[bool]
    drift: float
    stated: Mapping[str, bool] = field(default_factory=dict)

    @property
    def known(self) -> Mapping[str, bool]:
        """Facts and statements together."""
        return {**self.recalled, **self.stated}

    def told(self) -> SleepMarks:
        """Return it as reports have it."""
        return SleepMarks(
            recalled=sum(self.recalled.values()),
            facts=len(self.recalled),
            honest=sum(self.honest),
            untold=len(self.honest),
            drift=round(self.drift, 5) if math.isfinite(self.drift) else NO_NUMBER,
            stated=sum(self.stated.values()),
            statements=len(self.stated),
        )


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a night must not do. ``most_lost``: share of the facts recalled before that may be
    gone; of ``FEW`` or more it may be one: the next night comes back to it at once. What documents
    say is not looked at: no night of the user's is lost for it. ``most_drift``: nats a token at the
    anchors.
    """

    most_lost: float = 0.1
    most_drift: float = 0.05

    def fault(self, before: Marks, after: Marks) -> str:
        """Return why what was dreamt is not kept, or "". Pure."""
        if not after.drift <= self.most_drift:  # nan, too
            return (
                f"what is said of other things drifted by {after.drift:.3f} nats a token, "
                f"more than {self.most_drift:g}"
            )
        known, known_still = sum(before.recalled.values()), sum(after.recalled.values())
        if known - known_still > max(self.most_lost * known, int(known >= FEW)):
            of = len(after.recalled)
            return f"{known_still} of {of} facts are recalled, {known} before"
        return ""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was replied to a question in the evening and in the morning."""

    question: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class NightsEnd:
    """What became of a night. ``soul``: the one that passed, None if none did; ``why`` not, or why
    it ended early. ``is_early``: it did, by that or woken. ``replaced``: facts that were left out,
    by id, with the newer one's. ``answers``: of some facts, by id.
    """

    soul: AnySoul | None
    why: str
    before: Marks
    after: Marks
    steps: int
    seconds: float
    is_early: bool = False
    replaced: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)


Dreaming = Generator[Progress | None, None, NightsEnd]


class Night:
    """Goes over facts. Every piece of work is small; yields progress, or None."""

    def __init__(
        self,
        decoder: Decoder,
        form: ChatForm,
        topics: Sequence[Topic],
        anchors: Sequence[Anchor],
        curvature: Curvature,
        *,
        recipe: Recipe,
        should_yield: Callable[[], bool],
        steps_a_fact: int = 34,
        most_steps: int = 1000,
        most_seconds: float = MOST_SECONDS,
        gate: Gate | None = None,
    ) -> None:
        self._decoder = decoder
        self._form = form
        self._topics = topics
        self._anchors = anchors
        self._curvature = curvature
        self._recipe = recipe
        self._should_yield = should_yield
        self._steps_a_fact = steps_a_fact
        self._most_steps = most_steps
        self._most_seconds = most_seconds
        self._gate = gate or Gate()

    def dream(
        self,
        worn: Soul,
        facts: Sequence[Fact],
        said: Sequence[str],
        seed: int,
        resting: Set[str] = frozenset(),
        is_all: bool = True,
        is_woken: Callable[[], bool] = lambda: False,
        started_s: float | None = None,
    ) -> Dreaming:
        """Dream of all facts, less of the ``resting`` ones if there are not the steps for all, and
        say whether what came of it may be kept. ``said``: in the user's own words, whether it tells
        anything or not. ``is_all``: the soul knows no other facts. ``is_woken``: the night is to
        end; what was dreamt so far is examined, as it is once it has lasted too long.
        ``started_s``: when it began, by ``time.perf_counter``; None is now.
        """
        started_s = time.perf_counter() if started_s is None else started_s
        yield Progress(stage="examining")
        before = yield from self._examine(worn, facts, is_all)
        dreamer = yield from dreamer_of(worn, seed)
        imprinter = Imprinter(
            self._decoder,
            dreamer,
            self._form,
            self._anchors,
            self._curvature,
            recipe=self._recipe,
            should_yield=self._should_yield,
            part=SLOW,
            seed=seed,
        )
        yield from imprinter.prepare()
        rest = sum(fact.id in resting for fact in facts)
        share = share_of_resting(len(facts) - rest, rest, self._most_steps / self._steps_a_fact)
        curriculum = Curriculum(
            self._topics, facts, seed, resting, resting_share=share, is_all=is_all
        )
        spoken = []
        for text in said:
            line = self._form.spoken(text)
            if len(line.ids) >= LEAST_SPOKEN:
                spoken.append(line)
            yield None
        yield from imprinter.listen_asleep(curriculum, spoken, is_all=is_all)
        due = len(facts) - (1 - share) * rest
        steps = min(self._most_steps, max(LEAST_STEPS, round(self._steps_a_fact * due)))
        total = steps + (self._recipe.voiced if spoken else 0)
        progress, is_early = imprint.Progress(), False
        for _ in imprinter.study(curriculum, spoken, steps, progress):
            loss = round(progress.losses[-1], 4) if progress.losses else None
            yield Progress(
                stage="dreaming",
                done=progress.steps,
                total=total,
                note=progress.question,
                loss=loss,
            )
            is_late = time.perf_counter() - started_s > self._most_seconds
            if is_early := is_woken() or is_late:
                break
        _round(dreamer)
        yield Progress(stage="examining")
        after = yield from self._examine(dreamer, facts, is_all)
        why = self._gate.fault(before, after)
        is_lost = bool(why)
        if not why and (fault := progress.fault) is not None:  # its step was undone
            why = f"learning had to stop, in step {progress.steps} of {total}: {fault.text}"
            is_early = True
            is_lost = fault.what == "not finite" or progress.steps <= LEAST_STEPS
        return NightsEnd(
            soul=None if is_lost else dreamer,
            why=why,
            before=before,
            after=after,
            steps=progress.steps,
            seconds=round(time.perf_counter() - started_s, 1),
            is_early=is_early,
        )

    def _says(self, soul: Soul, dreams: Sequence[Dream]) -> Generator[None, None, list[bool]]:
        """Return of each dream whether its answer is what a greedy reply says."""
        scorer = Scorer(self._decoder, soul, should_yield=self._should_yield)
        lines = [self._form.line(dream.question, dream.answer) for dream in dreams]
        says = partial(scorer.says, self._form.prefix)
        return (yield from in_parts(says, lines, ROWS))

    def _examine(
        self, soul: Soul, facts: Sequence[Fact], is_all: bool
    ) -> Generator[None, None, Marks]:
        scorer = Scorer(self._decoder, soul, should_yield=self._should_yield)
        curriculum = Curriculum(self._topics, facts, seed=0, is_all=is_all)
        says = yield from self._says(soul, [curriculum.held_out(fact) for fact in facts])
        answered = list(zip(facts, says, strict=True))
        honest = yield from self._says(soul, curriculum.untold.held_out(EXAM_UNTOLD))
        chat = [anchor for anchor in self._anchors if anchor.is_chat][:EXAM_ANCHORS]

        def drift(some: Sequence[Anchor]) -> list[float]:
            lines, targets = [one.line for one in some], [one.target for one in some]
            return scorer.divergence(self._form.prefix, lines, targets)

        drifts = yield from in_parts(drift, chat, ROWS)
        return Marks(
            recalled={fact.id: says for fact, says in answered if not fact.source},
            stated={fact.id: says for fact, says in answered if fact.source},
            honest=honest,
            drift=sum(drifts) / max(1, len(drifts)),
        )


def share_of_resting(due: int, resting: int, most: float) -> float:
    """Return at which rate of those that are due the resting facts take part: the same if there is
    room for ``most`` facts, and less as there is not. Pure.
    """
    return min(1.0, max(RESTING_SHARE, (most - due) / max(1, resting)))


def dreamer_of(worn: Soul, seed: int) -> Generator[None, None, Soul]:
    """Return a soul whose wide ranks are what those of ``worn`` and its fast ones do, as far as
    their number goes, and which has no fast ones: dreaming goes on from what was learned awake.
    The slots stay, and what knows how the user talks. Yields after each matrix.
    """
    copy = Soul(worn.spec, ranks=worn.ranks, seed=seed, limits=worn.limits, reads=worn.reads)
    if worn.used is None:
        return copy
    apart = {r for slot in worn.slots for r in (slot.begin, slot.rest) if _is_apart(worn, r)}
    apart |= set(range(worn.voice.start, worn.voice.stop)) if not worn.is_empty(SLOW) else set()
    kept, wide = sorted(apart), worn.wide
    others = [rank for rank in range(sum(worn.ranks.values())) if rank not in apart]

    found: dict[tuple[MatrixName, int], tuple[Tensor, Tensor]] = {}
    for name in MATRICES:
        for i in range(worn.first, worn.spec.n_layers):
            a_RI, b_RO = worn.a[name][i, others], worn.b[name][i, others]
            found[name, i] = nearest(a_RI, b_RO, wide.stop - wide.start)
            yield

    def take() -> None:
        for (name, i), sides in found.items():
            copy.a[name][i, wide], copy.b[name][i, wide] = sides
        for name in MATRICES:
            for mine, theirs in ((copy.a, worn.a), (copy.b, worn.b)):
                mine[name][:, kept] = theirs[name][:, kept]
        copy.scope[kept] = worn.scope[kept]

    fault = copy.change(take)
    assert fault is None, fault  # no norm grows by leaving something out
    return copy


def _round(dreamer: Soul) -> None:
    """Leave what was dreamt as a file keeps it: in 16 bits, if it fits there."""
    sides = dreamer.tensors(SLOW).values()
    fault = dreamer.change(lambda: [side.copy_(side.half()) for side in sides], part=SLOW)
    if fault is not None:
        log.warning("what was dreamt is kept in 32 bits: %s %s", fault.what, fault.where)


def _is_apart(worn: Soul, rank: int) -> bool:
    """Whether a rank of a slot is for facts of its own; in a soul of before there were slots those
    that lie there have the scope of the wide ones.
    """
    is_wide = torch.equal(worn.scope[rank], worn.scope[worn.wide.start])
    return not (is_wide or worn.is_silent(rank))


def nearest(a_RI: Tensor, b_RO: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return A and B of that rank whose product Bᵀ·A is nearest (truncated SVD, by way of the QR
    factors of both); the rows of A are orthonormal.
    """
    q_a, r_a = torch.linalg.qr(a_RI.T)
    q_b, r_b = torch.linalg.qr(b_RO.T)
    u, s, vh = torch.linalg.svd(r_b @ r_a.T)
    return (q_a @ vh[:rank].T).T, (q_b @ (u[:, :rank] * s[:rank])).T
