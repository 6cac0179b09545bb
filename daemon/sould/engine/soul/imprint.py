"""Learn a turn while nobody waits: dreams of what the user told, beside what must not change.

The recipe is that of LOG.md. A fact is learned in some fifteen steps of Adam on the fast
weights, from the layer of the scope up; each step sees dreams of the new fact, some of earlier
ones, and a few anchors, and the curvature stands for all the others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul import slots as slots_of
from sould.engine.soul.anchors import Anchor, Draw
from sould.engine.soul.batch import Asked, Below, Learned, Row, Worn, learn, scope_inputs
from sould.engine.soul.chatform import ChatForm, Line
from sould.engine.soul.curriculum import Curriculum, Dream, Fact
from sould.engine.soul.curvature import Axes, Curvature, times
from sould.engine.soul.products import Interrupted, Products, patiently
from sould.engine.soul.scope import Moments, alike, fitted, open_together
from sould.engine.soul.slots import Heard
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import FAST, SLOW, Fault, Slot, Soul, scope_layer

NIGHT_BOOST = 1.25
SCOPE_ROWS = 480  # dreams that a scope is found from, at most
SCOPE_UNTOLD = 144
SCOPE_BATCH = 12
BEGIN = 3  # tokens of an answer
LEAST_BEGUN = 4  # tokens of an answer that is not learned to its end
BEGIN_WEIGHT = 3.0
LAST_RATE = 0.1  # of a night's last step, as a share of the first one's


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a fact is learned. Counts are rows of one step; ``kl`` weighs the anchors together,
    ``guard`` what the curvature says that a position of the whole bank would lose. Adam steps in
    coordinates in which the bank feels every direction alike, but for ``damping``.

    A scope is found from ``heard`` dreams of each fact, as long as there are not more than
    ``SCOPE_ROWS`` of all.

    How the user talks is learned from ``spoken`` of their texts in each of ``voiced`` steps, which
    ``idiom`` weighs: what is gone over more often is learned by heart, and helps no other.

    Of a share ``begun`` of the dreams only the first third of the answer is learned, which is
    quicker: there it is decided what is told, and whether anything is. What documents say often
    differs late, and is always learned to its end.

    A fact is done when the loss of its answers is below ``enough`` (nats a token) after
    ``least_steps``, and after ``most_steps`` in any case. Then come ``reviews``: steps in
    which all facts take part alike, so that the newest does not answer for the others.
    """

    inner_lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    heard: int = 12
    dreams: int = 3
    rehearsed: int = 5
    begun: float = 0.0
    spoken: int = 2
    idiom: float = 1.0
    voiced: int = 32
    anchors: int = 4
    kl: float = 10.0
    guard: float = 300.0
    damping: float = 0.3
    least_steps: int = 6
    most_steps: int = 11
    reviews: int = 3
    enough: float = 0.15

    @staticmethod
    def awake(inner_lr: float) -> Recipe:
        """Return how a turn is learned, in the user's pauses."""
        return Recipe(inner_lr=inner_lr)

    @staticmethod
    def asleep(inner_lr: float) -> Recipe:
        """Return how a night is spent: more dreams a step, at a boosted rate."""
        return Recipe(inner_lr=NIGHT_BOOST * inner_lr, heard=24, dreams=9, begun=2 / 3, anchors=3)


@dataclass(kw_only=True)
class Progress:
    """What became of a fact so far. ``losses``: of each step's new dreams, nats a token.
    ``question``: of a dream of the step that is being taken, if there is one.
    """

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    fault: Fault | None = None
    question: str = ""


