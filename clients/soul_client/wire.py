"""Every message type that crosses a socket, wire version 1.

PROTOCOL.md is the same thing in words; a test holds the two together. Types are
``msgspec`` structs: validated on entry, unknown fields ignored, so either side may be
newer than the other. Times are seconds, sizes bytes, timestamps RFC 3339 strings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from soul_client.job_wire import JobStatus
from soul_client.plugin_wire import PluginList, TurnNote

PROTOCOL = 1
MAGIC = b"S1"


class Kind(StrEnum):
    """What a frame is. A request is answered: ack, progress*, chunk*, one of done | error."""

    HELLO = "hello"
    WELCOME = "welcome"
    REQ = "req"
    ACK = "ack"
    PROGRESS = "progress"
    CHUNK = "chunk"
    DONE = "done"
    ERROR = "error"
    CANCEL = "cancel"
    PING = "ping"
    PONG = "pong"
    EVENT = "event"


class ErrorCode(StrEnum):
    """The fixed list of error codes; clients branch on these, never on the message."""

    BAD_REQUEST = "bad_request"  # malformed frame or body, value out of range
    UNKNOWN_METHOD = "unknown_method"
    PROTOCOL_MISMATCH = "protocol_mismatch"
    TOO_LARGE = "too_large"  # frame, depth, items or message over a limit
    PROMPT_TOO_LONG = "prompt_too_long"  # one message does not fit the context
    BUSY = "busy"  # queue full, or too many requests in flight for this client
    NOT_FOUND = "not_found"  # no such session, request, body or soul
    BODY_INVALID = "body_invalid"  # wrong, truncated or hostile model file
    BODY_MISSING = "body_missing"  # the configured body is not in models/
    SOUL_INVALID = "soul_invalid"  # wrong, damaged, foreign or hostile soul file
    SOUL_MISMATCH = "soul_mismatch"  # the soul was grown on another body
    NO_MEMORY = "no_memory"  # over the budget, or the allocation failed
    DEVICE_UNAVAILABLE = "device_unavailable"
    ENGINE_DIED = "engine_died"
    STORAGE = "storage"  # the diary or another file could not be written
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    SHUTTING_DOWN = "shutting_down"
    SLOW_CLIENT = "slow_client"
    PULL_FAILED = "pull_failed"
    INTERNAL = "internal"


class WireStruct(Struct, frozen=True, kw_only=True):
    """Base of all wire structs."""


RequestId = Annotated[str, Meta(max_length=64)]
SessionId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]


class Header(WireStruct, frozen=True, kw_only=True):
    """First payload part of every frame."""

    kind: Kind
    id: RequestId = ""
    method: Annotated[str, Meta(max_length=64)] = ""
    seq: int = 0


class Hello(WireStruct, frozen=True, kw_only=True):
    """A client introduces itself (optional, once per connection)."""

    client: str
    protocol_min: int = PROTOCOL
    protocol_max: int = PROTOCOL


class Limits(WireStruct, frozen=True, kw_only=True):
    """The limits the daemon holds clients to."""

    max_frame_bytes: int = 4 * 1024 * 1024
    max_depth: int = 32
    max_items: int = 65536
    max_in_flight: int = 16
    max_queue: int = 256
    max_message_chars: int = 400_000


class Welcome(WireStruct, frozen=True, kw_only=True):
    """Answer to ``hello``; ``daemon_id`` changes with every start of the daemon."""

    version: str
    protocol: int
    daemon_id: str
    limits: Limits


class Error(WireStruct, frozen=True, kw_only=True):
    """Body of an ``error`` frame."""

    code: ErrorCode
    message: str
    hint: str = ""


class Ack(WireStruct, frozen=True, kw_only=True):
    """A request was accepted. ``position`` 0: running, n: n requests run or wait before it."""

    position: int = 0
    session: str = ""


class Progress(WireStruct, frozen=True, kw_only=True):
    """How far a request is.

    ``stage``: queued, waiting, loading, prefill, imprinting, probing, downloading, checking,
    placing, reading_log, reading_documents, recording, preparing, gathering, writing, dreaming,
    examining, forgetting, tracing, weighing, scoring, and those of making bodies. ``part`` of
    ``parts``: which piece of a long work it is about, a night of many; 0: it is all of it.
    ``loss``: of the newest dreams of a night, or of a training, nats a token.
    """

    stage: str
    done: int = 0
    total: int = 0
    position: int = 0
    note: str = ""
    part: int = 0
    parts: int = 0
    loss: float | None = None


class Chunk(WireStruct, frozen=True, kw_only=True):
    """A piece of reply text, whole characters only."""

    text: str


class Sampling(WireStruct, frozen=True, kw_only=True):
    """How the next token is drawn; every field as in config.yaml ``chat``."""

    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] = 512
    temperature: Annotated[float, Meta(ge=0, le=100)] = 0.5
    top_k: Annotated[int, Meta(ge=0)] = 40
    top_p: Annotated[float, Meta(gt=0, le=1)] = 0.95
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.05
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] = 1.1
    repetition_window: Annotated[int, Meta(ge=0)] = 256
    seed: int | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=16)] = []


class SamplingOverrides(WireStruct, frozen=True, kw_only=True):
    """The fields of ``Sampling`` a request wants different from the config; None keeps it."""

    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    repetition_window: Annotated[int, Meta(ge=0)] | None = None
    seed: int | None = None
    stop: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=16)] | None = None


class ChatMessage(WireStruct, frozen=True, kw_only=True):
    """One message of a conversation. ``id``: of its record, where ``session.get`` tells it."""

    role: Literal["system", "user", "assistant"]
    text: str
    id: str = ""


class ChatSend(WireStruct, frozen=True, kw_only=True):
    """``chat.send``: say something in a session and stream the reply.

    ``session`` None opens a new one. ``system`` replaces the configured system prompt.
    ``off_record``: the turn is in no diary and is not learned. ``echo_prompt``: ``ChatDone``
    says what the body was given to read. ``bare``: the body answers without its soul, off the
    record: the control of an exam. ``notes`` false: no plugin is asked what to add to the prompt.
    ``history``: what was said before, in place of what the session holds. ``replaces``: id of a
    user's record of that session; this turn takes the place of that one and of all after it.
    """

    text: Annotated[str, Meta(min_length=1)]
    session: SessionId | None = None
    system: str | None = None
    sampling: SamplingOverrides = field(default_factory=SamplingOverrides)
    deadline_s: Annotated[float, Meta(gt=0)] | None = None
    off_record: bool = False
    echo_prompt: bool = False
    bare: bool = False
    notes: bool = True
    history: list[ChatMessage] | None = None
    replaces: Annotated[str, Meta(min_length=1)] | None = None


class Usage(WireStruct, frozen=True, kw_only=True):
    """What a reply cost. ``cached_tokens`` of the prompt were in the prefix cache."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    reply_tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0


