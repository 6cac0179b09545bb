"""Everything a body needs to be taught, made once and kept, and one lesson after the other."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from soul_client.wire import Progress as Stage
from sould.bridge import Dreams, Imprint, Mark, Probe, Sleep, Told
from sould.engine.decoder import Decoder
from sould.engine.runner import AnySoul
from sould.engine.soul import anchors as anchors_of
from sould.engine.soul import curvature as curvature_of
from sould.engine.soul.anchors import BATCH, VERSION, Anchor, Maker, general_prompts
from sould.engine.soul.author import Author, is_author
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.curvature import Curvature, Surveyor
from sould.engine.soul.dreams import Fact, Written, with_lent
from sould.engine.soul.facts import LONGEST, gist, told
from sould.engine.soul.imprint import Imprinter, Progress
from sould.engine.soul.kept import keep_json, kept_json, not_kept
from sould.engine.soul.middle import layer_to_read
from sould.engine.soul.night import MOST_SECONDS, Dreaming, Night
from sould.engine.soul.recall import marks, probes_of
from sould.engine.soul.recipe import Recipe
from sould.engine.soul.replies import answers_of
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.topics import OTHER, Matcher, Topic
from sould.engine.soul.updates import standing, superseded
from sould.engine.soul.weights import Soul
from sould.language import is_japanese

if TYPE_CHECKING:
    from sould.engine.loading import Body

log = logging.getLogger(__name__)

FITS_VERSION = 10  # of how a statement is matched to topics
MOST_WRITTEN = 64  # facts that a body writes about in one night
WRITING_SHARE = 1 / 3  # of a night at its longest, after which it writes no more
FITS_AT_ONCE = 16  # statements matched before that is kept
MOST_FITS = 2048  # statements, by their hash

Steps = Generator[None, None, Progress]


class Teacher:
    """Teaches the souls of one body. What it finds out about the body is kept in the cache, but
    nothing that was told. ``dreams``: who writes those of a night.

    ``should_yield``: somebody wants the body; work is given up within some milliseconds and
    done again later. Every generator here yields after a small piece of work.
    """

    def __init__(
        self,
        body: Body,
        *,
        system: str,
        cache_dir: Path,
        should_yield: Callable[[], bool],
        dreams: Dreams = "auto",
        reads: int | None = None,
    ) -> None:
        assert isinstance(body.decoder, Decoder)
        self._body = body
        self._decoder = body.decoder
        self._should_yield = should_yield
        self._form = ChatForm(body.template, body.ends, system=system)
        self._scorer = Scorer(self._decoder, should_yield=should_yield)
        prompts = "\n".join(prompt.text for prompt in general_prompts())
        made_of = json.dumps([VERSION, body.summary.fingerprint, system, prompts])
        self._key = hashlib.sha256(made_of.encode()).hexdigest()
        self._folder = cache_dir / "teacher"
        self._anchors: list[Anchor] = []
        self._reads = reads
        self._curvature = Curvature(self._decoder.spec, self._decoder.spec.n_layers)  # of no layer
        self._bank: Generator[None, None, None] | None = self._make_bank()
        self._matchers: dict[str, Matcher] = {}
        self._fits_path = self._folder / f"fits-{FITS_VERSION}-{self._key[:16]}.json"
        self._fits = kept_json(self._fits_path, dict[str, list[float]])
        self._are_fits_kept = True
        self._imprinter: tuple[Soul, float, Imprinter] | None = None
        is_written, why = is_author(dreams, body.parameters)
        self._author = Author(body, self._form, self._scorer) if is_written else None
        log.info("dreams of body %s: %s", body.summary.name, why)

    def tells(self, record: Told) -> bool:
        """Whether there is anything to learn in a record."""
        return bool(told(record))

    def tokens(self, record: Told) -> int:
        """Return what learning a record adds to the level."""
        return len(self._body.tokenizer.encode(record.text))

    def begin_anew(self) -> None:
        """Forget how the last lessons went: one of them was undone."""
        self._imprinter = None

    def lesson(self, soul: AnySoul, order: Imprint, inner_lr: float) -> Steps:
        """Teach ``soul`` a record, and go over earlier ones on the way."""
        assert isinstance(soul, Soul)
        record, recent = order.record, order.recent
        progress, started_s = Progress(), time.perf_counter()
        imprinter = yield from self._ready(soul, inner_lr)
        is_ja = _is_japanese(record)
        telling = [other for other in recent if self.tells(other) and _is_japanese(other) is is_ja]
        facts = []
        for one in [*(other for other in telling if other.id != record.id), record]:
            facts.append((yield from self._fact(one)))
        self._keep_fits()
        topics = self._matcher(is_ja).topics
        facts = standing(facts, (yield from superseded(facts)))
        curriculum = Curriculum(topics, facts, seed=len(facts))
        ready_s = time.perf_counter()
        yield from imprinter.steps(curriculum, facts[-1], progress)
        log.info(
            "imprinted record=%s steps=%d loss=%.2f to %.2f prepared_s=%.1f learned_s=%.1f",
            *(record.id, progress.steps, progress.losses[0], progress.losses[-1]),
            *(ready_s - started_s, time.perf_counter() - ready_s),
        )
        return progress

    def night(
        self, soul: AnySoul, order: Sleep, inner_lr: float, is_woken: Callable[[], bool]
    ) -> Dreaming:
        """Go over records while asleep, until ``is_woken``; ``soul`` itself is not changed."""
        assert isinstance(soul, Soul)
        started_s = time.perf_counter()
        yield Stage(stage="preparing")
        yield from self._prepared()
        self._have_read(soul)
        telling = [record for record in order.records if self.tells(record)]
        facts = []
        for n, record in enumerate(telling):
            yield Stage(stage="gathering", done=n, total=len(telling))
            facts.append((yield from self._fact(record)))
            if n % FITS_AT_ONCE == 0:
                self._keep_fits()
        self._keep_fits()
        topics, known = self._together(facts)
        replaced = yield from superseded(known)
        known = with_lent(standing(known, replaced), order.dreams)
        until_s = started_s + WRITING_SHARE * MOST_SECONDS
        known = yield from self._with_written(known, order, is_woken, until_s)
        self.begin_anew()  # the part of the soul that it learns will be another one
        night = Night(
            self._decoder,
            self._form,
            topics,
            self._anchors,
            self._curvature,
            recipe=Recipe.asleep(inner_lr),
            should_yield=self._should_yield,
        )
        dreamt = yield from night.dream(
            soul,
            known,
            [r.text for r in order.records if not r.source and len(r.text) <= LONGEST],
            seed=order.seed,
            resting=frozenset(order.resting),
            is_all=order.is_all,
            is_woken=is_woken,
            started_s=started_s,
        )
        before, after = dreamt.before.told(), dreamt.after.told()
        log.info(
            "slept facts=%d replaced=%d steps=%d recalled=%d to %d statements=%d stated=%d to %d "
            "drift=%.4f to %.4f seconds=%.0f %s",
            *(after.facts, len(replaced), dreamt.steps, before.recalled, after.recalled),
            *(after.statements, before.stated, after.stated),
            *(before.drift, after.drift, dreamt.seconds, dreamt.why),
        )
        probes = probes_of(topics, known)
        answers = yield from answers_of(self._body, self._form, soul, dreamt, probes)
        seconds = round(time.perf_counter() - started_s, 1)
        return replace(dreamt, replaced=replaced, answers=answers, seconds=seconds)

    def _with_written(
        self, facts: Sequence[Fact], order: Sleep, is_woken: Callable[[], bool], until_s: float
    ) -> Generator[Stage | None, None, list[Fact]]:
        """Return facts with what the body writes about them, if it does: about what the user said
        that is not resting, the newest first, until it is woken or ``until_s``
        (``time.perf_counter``).
        """
        if self._author is None:
            return list(facts)
        resting = set(order.resting)
        due = [f for f in reversed(facts) if f.id not in resting and not f.source][:MOST_WRITTEN]
        written: dict[str, tuple[Written, ...]] = {}
        for n, fact in enumerate(due):
            if is_woken() or time.perf_counter() > until_s:
                break
            yield Stage(stage="writing", done=n, total=len(due), note=fact.statement)
            others = [other for other in facts if other.id != fact.id]
            written[fact.id] = yield from self._author.write(fact, others, order.seed)
        log.info("written dreams=%d facts=%d", sum(map(len, written.values())), len(written))
        return [replace(fact, written=written.get(fact.id, ())) for fact in facts]

    def probes(
        self, records: Sequence[Told], beside: Sequence[Told]
    ) -> Generator[None, None, list[Probe]]:
        """Return how to ask for each record that tells something, where others are known too."""
        wanted = {record.id for record in records}
        others = [record for record in beside if record.id not in wanted]
        facts: dict[bool, list[Fact]] = {True: [], False: []}
        for record in filter(self.tells, [*others, *records]):
            facts[_is_japanese(record)].append((yield from self._fact(record)))
        self._keep_fits()
        asked = [
            probe
            for is_ja, some in facts.items()
            if some
            for probe in probes_of(self._matcher(is_ja).topics, some)
        ]
        return [probe for probe in asked if probe.id in wanted]

    def marks(
        self, soul: AnySoul | None, probes: Sequence[Probe]
    ) -> Generator[None, None, list[Mark]]:
        """Return how well a soul, or the bare body, answers each probe."""
        assert soul is None or isinstance(soul, Soul)
        yielding = self._should_yield
        return (yield from marks(self._decoder, self._form, soul, probes, should_yield=yielding))

    def _together(self, facts: Sequence[Fact]) -> tuple[list[Topic], list[Fact]]:
        """Return the topics of all languages that something was told in, and all facts, which
        fit no topic of another language.
        """
        languages = sorted({is_japanese(one.statement) for one in facts})
        banks = {is_ja: self._matcher(is_ja).topics for is_ja in languages}
        known = []
        for one in facts:
            mine = is_japanese(one.statement)
            fits = (one.fits if is_ja is mine else (OTHER,) * len(banks[is_ja]) for is_ja in banks)
            known.append(replace(one, fits=tuple(chain.from_iterable(fits))))
        return [topic for bank in banks.values() for topic in bank], known

    @property
    def has_prepared(self) -> bool:
        """Nothing more can be done before there is something to learn."""
        return self._bank is None

    def prepare(self) -> None:
        """Do a small piece of what every lesson needs, while there is none."""
        assert self._bank is not None
        try:
            next(self._bank)
        except StopIteration:
            self._bank = None
        except Exception:
            self._bank = self._make_bank()  # for the next lesson, which will fail alike
            raise

    def _prepared(self) -> Generator[None, None, None]:
        """Look at all of the bank: what is learned beside a part of it disturbs the rest."""
        while not self.has_prepared:
            self.prepare()
            yield

    def _have_read(self, soul: Soul) -> None:
        """Have the scopes of a soul that knows nothing yet read the body's best layer."""
        assert self._reads is not None
        if soul.used is None:
            soul.read_at(self._reads)
        assert soul.reads == self._reads, "what is kept of the body is of the layer that it reads"

    def _ready(self, soul: Soul, inner_lr: float) -> Generator[None, None, Imprinter]:
        yield from self._prepared()
        self._have_read(soul)
        if self._imprinter is None or self._imprinter[:2] != (soul, inner_lr):
            imprinter = Imprinter(
                self._decoder,
                soul,
                self._form,
                self._anchors,
                self._curvature,
                recipe=Recipe.awake(inner_lr),
                should_yield=self._should_yield,
            )
            self._imprinter = (soul, inner_lr, imprinter)
        yield from self._imprinter[2].prepare()
        return self._imprinter[2]

    def _make_bank(self) -> Generator[None, None, None]:
        """Make, or read, what is usual, the anchors, and what they feel."""
        decoder, form = self._decoder, self._form
        self._anchors.clear()  # of a try that failed half way
        self._curvature.clear()
        yield from self._matcher(is_ja=False).prepare()
        self._keep(self._matcher(is_ja=False))
        first = yield from self._layer_to_read()
        anchors_path = self._folder / f"anchors-{self._key[:16]}.safetensors"
        curvature_path = self._folder / f"curvature-{first}-{self._key[:16]}.safetensors"
        anchors = anchors_of.restore(anchors_path, self._key, decoder.spec.vocab_size)
        empty = self._curvature = Curvature(decoder.spec, first)
        curvature = curvature_of.restore(curvature_path, self._key, empty)
        if anchors is not None and curvature is not None:
            self._anchors += anchors
            self._curvature = curvature
            return
        log.info("making anchors for body %s", self._body.summary.name)
        maker = Maker(decoder, self._scorer, form, self._body.tokenizer.encode, self._body.ends)
        surveyor = Surveyor(decoder, form.prefix, first=first, should_yield=self._should_yield)
        prompts = general_prompts()
        for start in range(0, len(prompts), BATCH):
            made: list[Anchor] = []
            yield from maker.steps(prompts[start : start + BATCH], made, seed=start)
            yield from surveyor.steps(made, self._curvature)
            self._anchors += made
        with not_kept(anchors_path):
            anchors_of.store(anchors_path, self._anchors, self._key)
            curvature_of.store(curvature_path, self._curvature, self._key)

    def _layer_to_read(self) -> Generator[None, None, int]:
        """Return the layer that the soul's scopes read; for one without any, the body's best."""
        if self._reads is None:
            path = self._folder / f"reads-{self._key[:16]}.json"
            kept = kept_json(path, dict[str, int])
            if "layer" not in kept:
                topics = self._matcher(is_ja=False).topics
                should_yield = self._should_yield
                layer = yield from layer_to_read(self._decoder, self._form, topics, should_yield)
                kept = {"layer": layer}
                log.info("scopes on body %s read layer %d", self._body.summary.name, layer)
                keep_json(path, kept)
            self._reads = kept["layer"]
        return self._reads

    def _fact(self, record: Told) -> Generator[None, None, Fact]:
        statement = told(record)
        if record.source:  # no topic is about it
            fits = (OTHER,) * len(self._matcher(is_japanese(statement)).topics)
            return Fact(record.id, statement, fits, record.source, record.heading)
        key = hashlib.sha256(statement.encode()).hexdigest()
        if key not in self._fits:
            matcher = self._matcher(is_japanese(statement))
            scores = yield from matcher.scores(gist(statement))
            self._keep(matcher)
            self._fits[key] = [round(score, 3) for score in scores]
            self._are_fits_kept = False
        return Fact(record.id, statement, tuple(self._fits[key]))

    def _keep_fits(self) -> None:
        if not self._are_fits_kept:
            self._fits = dict(list(self._fits.items())[-MOST_FITS:])
            keep_json(self._fits_path, self._fits)
            self._are_fits_kept = True

    def _matcher(self, is_ja: bool) -> Matcher:
        language = "ja" if is_ja else "en"
        if language not in self._matchers:
            encode = self._body.tokenizer.encode
            matcher = Matcher(self._scorer, self._form, encode, language)
            kept = kept_json(self._usual_path(language), dict[str, tuple[float, float]])
            matcher.usual.update(kept)
            self._matchers[language] = matcher
        return self._matchers[language]

    def _keep(self, matcher: Matcher) -> None:
        path = self._usual_path(matcher.language)
        if not path.exists():
            keep_json(path, matcher.usual)

    def _usual_path(self, language: str) -> Path:
        return self._folder / f"usual-{language}-{self._key[:16]}.json"


def _is_japanese(record: Told) -> bool:
    """Whether what a record tells is in Japanese, whatever else is said in it."""
    return is_japanese(told(record))
