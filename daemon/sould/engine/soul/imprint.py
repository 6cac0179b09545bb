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

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.anchors import Anchor, Draw
from sould.engine.soul.batch import Learned, Row, learn, learned_in_parts
from sould.engine.soul.chatform import ChatForm, Line
from sould.engine.soul.computed import Asked, Below
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.curvature import Axes, Curvature, times
from sould.engine.soul.dreams import Dream, Fact
from sould.engine.soul.listening import Listener
from sould.engine.soul.recipe import Recipe
from sould.engine.soul.scope import open_together
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import (
    FAST,
    NORM_SHARE,
    SLOW,
    Fault,
    MatrixName,
    Soul,
)

BEGIN_TOKENS = 3  # of an answer
LEAST_BEGUN = 4  # tokens of an answer that is not learned to its end
BEGIN_WEIGHT = 3.0
STRIDES: Mapping[MatrixName, float] = {"gate": 0.52, "up": 0.53, "down": 0.22}
"""Of the default body, whose rates the recipe has: see :func:`paced`."""
LAST_RATE = 0.1  # of a night's last step, as a share of the first one's


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
        self._first = soul.reads
        self._below = Below(self._first)
        self._asked = Asked(self._below) if part == SLOW else None
        self._weights = {name: w[self._first :] for name, w in soul.tensors(part).items()}
        self._axes: Axes = {}
        self._moves = {name: torch.zeros_like(w) for name, w in self._weights.items()}
        self._random = random.Random(seed)
        self._listener = Listener(
            decoder,
            soul,
            form,
            curvature,
            self._below,
            part=part,
            of_each=recipe.heard,
            should_yield=should_yield,
            by=self._random,
        )
        self._together = open_together(soul.scope[mine])
        moves = list(self._moves.values())
        self._adam = torch.optim.Adam(moves, lr=recipe.inner_lr, betas=recipe.betas)

    def prepare(self) -> Generator[None, None, None]:
        """Find the coordinates, once."""
        if self._axes:
            return
        axes = yield from self._curvature.axes(self._recipe.damping)
        self._axes = paced(axes, self._soul.limits, self._first)
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

    def listen_asleep(
        self, curriculum: Curriculum, spoken: Sequence[Line], *, is_all: bool
    ) -> Generator[None, None, None]:
        """Find the scopes of the slow part, see ``Listener``."""
        yield from self._listener.listen_asleep(curriculum, spoken, is_all=is_all)
        self._open()

    def _open(self) -> None:
        """Look again at which ranks are open together."""
        self._together = open_together(self._soul.scope[self._soul.rows(self._part)])

    def steps(
        self, curriculum: Curriculum, fact: Fact, progress: Progress
    ) -> Generator[None, None, None]:
        """Learn a fact; every yield ends a small piece of work, whatever was interrupted is
        done again. ``progress`` is kept up to date.
        """
        recipe = self._recipe
        yield from self._listener.listen(curriculum)
        self._open()
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
            lines = lines if is_chat else [line.as_prose() for line in lines]
            rows = [row_of(line, recipe.idiom / len(lines)) for line in lines]
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
        losses, worst = yield from self._learn(rows, self._told, progress, asked=self._asked)
        curriculum.note(dreams, losses, worst)

    def _learn(
        self,
        rows: Sequence[Row],
        ranks: slice,
        progress: Progress,
        is_chat: bool = True,
        asked: Asked | None = None,
    ) -> Generator[None, None, tuple[list[float], list[float]]]:
        """Take one step on rows and anchors of their kind, in some ranks of the part, and return
        the losses of the rows, nats a token, and the highest loss of a token in each.
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
        return losses, learned.worst[: len(rows)]

    def _prefix(self, is_chat: bool) -> Sequence[int]:
        return self._form.prefix if is_chat else ()

    def _is_enough(self, progress: Progress) -> bool:
        last = progress.losses[-2:]
        is_long_enough = progress.steps >= self._recipe.least_steps
        return is_long_enough and max(last) < self._recipe.enough

    def _learned(
        self, rows: Sequence[Row], progress: Progress, is_chat: bool, asked: Asked | None
    ) -> Generator[None, None, Learned]:
        """Return the gradients of a micro-batch, computed as soon as nobody else wants to: in parts
        once it was interrupted, or who asks often would let no step be taken.
        """

        def learn_some(some: Sequence[Row]) -> Learned:
            start_s = time.perf_counter()
            try:
                return learn(
                    self._decoder,
                    self._soul,
                    self._part,
                    self._prefix(is_chat),
                    some,
                    should_yield=self._should_yield,
                    below=self._below,
                    asked=asked,
                )
            finally:
                progress.seconds += time.perf_counter() - start_s

        return (yield from learned_in_parts(learn_some, rows))

    def _dream_rows(self, dreams: Sequence[Dream]) -> list[Row]:
        """Each dream counts alike, whatever the length of its answer, and in it the beginning more:
        there it is decided what is told, and whether anything is.
        """
        weight = 1.0 / len(dreams)
        return [
            row_of(self._to_learn(dream), weight, begin=BEGIN_WEIGHT, target=dream.target)
            for dream in dreams
        ]

    def _to_learn(self, dream: Dream) -> Line:
        line = self._form.line(dream.question, dream.answer)
        if dream.is_whole:
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


def paced(axes: Axes, limits: Mapping[MatrixName, Tensor], first: int) -> Axes:
    """Return coordinates of the layers from ``first`` on in which a rate moves the matrices of a
    body by as much of their norms as it does those of the default one, in the median of its layers:
    weights of some bodies are ten times as large as those of others. ``limits``: of
    :func:`norm_limits`; without them coordinates stay as they are.
    """
    found = dict(axes)
    for name in limits:
        a, b = axes[f"{name}.a"], axes[f"{name}.b"]
        norms_N = limits[name][first:].to(b) / NORM_SHARE
        strides_N = _size(a) * _size(b) * b.shape[-1] ** 0.5 / norms_N
        found[f"{name}.b"] = b * (STRIDES[name] / float(strides_N.median()))
    return found


def _size(axes: Tensor) -> Tensor:
    """Return the root mean square of a coordinate's length, (N,), of (N, X, X) or (N, X)."""
    squares = axes.square()
    return (squares.sum(-1) if axes.dim() == 3 else squares).mean(-1).sqrt()


def row_of(line: Line, weight: float, *, begin: float = 1.0, target: Target | None = None) -> Row:
    """Hold a line to its own words, or as far as it goes to a teacher's ``target``; ``weight`` is
    shared out over them, and each of the first ``BEGIN_TOKENS`` weighs ``begin`` times as much as
    another.
    """
    count = len(line.positions)
    shares = [begin if i < BEGIN_TOKENS else 1.0 for i in range(count)]
    return Row(
        ids=line.ids,
        positions=line.positions,
        target=Target.tokens(line.answer) if target is None else target.part(slice(count)),
        weight=[weight * share / sum(shares) for share in shares],
    )