Finish = Literal["stop", "length", "cancelled", "deadline"]


class ChatDone(WireStruct, frozen=True, kw_only=True):
    """The turn is in the diary. ``finish`` says why the reply ended.

    ``recorded`` is false when the turn was off the record, or stopped before anything was
    said. ``prompt``: with ``echo_prompt``, every token that was read, as text. ``notes``: what
    plugins added to the prompt, in their order. ``turn``: id of the user's record, "" without one.
    """

    session: str
    text: str
    finish: Finish
    usage: Usage
    recorded: bool = True
    prompt: str | None = None
    notes: list[TurnNote] = []
    turn: str = ""


class SessionInfo(WireStruct, frozen=True, kw_only=True):
    """One line of ``session.list``. ``imported``: from a chat log, and not gone on with here."""

    session: str
    turns: int
    last_ts: str
    title: str
    imported: bool = False


class SessionListOf(WireStruct, frozen=True, kw_only=True):
    """``session.list``: the conversations held here, or those imported from chat logs."""

    imported: bool = False


class SessionList(WireStruct, frozen=True, kw_only=True):
    """Result of ``session.list``, newest first."""

    sessions: list[SessionInfo]


class SessionGet(WireStruct, frozen=True, kw_only=True):
    """``session.get``: the messages of a session, oldest first."""

    session: SessionId


class SessionHistory(WireStruct, frozen=True, kw_only=True):
    """Result of ``session.get``."""

    session: str
    messages: list[ChatMessage]


ChatLogKind = Literal["chatgpt", "sillytavern", "diary"]
SkipReason = Literal["not_json", "wrong_shape", "not_said", "empty", "too_long"]


class DiaryImport(WireStruct, frozen=True, kw_only=True):
    """``diary.import``: take the chat log at an absolute path into the diary of the soul in use."""

    path: Annotated[str, Meta(min_length=1)]
    dry_run: bool = False


class Skipped(WireStruct, frozen=True, kw_only=True):
    """What of a chat log was left out, and the first places where, from 1.

    ``places``: lines, or conversations of an export; each once.
    """

    why: SkipReason
    count: int
    places: list[int] = []