class Imprinter:
    """Teaches one soul. ``should_yield``: somebody wants the body now.

    The optimiser's state goes on from fact to fact, and ends with the process.
    """

    def __init__(
        self,
        decoder: Decoder,
        soul: Soul,
        form: ChatForm,
        anchors: Sequence[Anchor],
        curvature: Curvature,
        *,
        recipe: Recipe,
        should_yield: Callable[[], bool],
        part: str = FAST,
        seed: int = 0,
    ) -> None:
        self._part = part
        self._decoder = decoder
        self._soul = soul
        self._form = form
        self._recipe = recipe
        self._should_yield = should_yield
        self._anchors = {
            is_chat: Draw(anchors, is_chat=is_chat, seed=seed) for is_chat in (True, False)
        }
        self._curvature = curvature
        self._seed = seed
        mine = soul.rows(part)
        told = soul.voice.start if part == SLOW else mine.stop
        self._told = slice(told - mine.start)  # the ranks of the part for what was told
        self._first = scope_layer(soul.spec)
        self._below = Below(self._first)
        self._asked = Asked(self._below) if part == SLOW else None
        self._weights = {name: w[self._first :] for name, w in soul.tensors(part).items()}
        self._axes: Axes = {}
        self._moves = {name: torch.zeros_like(w) for name, w in self._weights.items()}
        self._random = random.Random(seed)
        self._inside = Moments.none(soul.spec.d_model)
        self._heard: set[str] = set()
        self._together = open_together(soul.scope[mine])
        moves = list(self._moves.values())
        self._adam = torch.optim.Adam(moves, lr=recipe.inner_lr, betas=recipe.betas)

    def prepare(self) -> Generator[None, None, None]:
        """Find the coordinates, once."""
        if self._axes:
            return
        self._axes = yield from self._curvature.axes(self._recipe.damping)
        first = self._soul.rows(self._part).start
        ranks = self._soul.ranks[self._part]
        silent = [rank for rank in range(ranks) if self._soul.is_silent(first + rank)]
        fresh = Soul(self._soul.spec, ranks={self._part: ranks}, seed=self._seed)

        def draw() -> None:
            """What is random is drawn in these coordinates."""
            for name, drawn in fresh.tensors(self._part).items():
                if name.endswith(".a"):
                    new = times(drawn[self._first :, silent], self._axes[name])
                    self._weights[name][:, silent] = new

        if silent:
            self._soul.change(draw)

    def listen(self, curriculum: Curriculum) -> Generator[None, None, None]:
        """Find the scope of the part: questions about facts and their answers, as against all that
        anybody asks and writes. Yields as :meth:`steps` does.
        """
        new = [fact for fact in curriculum.facts if fact.id not in self._heard]
        for dream in chain(*(yield from self._hear_of(curriculum, self._some(new)))):
            self._inside.see(dream.answer_TD)
        self._heard |= {fact.id for fact in new}
        part = self._soul.rows(self._part)
        yield from self._set_scopes([(part, fitted(self._inside, self._curvature.outside["all"]))])

    def listen_asleep(
        self, curriculum: Curriculum, spoken: Sequence[Line], *, is_all: bool
    ) -> Generator[None, None, None]:
        """Find the scopes of the slow part: of its first ranks all that is asked of the user, told
        or not; of its slots the facts that each is for; of its last, if anything was ``spoken``,
        the user's own words, as against what anybody asks or writes. Yields as :meth:`steps` does.

        ``is_all``: as in ``Curriculum``. If not, slots that are for other facts stay as they are.
        What documents say has no slots, there may be far too much of it.
        """
        soul, outside = self._soul, self._curvature.outside
        facts = self._some(curriculum.facts)
        heard = yield from self._hear_of(curriculum, facts)
        untold = yield from self._hear(curriculum.untold(SCOPE_UNTOLD))
        kinds = [dreams for dreams in ([*chain(*heard)], untold) if dreams]
        parts = (slice(None), slots_of.BEGIN.part)
        inside = alike([slots_of.answered(some, part) for some in kinds for part in parts])
        others = alike([outside["all"], outside["begun"], slots_of.asked(chain(*kinds))])
        scopes = [(soul.wide, fitted(inside, others))]
        yield
        slots = soul.slots if is_all else [s for s in soul.slots if soul.is_silent(s.rest)]
        own = [dreams for fact, dreams in zip(facts, heard, strict=True) if not fact.source]
        by_slot = slots_of.shared_out(soul, slots, own)
        for slot, sides in slots_of.scopes(
            by_slot, untold, outside["all"], outside["begun"]
        ).items():
            ranks = (slot.begin, slot.rest)
            scopes += [(slice(r, r + 1), side) for r, side in zip(ranks, sides, strict=True)]
        is_known = is_all and len(facts) == len(curriculum.facts)
        left = [slot for slot in slots if slot not in by_slot]
        free = [slot for slot in left if is_known or soul.is_silent(slot.rest)]
        if spoken:
            said = [_row(line, 1.0) for line in spoken[:SCOPE_ROWS]]
            read = [_row(_as_prose(line), 1.0) for line in spoken[:SCOPE_ROWS]]
            words = (yield from self._read(said)) + (yield from self._read(read, is_chat=False))
            others = alike([outside["asked"], outside["prose"]])
            scopes.append((soul.voice, fitted(slots_of.moments(words), others)))
        self._shut(free)
        yield from self._set_scopes(scopes)

    def _shut(self, slots: Sequence[Slot]) -> None:
        """Silence slots that are for nothing, those among them whose facts are gone, until there is
        something for them.
        """
        soul, ranks = self._soul, [rank for slot in slots for rank in (slot.begin, slot.rest)]

        def update() -> None:
            soul.scope[ranks] = 0
            for b in soul.b.values():
                b[:, ranks] = 0

        fault = soul.change(update)
        assert fault is None, fault

    def _hear_of(
        self, curriculum: Curriculum, facts: Sequence[Fact]
    ) -> Generator[None, None, list[list[Heard]]]:
        """Return of each fact what the scope reads of some dreams."""
        of_each = min(self._recipe.heard, SCOPE_ROWS // max(1, len(facts)))
        heard = yield from self._hear([d for f in facts for d in curriculum.dreams(f, of_each)])
        return [heard[n : n + of_each] for n in range(0, len(heard), of_each)]

    def _hear(self, dreams: Sequence[Dream]) -> Generator[None, None, list[Heard]]:
        lines = [self._form.line(dream.question, dream.answer) for dream in dreams]
        whole = [Line(line.ids, list(range(1, len(line.ids)))) for line in lines]
        read = yield from self._read([_row(line, 1.0) for line in whole])
        cuts = [line.positions[0] - 1 for line in lines]
        return [Heard(x_TD[:cut], x_TD[cut:]) for x_TD, cut in zip(read, cuts, strict=True)]

    def _some(self, facts: Sequence[Fact]) -> list[Fact]:
        """Return facts, not more than there may be dreams."""
        return self._random.sample(facts, min(len(facts), SCOPE_ROWS))

    def _read(
        self, rows: Sequence[Row], is_chat: bool = True
    ) -> Generator[None, None, list[Tensor]]:
        """Return what the scope reads where the targets of each row are predicted, (P, D)."""
        found: list[Tensor] = []
        for start in range(0, len(rows), SCOPE_BATCH):
            some = rows[start : start + SCOPE_BATCH]
            x_PD = yield from patiently(partial(self._heard_at, some, is_chat))
            found += torch.split(x_PD, [len(row.positions) for row in some])
            yield
        return found

    def _set_scopes(self, scopes: Sequence[tuple[slice, Tensor]]) -> Generator[None, None, None]:
        scope = self._soul.scope
        fault = self._soul.change(lambda: [scope[rows].copy_(side) for rows, side in scopes])
        assert fault is None, fault
        self._together = open_together(scope[self._soul.rows(self._part)])
        yield

    def steps(
        self, curriculum: Curriculum, fact: Fact, progress: Progress
    ) -> Generator[None, None, None]:
        """Learn a fact; every yield ends a small piece of work, whatever was interrupted is
        done again. ``progress`` is kept up to date.
        """
        recipe = self._recipe
        yield from self.listen(curriculum)
        while progress.steps < recipe.most_steps and not self._is_enough(progress):
            dreams = curriculum.dreams(fact, recipe.dreams)
            rehearsed = curriculum.rehearsal(fact, recipe.rehearsed)
            yield from self._take_step(curriculum, [*dreams, *rehearsed], progress)
            if progress.fault is not None:
                return
        for _ in range(recipe.reviews):
            dreams = curriculum.review(recipe.dreams + recipe.rehearsed)
            yield from self._take_step(curriculum, dreams, progress)

    def study(
        self, curriculum: Curriculum, spoken: Sequence[Line], steps: int, progress: Progress
    ) -> Generator[None, None, None]:
        """Learn how the user talks, and then take so many steps in which all facts take part alike,
        ever smaller ones; yields as :meth:`steps` does.

        ``spoken``: what the user said, in their own words.
        """
        yield from self._converse(spoken, progress)
        for _ in self._fading(steps if progress.fault is None else 0):
            yield from self._take_step(curriculum, curriculum.mixed(self._recipe.dreams), progress)
            if progress.fault is not None:
                return

    def _converse(self, spoken: Sequence[Line], progress: Progress) -> Generator[None, None, None]:
        """Learn how the user talks, in the ranks that are for it alone: in turn as what is said in
        a chat, and as prose.
        """
        recipe, part, voice = self._recipe, self._soul.rows(self._part), self._soul.voice
        ranks = slice(voice.start - part.start, voice.stop - part.start)
        for step in self._fading(recipe.voiced if spoken else 0):
            lines = self._random.sample(spoken, min(recipe.spoken, len(spoken)))
            is_chat = step % 2 == 0
            lines = lines if is_chat else [*map(_as_prose, lines)]
            rows = [_row(line, recipe.idiom / len(lines)) for line in lines]
            yield from self._learn(rows, ranks, progress, is_chat)
            if progress.fault is not None:
                return

    def _fading(self, steps: int) -> Iterator[int]:
        """Count steps, each to be taken at a smaller rate than the one before."""
        for step in range(steps):
            share = 1 - (1 - LAST_RATE) * step / steps
            for group in self._adam.param_groups:
                group["lr"] = share * self._recipe.inner_lr
            yield step

    def _take_step(
        self, curriculum: Curriculum, dreams: Sequence[Dream], progress: Progress
    ) -> Generator[None, None, None]:
        """Take one step on dreams and anchors."""
        progress.question = next((one.question for one in dreams if one.fact is not None), "")
        rows = self._dream_rows(dreams)
        losses = yield from self._learn(rows, self._told, progress, asked=self._asked)
        curriculum.note(dreams, losses)

    def _learn(
        self,
        rows: Sequence[Row],
        ranks: slice,
        progress: Progress,
        is_chat: bool = True,
        asked: Asked | None = None,
    ) -> Generator[None, None, list[float]]:
        """Take one step on rows and anchors of their kind, in some ranks of the part, and return
        the losses of the rows, nats a token.
        """
        rows_beside = [*rows, *self._anchor_rows(is_chat)]
        learned = yield from self._learned(rows_beside, progress, is_chat, asked)
        yield
        losses = [
            loss / len(row.positions) for row, loss in zip(rows, learned.losses, strict=False)
        ]
        new = losses[: self._recipe.dreams]
        progress.losses.append(sum(new) / len(new))
        progress.fault = yield from self._step(learned.gradients, ranks)
        progress.steps += 1
        yield
        return losses

    def _prefix(self, is_chat: bool) -> Sequence[int]:
        return self._form.prefix if is_chat else ()

    def _heard_at(self, rows: Sequence[Row], is_chat: bool) -> Tensor:
        """Return what the scope reads where some rows' targets are predicted."""
        products, bare = Products(self._decoder, self._should_yield), Worn(self._soul.spec, None)
        prefix = self._prefix(is_chat)
        return scope_inputs(self._decoder, bare, products, prefix, rows, self._below)

    def _is_enough(self, progress: Progress) -> bool:
        last = progress.losses[-2:]
        is_long_enough = progress.steps >= self._recipe.least_steps
        return is_long_enough and max(last) < self._recipe.enough

    def _learned(
        self, rows: Sequence[Row], progress: Progress, is_chat: bool, asked: Asked | None
    ) -> Generator[None, None, Learned]:
        """Return the gradients of a micro-batch, computed as soon as nobody else wants to."""
        while True:
            start_s = time.perf_counter()
            try:
                return learn(
                    self._decoder,
                    self._soul,
                    self._part,
                    self._prefix(is_chat),
                    rows,
                    should_yield=self._should_yield,
                    below=self._below,
                    asked=asked,
                )
            except Interrupted:
                yield
            finally:
                progress.seconds += time.perf_counter() - start_s

    def _dream_rows(self, dreams: Sequence[Dream]) -> list[Row]:
        """Each dream counts alike, whatever the length of its answer, and in it the beginning more:
        there it is decided what is told, and whether anything is.
        """
        lines = [self._to_learn(dream) for dream in dreams]
        return [_row(line, 1.0 / len(lines), begin=BEGIN_WEIGHT) for line in lines]

    def _to_learn(self, dream: Dream) -> Line:
        line = self._form.line(dream.question, dream.answer)
        is_document = dream.fact is not None and dream.fact.source
        if is_document or self._random.random() >= self._recipe.begun:
            return line
        return Line(line.ids, line.positions[: max(LEAST_BEGUN, len(line.positions) // 3)])

    def _anchor_rows(self, is_chat: bool) -> list[Row]:
        count = self._recipe.anchors
        anchors = self._anchors[is_chat].take(count)
        return [anchor.row(self._recipe.kl / count) for anchor in anchors]

    def _step(
        self, gradients: Mapping[str, Tensor], ranks: slice
    ) -> Generator[None, None, Fault | None]:
        """Take one step of the optimiser, in some ranks of the part; one that leaves the bounds is
        undone. It yields on the way, and the soul changes in the end, all at once.
        """
        _, felt = self._curvature.slopes(self._weights, self._together)
        yield
        for name, move in self._moves.items():
            slope = gradients[name][self._first :] + self._recipe.guard * felt[name]
            move.zero_().grad = times(slope, self._axes[name])
        torch.nn.utils.clip_grad_norm_(list(self._moves.values()), self._recipe.clip)
        yield
        self._adam.step()
        moves = {name: times(move, self._axes[name]) for name, move in self._moves.items()}
        yield
        return self._soul.change(
            lambda: [self._weights[k][:, ranks].add_(move[:, ranks]) for k, move in moves.items()],
            part=self._part,
            first=self._first,
        )


def _as_prose(spoken: Line) -> Line:
    """Return what somebody says as text of its own, without what ends it in a chat."""
    ids = spoken.ids[:-1]
    return Line(ids, list(range(1, len(ids))))


def _row(line: Line, weight: float, *, begin: float = 1.0) -> Row:
    """Hold a line to its own words; ``weight`` is shared out over them, and each of the first
    ``BEGIN`` weighs ``begin`` times as much as another.
    """
    shares = [begin if i < BEGIN else 1.0 for i in range(len(line.positions))]
    return Row(
        ids=line.ids,
        positions=line.positions,
        target=Target.tokens(line.answer),
        weight=[weight * share / sum(shares) for share in shares],
    )
