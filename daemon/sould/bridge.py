"""Private messages between supervisor and engine: same frames as the public wire.

The supervisor binds a PAIR socket, the engine connects. Light: no torch here.
Request frames carry ``method``; the engine answers progress*, chunk*, done | error with
the same id, and stops a request on a ``cancel`` frame whose header id names it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

from soul_client.wire import (
    ChatMessage,
    Empty,
    Finish,
    LoadedBody,
    Sampling,
    SleepReport,
    SoulDiff,
    SoulDifference,
    TextScore,
    TextScored,
    Usage,
)


class Load(Struct, frozen=True, kw_only=True):
    """``load``: read a body into memory. None or "auto" leaves the choice to the engine.

    Budgets are bytes; ``cache_dir`` is where compiled kernels are kept.
    """

    name: str
    path: str
    cache_dir: str
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    kernel: Literal["auto", "native", "torch"] = "auto"
    threads: int | None = None
    context_tokens: int | None = None
    memory_budget_bytes: int | None = None
    vram_budget_bytes: int | None = None
    parallel: int = 4


class Generate(Struct, frozen=True, kw_only=True):
    """``generate``: answer the last user message.

    ``messages``: an optional system message first, then user and assistant in turn.
    ``keep_from``: index into ``messages`` (system not counted) of the oldest turn still in
    the context, as an earlier ``Generated`` of this session said; so the prefix stays put.
    ``echo_prompt``: ``Generated`` has the prompt as text. ``bare``: without the soul.
    """

    messages: list[ChatMessage]
    sampling: Sampling
    keep_from: int = 0
    echo_prompt: bool = False
    bare: bool = False


class Generated(Struct, frozen=True, kw_only=True):
    """Result of ``generate``; ``text`` is all chunks joined.

    ``prompt``: if it was asked for, what was read, control tokens included.
    """

    text: str
    finish: Finish
    usage: Usage
    keep_from: int = 0
    prompt: str | None = None


class Memory(Struct, frozen=True, kw_only=True):
    """Result of ``memory``: resident bytes of the engine process and of its GPU, if any."""

    resident_bytes: int
    gpu_bytes: int = 0


class Told(Struct, frozen=True, kw_only=True):
    """A record of the diary: what the user said or, with ``source``, what that document says, in
    the third person, under ``heading``.
    """

    id: str
    text: str
    source: str = ""
    heading: str = ""


Dreams: TypeAlias = Literal["auto", "bank", "body"]


class Wear(Struct, frozen=True, kw_only=True):
    """``soul.wear``: put the soul of a folder beside the loaded body; what was worn is taken off.

    ``folder``: of ``sould.soulfile.home``; without a generation in it the soul is new and empty,
    and its first generation is written. ``inner_lr``: of imprints. ``system``: the configured
    system prompt, under which is learned what is asked under it. ``dreams``: who writes them.
    ``keep``: generations.
    """

    name: str
    folder: str
    inner_lr: float
    system: str = ""
    dreams: Dreams = "auto"
    keep: int = 20


class Worn(Struct, frozen=True, kw_only=True):
    """Result of ``soul.wear`` and ``soul.save``: what is worn, and what of it is on disk.

    ``taught``: ids of the records in the weights. ``since``: records said before it are not
    waiting to be learned (RFC 3339), but for those in ``again``. ``notes``: what had to be
    mended, for people.
    """

    name: str
    generation: int
    level: int
    saved: str
    since: str
    is_unsaved: bool
    taught: list[str] = []
    again: list[str] = []
    notes: list[str] = []


class Save(Struct, frozen=True, kw_only=True):
    """``soul.save``: write a generation, if anything is unsaved."""

    why: str


class Imprint(Struct, frozen=True, kw_only=True):
    """``imprint``: learn what a user said, while nobody wants a reply; answered once it is
    learned and in the journal, or found to tell nothing.

    ``recent``: what the soul was taught before, oldest first, to be rehearsed beside.
    """

    record: Told
    recent: list[Told] = []


class Imprinted(Struct, frozen=True, kw_only=True):
    """Result of ``imprint``. ``tokens``: the level it gave, 0 if there was nothing to learn.

    ``fault``: why steps were undone, or why the journal could not be written; "" if neither.
    ``is_durable``: it is in the journal. ``seconds``: of work.
    """

    id: str
    tokens: int
    level: int
    is_durable: bool
    steps: int = 0
    seconds: float = 0.0
    fault: str = ""


class Probe(Struct, frozen=True, kw_only=True):
    """A question about a record, and what a soul that knows it says."""

    id: str
    question: str
    answer: str


class Sleep(Struct, frozen=True, kw_only=True):
    """``soul.sleep``: go over records as dreams, oldest first, while nobody wants a reply; what
    passes the exam is written to the slow weights, and the fast ones are cleared.

    ``nights``: how many nights each record was learned in before, 0 for those that are not in it.
    ``resting``: ids of those whose turn it is not tonight; they are dreamt of less if there are not
    the steps for all.
    ``seed``: another one each night, so that one that failed is not dreamt again. ``is_due``: what
    was learned before is worth a night without news. ``is_all``: the records are all that the
    soul was ever told. ``dreams``: what else is to be asked of records, beside the engine's own
    questions, of some of which they take the place.
    """

    records: list[Told]
    seed: int = 0
    nights: dict[str, int] = {}
    resting: list[str] = []
    is_due: bool = False
    is_all: bool = False
    dreams: list[Probe] = []


class Wake(Struct, frozen=True, kw_only=True):
    """``soul.wake``: end the night that goes on; what was dreamt so far is examined, and kept if it
    passes. Without one nothing happens.
    """


class Slept(Struct, frozen=True, kw_only=True):
    """Result of ``soul.sleep``: what was worn stays unless ``report.outcome`` is "kept"."""

    report: SleepReport
    worn: Worn


class Trace(Struct, frozen=True, kw_only=True):
    """``soul.why``: say how likely an answer is, as a reply to ``question`` in an empty context.

    ``answer``: "" is the greedy reply of the last of ``souls``, which are files, "" the bare body.
    ``told``: records that the bare body is given with the question, one at a time.
    """

    question: str
    answer: str
    souls: list[str] = []
    told: list[Told] = []
    system: str = ""


class Weighed(Struct, frozen=True, kw_only=True):
    """``text``: what a record tells; ``log_p``: ln p a token of the answer where that is given."""

    text: str
    log_p: float


class Traced(Struct, frozen=True, kw_only=True):
    """Result of ``soul.why``, in the order asked for. ``souls``: ln p a token.

    ``unrelated``: of the answer after sentences that have nothing to do with it, at most; only
    with ``told``.
    """

    answer: str
    tokens: int
    souls: list[float]
    told: list[Weighed]
    unrelated: float = 0.0


class Mark(Struct, frozen=True, kw_only=True):
    """How well a probe is answered. ``log_p``: ln p a token of the answer."""

    says: bool
    log_p: float


class Examine(Struct, frozen=True, kw_only=True):
    """``soul.examine``: ask the worn soul, and the bare body, about records or by ``probes``.

    ``beside``: what else is known, so that a question is asked about one record alone.
    """

    records: list[Told] = []
    beside: list[Told] = []
    probes: list[Probe] = []


class Examined(Struct, frozen=True, kw_only=True):
    """Result of ``soul.examine``: the probes, of records that tell something, and their marks."""

    probes: list[Probe]
    worn: list[Mark]
    bare: list[Mark]


ENGINE_METHODS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "load": (Load, LoadedBody),
    "generate": (Generate, Generated),
    "soul.wear": (Wear, Worn),
    "soul.save": (Save, Worn),
    "soul.diff": (SoulDiff, SoulDifference),
    "soul.why": (Trace, Traced),
    "imprint": (Imprint, Imprinted),
    "soul.sleep": (Sleep, Slept),
    "soul.wake": (Wake, Empty),
    "soul.examine": (Examine, Examined),
    "text.score": (TextScore, TextScored),
    "memory": (Empty, Memory),
}
"""``method -> (parameters, result)``."""


class EngineReady(Struct, frozen=True, kw_only=True):
    """First frame of a fresh engine (kind ``welcome``)."""

    pid: int
    torch: str
    devices: list[str] = field(default_factory=list)