class DiaryImported(WireStruct, frozen=True, kw_only=True):
    """Result of ``diary.import``. ``messages`` = ``added`` + ``known``, in the diary before.

    ``secrets``: of the user's messages, those that are never learned. ``first``, ``last``: days.
    """

    kind: ChatLogKind
    soul: str
    conversations: int
    messages: int
    added: int = 0
    known: int = 0
    secrets: int = 0
    skipped: list[Skipped] = []
    first: str = ""
    last: str = ""
    dry_run: bool = False


UnreadReason = Literal[
    "unknown_kind", "not_text", "too_large", "encrypted", "damaged", "empty", "link", "not_allowed"
]


class DocumentFeed(WireStruct, frozen=True, kw_only=True):
    """``diary.feed``: take the document, or the folder of documents, at an absolute path in."""

    path: Annotated[str, Meta(min_length=1)]
    dry_run: bool = False


class Unread(WireStruct, frozen=True, kw_only=True):
    """A file of a folder that is not read."""

    name: str
    why: UnreadReason


class Fed(WireStruct, frozen=True, kw_only=True):
    """Result of ``diary.feed``. ``statements`` = ``added`` + ``known``, in the diary before.

    ``left_out``: sentences that say nothing on their own; ``secrets``: those with a secret in
    them, not taken in either. ``unread``: the first few of ``unread_count``.
    """

    soul: str
    documents: int
    statements: int
    added: int = 0
    known: int = 0
    left_out: int = 0
    secrets: int = 0
    unread: list[Unread] = []
    unread_count: int = 0
    dry_run: bool = False


class Document(WireStruct, frozen=True, kw_only=True):
    """A document in the diary. ``learned``: of its ``statements``, those in the weights.

    ``fed``: when the first of them were.
    """

    name: str
    statements: int
    learned: int
    fed: str


class Documents(WireStruct, frozen=True, kw_only=True):
    """Result of ``diary.documents``: those of the soul in use, in the order they were fed."""

    soul: str
    documents: list[Document]


class BodyEntry(WireStruct, frozen=True, kw_only=True):
    """A body found in ``models/``. ``name`` is its path relative to it, without suffix."""

    name: str
    path: str
    format: Literal["hf", "gguf", "safetensors", "bitt"]
    size_bytes: int
    loaded: bool = False


