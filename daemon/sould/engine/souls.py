"""Methods of the engine that are about souls: wear, save, compare, and score texts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from typing import TypeVar, cast

from soul_client.wire import (
    ChatMessage,
    LayerNorms,
    Probed,
    Progress,
    SoulDiff,
    SoulDifference,
    TextScore,
    TextScored,
)
from sould.bridge import Examine, Examined, Generate, Wear
from sould.engine.decoder import Decoder
from sould.engine.generate import PROBE, Steps, generate, silently
from sould.engine.learning import AnyTeacher
from sould.engine.loading import Body
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.reading import ended, nats_of
from sould.engine.native.soul import StateSoul
from sould.engine.runner import AnySoul
from sould.engine.soul.chatform import Line
from sould.engine.soul.compare import layer_norms, state_norms
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.weights import Soul
from sould.engine.soul.worn import Wearer, WornSoul
from sould.engine.soul.writer import Writer
from sould.errors import Cancelled
from sould.soulfile.record import read

T = TypeVar("T")


def wearer_of(body: Body) -> Wearer:
    """Return what a soul must know of a body."""
    summary = body.summary
    return Wearer.of(
        body.decoder.spec,
        body.soul_limits,
        name=summary.name,
        fingerprint=summary.fingerprint,
        first=body.decoder.first if isinstance(body.decoder, NativeDecoder) else (),
    )


def wear(body: Body, params: Wear, writer: Writer) -> WornSoul:
    """Open a soul and put it beside the body.

    Raises:
        SouldError: it does not fit, or cannot be read; the body is bare then.
    """
    body.decoder.soul = None
    writer.flush()
    worn = WornSoul(params, wearer_of(body), writer)
    body.decoder.soul = worn.soul
    return worn


def layer_read_by(soul: AnySoul) -> int | None:
    """Return the layer that a soul's scopes read, None if it has none yet."""
    return soul.reads if isinstance(soul, Soul) and soul.used is not None else None


def diff(body: Body, params: SoulDiff, stop: Event) -> Steps[SoulDifference]:
    """Compare two soul files, "" being the bare body; every yield ends a small step.

    Raises:
        SouldError: one of them cannot be read, or was grown on another body.
    """
    a, b = (soul_at(body, path) for path in (params.a, params.b))
    probes = []
    for n, question in enumerate(params.probes):
        yield Progress(stage="probing", done=n, total=len(params.probes))
        answers = []
        for soul in (a, b):
            order = Generate(messages=[ChatMessage(role="user", text=question)], sampling=PROBE)
            answers.append((yield from silently(generate(body, order, stop, soul=soul))))
            if stop.is_set():
                raise Cancelled("comparing was stopped")
        probes.append(Probed(ask=question, a=answers[0], b=answers[1]))
    layers = _norms(body, a, b)
    return SoulDifference(a=params.a, b=params.b, layers=layers, probes=probes)


def score(body: Body, params: TextScore, should_stop: Callable[[], bool]) -> Steps[TextScored]:
    """Score texts, each on its own, with the soul that is worn or bare; one text a step."""
    log_p = _likelihood(body, bare=params.bare)
    special = body.tokenizer.special
    begin = [special.bos] if special.add_bos and special.bos is not None else []
    tokens, nats = [], []
    for n, text in enumerate(params.texts):
        if should_stop():
            raise Cancelled("scoring was stopped")
        yield Progress(stage="scoring", done=n, total=len(params.texts))
        ids = begin + body.tokenizer.encode(text)
        ids = ids[: body.context_tokens]
        tokens.append(max(0, len(ids) - 1))
        nats.append(-log_p(ids) if len(ids) > 1 else 0.0)
    return TextScored(tokens=tokens, nats=nats)


def examine(
    body: Body, teacher: AnyTeacher, params: Examine, should_stop: Callable[[], bool]
) -> Steps[Examined]:
    """Ask the soul that is worn, and the bare body, about records, or by the probes given."""

    def patient(steps: Generator[None, None, T]) -> Steps[T]:
        while True:
            if should_stop():
                raise Cancelled("examining was stopped")
            try:
                next(steps)
            except StopIteration as end:
                return cast(T, end.value)
            yield Progress(stage="examining")

    probes = params.probes or (yield from patient(teacher.probes(params.records, params.beside)))
    worn = yield from patient(teacher.marks(body.decoder.soul, probes))
    bare = yield from patient(teacher.marks(None, probes))
    return Examined(probes=probes, worn=worn, bare=bare)


def soul_at(body: Body, path: str) -> AnySoul | None:
    """Read a soul file; "" is the bare body.

    Raises:
        SouldError: it cannot be read, or was grown on another body.
    """
    if not path:
        return None
    wearer = wearer_of(body)
    record = read(Path(path), expect=wearer.shape)
    return wearer.soul(record.tensors, seed=0)


def _norms(body: Body, a: AnySoul | None, b: AnySoul | None) -> list[LayerNorms]:
    if isinstance(body.decoder, NativeDecoder):
        assert not isinstance(a, Soul) and not isinstance(b, Soul)
        return state_norms(body.decoder.first, a, b)
    assert not isinstance(a, StateSoul) and not isinstance(b, StateSoul)
    return layer_norms(body.decoder.spec, a, b)


def _likelihood(body: Body, *, bare: bool) -> Callable[[list[int]], float]:
    """Return what says Σ ln p of a text's tokens but the first."""
    decoder, soul = body.decoder, None if bare else body.decoder.soul
    if isinstance(decoder, NativeDecoder):
        return lambda ids: -float(ended(nats_of(decoder, soul, ids)).sum())
    assert isinstance(decoder, Decoder)
    scorer = Scorer(decoder, soul)
    return lambda ids: scorer.log_p([], [Line(ids, list(range(1, len(ids))))])[0]