class BodyList(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.list``."""

    bodies: list[BodyEntry]


class BodyRef(WireStruct, frozen=True, kw_only=True):
    """``body.info`` and ``body.load``: a body by name; "" is the configured one."""

    name: str = ""


class MemoryEstimate(WireStruct, frozen=True, kw_only=True):
    """What loading a body will take."""

    weights_bytes: int
    cache_bytes: int
    scratch_bytes: int
    total_bytes: int
    budget_bytes: int
    fits: bool


class BodyInfo(WireStruct, frozen=True, kw_only=True):
    """What a body is, read from its files; nothing is loaded for it."""

    name: str
    path: str
    format: str
    family: str
    fingerprint: str
    parameters: int
    size_bytes: int
    quantisation: str
    layers: int
    hidden: int
    vocabulary: int
    context_max: int
    chat_template: bool
    memory: MemoryEstimate
    licence: str = ""


class LoadedBody(WireStruct, frozen=True, kw_only=True):
    """A loaded body and the choices made for it, each with its reason."""

    name: str
    family: str
    fingerprint: str
    device: str
    dtype: str
    kernel: str
    threads: int
    context_tokens: int
    memory_bytes: int
    load_s: float
    reasons: list[str] = []


class CatalogEntry(WireStruct, frozen=True, kw_only=True):
    """A well-known body that ``body.pull`` can fetch by name."""

    name: str
    source: str
    licence: str
    parameters: int
    download_bytes: int
    memory_bytes: int
    languages: list[str]
    note: str = ""
    suggested: bool = False


class Catalog(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.catalog``."""

    bodies: list[CatalogEntry]


class BodyPull(WireStruct, frozen=True, kw_only=True):
    """``body.pull``: fetch a body. ``source``: a catalog name, ``hf:org/name``, a folder or file.

    "" takes the one suggested for this machine.
    """

    source: str = ""
    name: str = ""
    replace: bool = False


class BodyPulled(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.pull``."""

    name: str
    path: str
    size_bytes: int


class BodyTrain(WireStruct, frozen=True, kw_only=True):
    """``body.train``: train a body called ``name`` on the text in ``texts``, a file or a folder;
    with ``diary`` on what the user said, too, or on nothing else if ``texts`` is "".

    ``steps``: 0 are those of the ``preset``. What was begun under that name is gone on with.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    texts: str = ""
    preset: Literal["nano", "tiny", "small", "medium"] = "tiny"
    steps: Annotated[int, Meta(ge=0)] = 0
    seed: Annotated[int, Meta(ge=0)] = 0
    diary: bool = False


class BodyTrained(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.train``; measured on text held out of the training.

    ``perplexity_still``: with the states kept as the body has them, learning nothing.
    """

    name: str
    path: str
    parameters: int
    steps: int
    loss: float
    perplexity: float
    perplexity_still: float
    bits_per_byte: float
    train_tokens: int
    tokens_per_s: float


class BodyEvaluate(WireStruct, frozen=True, kw_only=True):
    """``body.evaluate``: how well a body foretells the text in ``texts``, a file or a folder.

    ``window``: tokens that are read at a time; fewer where the text or the context is shorter.
    """

    name: str
    texts: Annotated[str, Meta(min_length=1)]
    window: Annotated[int, Meta(ge=64, le=65536)] = 512


class StillMarks(WireStruct, frozen=True, kw_only=True):
    """Of a body of TTT layers, with the states kept as it has them, learning nothing."""

    perplexity: float
    by_position: list[float]
    recall: float


class BodyEvaluated(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.evaluate``. ``tokens``: of all the text, of which up to 32 windows are read.

    ``by_position``: perplexity of each eighth of the windows, from their beginning. ``recall``:
    the share of a passage's tokens foretold right where it has just been read; ``first``: where
    it has not.
    """

    name: str
    family: str
    tokens: int
    window: int
    perplexity: float
    bits_per_byte: float
    by_position: list[float]
    recall: float
    first: float
    still: StillMarks | None = None


class BodyExport(WireStruct, frozen=True, kw_only=True):
    """``body.export``: write a body of TTT layers to ``path``, where nothing may be yet."""

    name: str
    path: Annotated[str, Meta(min_length=1)]
    format: Literal["bitt", "safetensors"] = "bitt"


class BodyExported(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.export``."""

    path: str
    format: str
    size_bytes: int


class BodyConvert(WireStruct, frozen=True, kw_only=True):
    """``body.convert``: write a body whose layers' weights are sums of ternary ones.

    ``bases``: ternary weights to a weight; one body each. ``target``: its name, "" is
    ``name-bN``. ``texts``: a file or a folder to read meanwhile and to measure on, "" are the
    daemon's own lists. ``distill``: steps that each body is then taught by the original.
    ``dry_run``: measure, and write nothing.
    """

    name: str
    bases: Annotated[list[Annotated[int, Meta(ge=1, le=4)]], Meta(min_length=1, max_length=4)] = (
        field(default_factory=lambda: [3])
    )
    target: Annotated[str, Meta(max_length=64)] = ""
    texts: str = ""
    distill: Annotated[int, Meta(ge=0, le=100_000)] = 0
    dry_run: bool = False


class ConvertedRow(WireStruct, frozen=True, kw_only=True):
    """A body in the table of ``body.convert``.

    ``bases``: 0 is the original. ``steps``: that it was taught. ``path``: "" where nothing was
    written. ``bits_per_weight``: of the layers' matrices, in the file. ``memory_bytes``: of all
    weights.
    """

    name: str
    path: str
    bases: int
    steps: int
    bits_per_weight: float
    size_bytes: int
    memory_bytes: int
    perplexity: float


class BodyConverted(WireStruct, frozen=True, kw_only=True):
    """Result of ``body.convert``. ``rows``: the original, then by bases."""

    rows: list[ConvertedRow]
    read_tokens: int
    measured_tokens: int


SoulName = Annotated[str, Meta(min_length=1, max_length=64)]


class SoulEntry(WireStruct, frozen=True, kw_only=True):
    """A soul in ``workspace/souls/``, as its newest sound generation has it.

    ``body``: the fingerprint it was grown on, "" while it has learned nothing on any.
    ``problem``: why it cannot be used, "" if it can.
    """

    name: str
    active: bool
    level: int = 0
    body: str = ""
    body_name: str = ""
    created: str = ""
    saved: str = ""
    generations: int = 0
    size_bytes: int = 0
    problem: str = ""


class SoulList(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.list``, by name."""

    souls: list[SoulEntry]


class SoulRef(WireStruct, frozen=True, kw_only=True):
    """``soul.use`` and ``soul.new``: a soul by name."""

    name: SoulName


class SoulSave(WireStruct, frozen=True, kw_only=True):
    """``soul.save``: write the soul in use now; with ``name``, a copy under that name too."""

    name: Annotated[str, Meta(max_length=64)] = ""


class SoulLoad(WireStruct, frozen=True, kw_only=True):
    """``soul.load``: use a soul by its name, or import a ``.soul`` file and use that."""

    source: Annotated[str, Meta(min_length=1)]


class SoulHistoryOf(WireStruct, frozen=True, kw_only=True):
    """``soul.history``: the generations of a soul; "" is the one in use."""

    name: Annotated[str, Meta(max_length=64)] = ""


class Generation(WireStruct, frozen=True, kw_only=True):
    """One saved state of a soul. ``why`` it was saved: timer, exit, switch, save, undo, …

    ``seal``: the ``sha256`` of its file. ``problem``: what is wrong with it, or "".
    """

    number: int
    saved: str = ""
    level: int = 0
    why: str = ""
    seal: str = ""
    parent: str = ""
    size_bytes: int = 0
    current: bool = False
    problem: str = ""


class SoulGenerations(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.history``, newest first."""

    name: str
    generations: list[Generation]


class SoulUndo(WireStruct, frozen=True, kw_only=True):
    """``soul.undo``: go back ``steps`` generations, or to the one numbered ``to``.

    The state that is left stays in the history.
    """

    steps: Annotated[int, Meta(ge=1)] = 1
    to: Annotated[int, Meta(ge=1)] | None = None


class SoulExport(WireStruct, frozen=True, kw_only=True):
    """``soul.export``: copy a soul ("" is the one in use) to an absolute path.

    ``original``: as the original engine reads it, where its bodies have such souls.
    """

    path: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(max_length=64)] = ""
    replace: bool = False
    original: bool = False


class SoulImport(WireStruct, frozen=True, kw_only=True):
    """``soul.import``: take a ``.soul`` file in; ``name`` "" is the one it has."""

    path: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(max_length=64)] = ""


class SoulVerify(WireStruct, frozen=True, kw_only=True):
    """``soul.verify``: check every bit of a ``.soul`` file."""

    path: Annotated[str, Meta(min_length=1)]


class SoulVerified(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.verify``. Sound without ``faults``; ``fits``: the loaded body, if any."""

    path: str
    faults: list[str]
    name: str = ""
    level: int = 0
    body: str = ""
    body_name: str = ""
    created: str = ""
    saved: str = ""
    taught: int = 0
    fits: bool | None = None


class SoulFile(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.export`` and ``soul.import``."""

    name: str
    path: str
    size_bytes: int


class SoulDiff(WireStruct, frozen=True, kw_only=True):
    """``soul.diff``: compare two souls; ``name@N`` is a generation, "" the bare body.

    ``probes``: questions both are asked, greedy, in an empty context.
    """

    a: str
    b: str
    probes: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=64)] = []


class LayerNorms(WireStruct, frozen=True, kw_only=True):
    """‖ΔW‖_F of one layer's matrices: of a, of b, and of their difference; gate, up, down."""

    layer: int
    a: list[float]
    b: list[float]
    change: list[float]


class Probed(WireStruct, frozen=True, kw_only=True):
    """What two souls answer to the same question."""

    ask: str
    a: str
    b: str


class SoulDifference(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.diff``."""

    a: str
    b: str
    layers: list[LayerNorms]
    probes: list[Probed]


class SoulWhy(WireStruct, frozen=True, kw_only=True):
    """``soul.why``: ask what taught the soul in use an answer; "" is the one it gives itself."""

    question: Annotated[str, Meta(min_length=1, max_length=2000)]
    answer: Annotated[str, Meta(max_length=2000)] = ""


class GenerationRise(WireStruct, frozen=True, kw_only=True):
    """How likely an answer is to a generation, ln p a token, and how much likelier than before.

    ``taught``: records new in it. ``older``: what it grew from is not kept, so that its rise and
    its records are those of all generations up to it.
    """

    number: int
    saved: str
    why: str
    level: int
    taught: int
    log_p: float
    rise: float
    older: bool = False


class RecordRise(WireStruct, frozen=True, kw_only=True):
    """How much likelier an answer is to the bare body that is told this before the question.

    Than if it is told something that has nothing to do with it, or nothing: nats a token.
    ``text``: the sentences that tell something. ``generation``: the first one taught with it.
    """

    id: str
    ts: str
    text: str
    generation: int
    rise: float


class SoulReasons(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.why``. ``bare``: ln p a token of the body alone; rises in nats a token.

    ``generations``: oldest first. ``records``: at most three, the best first, of the ``weighed``;
    ``gone``: ids of those that should have been weighed and are no longer in the diary.
    """

    soul: str
    question: str
    answer: str
    tokens: int
    bare: float
    generations: list[GenerationRise]
    records: list[RecordRise]
    weighed: int = 0
    gone: list[str] = []


class SoulStatus(WireStruct, frozen=True, kw_only=True):
    """The soul in use.

    ``worn``: it is beside the loaded body now. ``unsaved``: learned since the newest
    generation (the journal has it). ``pending``: turns that wait to be learned. ``problem``:
    why it is not worn, or cannot be saved; "" if all is well.
    """

    name: str
    level: int = 0
    generation: int = 0
    worn: bool = False
    unsaved: bool = False
    pending: int = 0
    saved: str = ""
    problem: str = ""


class SleepMarks(WireStruct, frozen=True, kw_only=True):
    """An exam in the middle of the night, with wordings that no dream had.

    ``recalled``: facts that a greedy reply states word by word. ``honest``: of ``untold`` questions
    about what was never told, those that are answered so. ``drift``: how far what is said of
    other things is from the bare body, KL in nats a token; 999 is no number. ``stated``: of
    ``statements`` of documents, which are no ``facts``, those that a greedy reply states word by
    word.
    """

    recalled: int
    facts: int
    drift: float
    honest: int = 0
    untold: int = 0
    stated: int = 0
    statements: int = 0


class Dreamt(WireStruct, frozen=True, kw_only=True):
    """One fact or statement of a night. ``id``: of its diary record. ``nights``: in how many it was
    learned before. ``resting``: it was not its turn. ``before``, ``after``: whether it was
    recalled.

    ``replaced_by``: id of the newer record that it is out of date for; then it is not dreamt of.
    ``text``: what was said, as the diary has it, and ``source``: the document that says it, ""
    for what the user said; never in the file of a report. ``question``: how some facts were asked
    for, the first words of the reply in the evening, ``said_before``, and in the morning; of a
    night that was kept.
    """

    id: str
    nights: int = 0
    resting: bool = False
    before: bool = False
    after: bool = False
    replaced_by: str = ""
    text: str = ""
    source: str = ""
    question: str = ""
    said_before: str = ""
    said_after: str = ""


class SleepReport(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.sleep``. ``kept``: the soul is a new one; else it is as it was.

    ``why``: what it was not kept for, or why there was nothing to do. ``level``: after it.
    ``facts``: what was examined, oldest first. ``telling_nothing``: ids of what was gone over and
    has no fact in it. ``left``: records that wait for later nights. ``unreadable``: lines of the
    diary that are no records, and were passed over.
    """

    outcome: Literal["kept", "rolled_back", "nothing"]
    why: str = ""
    soul: str = ""
    before: SleepMarks | None = None
    after: SleepMarks | None = None
    steps: int = 0
    seconds: float = 0.0
    level: int = 0
    began: str = ""
    facts: list[Dreamt] = []
    telling_nothing: list[str] = []
    left: int = 0
    unreadable: int = 0


class SoulReportsOf(WireStruct, frozen=True, kw_only=True):
    """``soul.reports``: the newest ``limit`` nights of the soul in use."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class SleepReports(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.reports``, oldest first; without ``facts`` and ``telling_nothing``."""

    soul: str
    reports: list[SleepReport]


class SoulForget(WireStruct, frozen=True, kw_only=True):
    """``soul.forget``: ``what`` is the id of a diary record, or a text that was said.

    ``document``: it is the name of a document that was fed, and all of that is forgotten.
    ``dry_run``: only say what would be forgotten. ``wait``: until the soul has learned again
    what it had learned after it; stopped, the request is ``done`` all the same.
    """

    what: Annotated[str, Meta(min_length=1)]
    dry_run: bool = False
    wait: bool = False
    document: bool = False


class DiaryRecord(WireStruct, frozen=True, kw_only=True):
    """What the user said once, or a document says."""

    id: str
    ts: str
    text: str


class RecallMarks(WireStruct, frozen=True, kw_only=True):
    """How well facts are known, each asked for in an empty context.

    ``recalled``: facts that a greedy reply states word by word. ``log_p``: ln p a token of
    stating them.
    """

    recalled: int
    facts: int
    log_p: float


class Forgotten(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.forget``. ``replies``: how many were removed with ``records``; ``more``: so
    many further records, of a long document.

    ``generations``: of the soul, removed. ``relearned``: how many other records were learned
    since, and are learned again; ``lost``: how many of those the diary does not have. ``others``:
    souls that were taught some of it too, and still are; ``reborn``: what the soul is being reborn
    as, and forgets it too. ``before``, ``after``: the soul, asked
    for it; ``never``: the bare body. They are nil if nothing in it tells a fact, if nothing was
    forgotten yet (``dry_run``), if it could not be ``asked``, since no body wore the soul, and
    ``after`` if the soul could not be put on again.
    """

    soul: str
    records: list[DiaryRecord]
    more: int = 0
    replies: int = 0
    generations: int = 0
    relearned: int = 0
    lost: int = 0
    others: list[str] = []
    before: RecallMarks | None = None
    after: RecallMarks | None = None
    never: RecallMarks | None = None
    asked: bool = True
    reborn: list[str] = []


class SoulReincarnate(WireStruct, frozen=True, kw_only=True):
    """``soul.reincarnate``: have a soul reborn on another body; asked again, it goes on.

    ``body``: "" is that of the one rebirth that was begun. ``accept``: the reborn soul takes the
    name, and the old one is kept under another.
    """

    name: SoulName
    body: str = ""
    accept: bool = False


class Reincarnated(WireStruct, frozen=True, kw_only=True):
    """Result of ``soul.reincarnate``: the old soul against the reborn one.

    ``soul``, ``reborn``: their names; accepted, ``soul`` is the reborn one's and ``kept_as`` the
    old one's. ``records``: of the diary, that it was taught or is to be; ``learned``: by the
    reborn one; ``left``: in nights that were rolled back, so that they wait; ``silent``: in nights
    that told nothing; ``gone``: that taught the old one and are not in the diary. ``before``: the
    old soul on its body, nil if it could not be asked, for which ``problem`` is the reason;
    ``after``: the reborn one, asked for the same records; ``never``: its body without it. They are
    nil if nothing tells a fact. ``seconds``: of the nights, and of the last exam.
    """

    soul: str
    reborn: str
    body: str
    old_body: str
    records: int
    learned: int
    left: int = 0
    silent: int = 0
    gone: int = 0
    nights: int = 0
    level: int = 0
    before: RecallMarks | None = None
    after: RecallMarks | None = None
    never: RecallMarks | None = None
    problem: str = ""
    seconds: float = 0.0
    accepted: bool = False
    kept_as: str = ""


class TextScore(WireStruct, frozen=True, kw_only=True):
    """``text.score``: how likely each text is to the body, with its soul or ``bare``.

    Each text on its own, without the chat template, after the tokenizer's own beginning.
    """

    texts: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=512)]
    bare: bool = False


class TextScored(WireStruct, frozen=True, kw_only=True):
    """Result of ``text.score``: tokens that were predicted, and −Σ ln p over them, of each text."""

    tokens: list[int]
    nats: list[float]


class Empty(WireStruct, frozen=True, kw_only=True):
    """No parameters, or nothing to say."""


class RunningRequest(WireStruct, frozen=True, kw_only=True):
    """A request at work or waiting. ``position`` 0: running."""

    id: str
    method: str
    position: int
    age_s: float


class EngineStatus(WireStruct, frozen=True, kw_only=True):
    """The engine process."""

    state: Literal["absent", "starting", "loading", "ready", "answering", "dead"]
    pid: int = 0
    memory_bytes: int = 0
    restarts: int = 0
    last_error: str = ""


class FrontendStatus(WireStruct, frozen=True, kw_only=True):
    """A process that the daemon keeps running for a plugin, and the data of ``frontend`` events.

    ``waiting``: it ended, and is started again after a while. ``problem``: how it ended the last
    time, with the last line that it printed.
    """

    plugin: str
    name: str
    state: Literal["running", "waiting", "ended"]
    pid: int = 0
    restarts: int = 0
    problem: str = ""


class Watched(WireStruct, frozen=True, kw_only=True):
    """What is watched while the daemon runs.

    ``models``: how ``models/`` is: by the system's notices, or by looking again and again.
    ``body_problem``: why the changed file of the body in use is not used; ``config_problem``: why
    the changed config is not; ``restart``: its keys that count only from the next start on.
    """

    models: Literal["starting", "notices", "polling"]
    body_problem: str = ""
    config_problem: str = ""
    restart: list[str] = []


class Status(WireStruct, frozen=True, kw_only=True):
    """``daemon.status``, and the data of ``state`` events."""

    version: str
    protocol: int
    daemon_id: str
    pid: int
    uptime_s: float
    state: Literal["idle", "loading", "answering", "dreaming", "imprinting", "pulling", "stopping"]
    config: str
    workspace: str
    engine: EngineStatus
    body: LoadedBody | None
    body_configured: str
    requests: list[RunningRequest]
    diary_writable: bool
    memory_bytes: int
    event_seq: int
    memory: bool = True
    soul: SoulStatus | None = None
    jobs: list[JobStatus] = []
    frontends: list[FrontendStatus] = []
    watched: Watched | None = None


class Cancel(WireStruct, frozen=True, kw_only=True):
    """Body of a ``cancel`` frame on ``ctl``: stop request ``target`` ("" or "all": every one;
    "sleep": the night ends early).
    """

    target: str = ""


class Stopped(WireStruct, frozen=True, kw_only=True):
    """Answer to ``cancel``: the ids that were told to stop."""

    ids: list[str]


class ConfigShown(WireStruct, frozen=True, kw_only=True):
    """Result of ``config.show``: what is in force, and where it was read."""

    path: str
    values: dict[str, Any]


class ConfigSet(WireStruct, frozen=True, kw_only=True):
    """``config.set``: change one setting of those that may change live, in config.yaml.

    ``key``: with dots, such as ``chat.temperature``; ``value``: as the file would have it.
    """

    key: Annotated[str, Meta(min_length=1, max_length=100)]
    value: Any


class Event(WireStruct, frozen=True, kw_only=True):
    """Body of an ``event`` frame. Numbered by the header's ``seq``, without gaps.

    ``name`` is one of ``EVENTS``; a client ignores those it does not know.
    """

    name: str
    ts: str
    data: dict[str, Any]


EVENTS = (
    *("welcome", "state", "request", "turn", "body", "soul", "pull", "train", "log", "frontend"),
    *("bodies", "reload", "config", "progress"),
)


class Connection(WireStruct, frozen=True, kw_only=True):
    """``connection.json`` in the runtime dir: how to reach the daemon."""

    rpc: str
    ctl: str
    evt: str
    protocol_min: int
    protocol_max: int
    daemon_id: str
    pid: int
    version: str
    config: str
    workspace: str
    server_key: str = ""  # CURVE public key (Z85) when the endpoints are tcp


RPC_METHODS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "chat.send": (ChatSend, ChatDone),
    "session.list": (SessionListOf, SessionList),
    "session.get": (SessionGet, SessionHistory),
    "diary.import": (DiaryImport, DiaryImported),
    "diary.feed": (DocumentFeed, Fed),
    "diary.documents": (Empty, Documents),
    "body.list": (Empty, BodyList),
    "body.info": (BodyRef, BodyInfo),
    "body.load": (BodyRef, LoadedBody),
    "body.unload": (Empty, Empty),
    "body.catalog": (Empty, Catalog),
    "body.pull": (BodyPull, BodyPulled),
    "body.train": (BodyTrain, BodyTrained),
    "body.evaluate": (BodyEvaluate, BodyEvaluated),
    "body.export": (BodyExport, BodyExported),
    "body.convert": (BodyConvert, BodyConverted),
    "soul.list": (Empty, SoulList),
    "soul.use": (SoulRef, SoulStatus),
    "soul.new": (SoulRef, SoulStatus),
    "soul.save": (SoulSave, SoulStatus),
    "soul.load": (SoulLoad, SoulStatus),
    "soul.history": (SoulHistoryOf, SoulGenerations),
    "soul.undo": (SoulUndo, SoulStatus),
    "soul.reset": (Empty, SoulStatus),
    "soul.export": (SoulExport, SoulFile),
    "soul.import": (SoulImport, SoulFile),
    "soul.verify": (SoulVerify, SoulVerified),
    "soul.diff": (SoulDiff, SoulDifference),
    "soul.why": (SoulWhy, SoulReasons),
    "soul.sleep": (Empty, SleepReport),
    "soul.report": (Empty, SleepReport),
    "soul.reports": (SoulReportsOf, SleepReports),
    "soul.forget": (SoulForget, Forgotten),
    "soul.reincarnate": (SoulReincarnate, Reincarnated),
    "text.score": (TextScore, TextScored),
    "config.show": (Empty, ConfigShown),
    "config.set": (ConfigSet, ConfigShown),
    "plugins.list": (Empty, PluginList),
}
"""``method -> (parameters, result)`` of the ``rpc`` socket."""

CTL_METHODS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "daemon.status": (Empty, Status),
    "daemon.shutdown": (Empty, Empty),
}
"""``method -> (parameters, result)`` of the ``ctl`` socket, beside ``ping`` and ``cancel``."""
