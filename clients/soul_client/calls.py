"""Everything a client can ask the daemon, as typed values.

A ``Call`` is data: which socket, which frame, and what the answer is decoded to. The sync
and the async client both carry it out, so that neither repeats the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from soul_client import wire
from soul_client.errors import WireError
from soul_client.plugin_wire import PluginList
from soul_client.wire import ErrorCode, Kind

R = TypeVar("R")

SocketName = Literal["rpc", "ctl"]


class Call(Struct, Generic[R], frozen=True, kw_only=True):
    """One question: ``params`` go out on ``socket``, the answer is a ``result``."""

    socket: SocketName
    kind: Kind = Kind.REQ
    method: str = ""
    params: Struct
    result: type[R]


def by_name(method: str, params: Struct | None = None) -> Call[Any]:
    """Make the call of a method in ``wire.RPC_METHODS`` or ``wire.CTL_METHODS``.

    Raises:
        WireError: ``unknown_method``, or ``bad_request`` for parameters of another method.
    """
    socket: SocketName = "rpc" if method in wire.RPC_METHODS else "ctl"
    types = wire.RPC_METHODS.get(method) or wire.CTL_METHODS.get(method)
    if types is None:
        raise WireError(ErrorCode.UNKNOWN_METHOD, f"there is no method {method!r}")
    params_type, result = types
    params = params_type() if params is None else params
    if not isinstance(params, params_type):
        raise WireError(
            ErrorCode.BAD_REQUEST,
            f"{method} takes {params_type.__name__}, not {type(params).__name__}",
        )
    return Call(socket=socket, method=method, params=params, result=result)


def hello(client: str) -> Call[wire.Welcome]:
    """Introduce the client."""
    return Call(
        socket="rpc", kind=Kind.HELLO, params=wire.Hello(client=client), result=wire.Welcome
    )


def ping() -> Call[wire.Empty]:
    """Ask for a sign of life."""
    return Call(socket="ctl", kind=Kind.PING, params=wire.Empty(), result=wire.Empty)


def cancel(target: str) -> Call[wire.Stopped]:
    """Stop a request by id; "" or "all" stops every one."""
    return Call(
        socket="ctl", kind=Kind.CANCEL, params=wire.Cancel(target=target), result=wire.Stopped
    )


def status() -> Call[wire.Status]:
    """Ask what the daemon does."""
    return _call("daemon.status", wire.Empty(), wire.Status)


def shutdown() -> Call[wire.Empty]:
    """Ask the daemon to finish what runs, and end."""
    return _call("daemon.shutdown", wire.Empty(), wire.Empty)


def chat(
    text: str,
    *,
    session: str | None = None,
    system: str | None = None,
    sampling: wire.SamplingOverrides | None = None,
    deadline_s: float | None = None,
    off_record: bool = False,
    echo_prompt: bool = False,
    bare: bool = False,
    notes: bool = True,
    history: Sequence[wire.ChatMessage] | None = None,
    replaces: str | None = None,
) -> Call[wire.ChatDone]:
    """Say something in a session; None opens a new one."""
    params = wire.ChatSend(
        text=text,
        session=session,
        system=system,
        sampling=sampling or wire.SamplingOverrides(),
        deadline_s=deadline_s,
        off_record=off_record,
        echo_prompt=echo_prompt,
        bare=bare,
        notes=notes,
        history=None if history is None else list(history),
        replaces=replaces,
    )
    return _call("chat.send", params, wire.ChatDone)


def sessions(*, imported: bool = False) -> Call[wire.SessionList]:
    """List the conversations held here, or those imported, newest first."""
    return _call("session.list", wire.SessionListOf(imported=imported), wire.SessionList)


def session(name: str) -> Call[wire.SessionHistory]:
    """Read the messages of one conversation."""
    return _call("session.get", wire.SessionGet(session=name), wire.SessionHistory)


def diary_import(path: str, *, dry_run: bool = False) -> Call[wire.DiaryImported]:
    """Take the chat log at an absolute path into the diary of the soul in use."""
    params = wire.DiaryImport(path=path, dry_run=dry_run)
    return _call("diary.import", params, wire.DiaryImported)


def diary_feed(path: str, *, dry_run: bool = False) -> Call[wire.Fed]:
    """Take the document, or the folder of documents, at an absolute path in."""
    return _call("diary.feed", wire.DocumentFeed(path=path, dry_run=dry_run), wire.Fed)


def diary_documents() -> Call[wire.Documents]:
    """List the documents that the soul in use was fed."""
    return _call("diary.documents", wire.Empty(), wire.Documents)


def body_list() -> Call[wire.BodyList]:
    """List the bodies in ``models/``."""
    return _call("body.list", wire.Empty(), wire.BodyList)


def body_info(name: str = "") -> Call[wire.BodyInfo]:
    """Read what a body is; "" is the configured one."""
    return _call("body.info", wire.BodyRef(name=name), wire.BodyInfo)


def body_load(name: str = "") -> Call[wire.LoadedBody]:
    """Load a body; "" is the configured one."""
    return _call("body.load", wire.BodyRef(name=name), wire.LoadedBody)


def body_unload() -> Call[wire.Empty]:
    """Give the memory of the loaded body back."""
    return _call("body.unload", wire.Empty(), wire.Empty)


def body_catalog() -> Call[wire.Catalog]:
    """List the well-known bodies, the one suggested for this machine marked."""
    return _call("body.catalog", wire.Empty(), wire.Catalog)


def body_pull(source: str = "", name: str = "", *, replace: bool = False) -> Call[wire.BodyPulled]:
    """Fetch a body; "" is the suggested one. ``replace`` puts it in the place of its namesake."""
    params = wire.BodyPull(source=source, name=name, replace=replace)
    return _call("body.pull", params, wire.BodyPulled)


def body_train(
    name: str,
    texts: str = "",
    *,
    preset: Literal["nano", "tiny", "small", "medium"] = "tiny",
    steps: int = 0,
    seed: int = 0,
    diary: bool = False,
) -> Call[wire.BodyTrained]:
    """Train a body on a text file or a folder of them, with ``diary`` on what the user said, too;
    ``steps`` 0 are those of the preset.
    """
    params = wire.BodyTrain(
        name=name, texts=texts, preset=preset, steps=steps, seed=seed, diary=diary
    )
    return _call("body.train", params, wire.BodyTrained)


def body_evaluate(name: str, texts: str, *, window: int = 512) -> Call[wire.BodyEvaluated]:
    """Measure a body on a text file or a folder of them, ``window`` tokens at a time."""
    params = wire.BodyEvaluate(name=name, texts=texts, window=window)
    return _call("body.evaluate", params, wire.BodyEvaluated)


def body_export(
    name: str, path: str, *, format: Literal["bitt", "safetensors"] = "bitt"
) -> Call[wire.BodyExported]:
    """Write a body of TTT layers to a file, or to a folder."""
    params = wire.BodyExport(name=name, path=path, format=format)
    return _call("body.export", params, wire.BodyExported)


def body_convert(
    name: str,
    *,
    bases: Sequence[int] = (3,),
    target: str = "",
    texts: str = "",
    distill: int = 0,
    dry_run: bool = False,
) -> Call[wire.BodyConverted]:
    """Make bodies of ternary weights of another one, and measure how much that loses."""
    params = wire.BodyConvert(
        name=name,
        bases=list(bases),
        target=target,
        texts=texts,
        distill=distill,
        dry_run=dry_run,
    )
    return _call("body.convert", params, wire.BodyConverted)


def souls() -> Call[wire.SoulList]:
    """List the souls of the workspace."""
    return _call("soul.list", wire.Empty(), wire.SoulList)


def soul_use(name: str) -> Call[wire.SoulStatus]:
    """Use another soul from now on."""
    return _call("soul.use", wire.SoulRef(name=name), wire.SoulStatus)


def soul_new(name: str) -> Call[wire.SoulStatus]:
    """Begin an empty soul and use it."""
    return _call("soul.new", wire.SoulRef(name=name), wire.SoulStatus)


def soul_save(name: str = "") -> Call[wire.SoulStatus]:
    """Write the soul in use now; with ``name``, a copy under that name too."""
    return _call("soul.save", wire.SoulSave(name=name), wire.SoulStatus)


def soul_load(source: str) -> Call[wire.SoulStatus]:
    """Use a soul by its name, or the ``.soul`` file at an absolute path."""
    return _call("soul.load", wire.SoulLoad(source=source), wire.SoulStatus)


def soul_history(name: str = "") -> Call[wire.SoulGenerations]:
    """List the generations of a soul; "" is the one in use."""
    return _call("soul.history", wire.SoulHistoryOf(name=name), wire.SoulGenerations)


def soul_undo(steps: int = 1, *, to: int | None = None) -> Call[wire.SoulStatus]:
    """Go back ``steps`` generations, or to the one numbered ``to``."""
    return _call("soul.undo", wire.SoulUndo(steps=steps, to=to), wire.SoulStatus)


def soul_reset() -> Call[wire.SoulStatus]:
    """Make the soul in use forget all it learned; ``soul_undo`` brings it back."""
    return _call("soul.reset", wire.Empty(), wire.SoulStatus)


def soul_sleep() -> Call[wire.SleepReport]:
    """Let the soul in use go over what it was told, as dreams."""
    return _call("soul.sleep", wire.Empty(), wire.SleepReport)


def soul_report() -> Call[wire.SleepReport]:
    """Ask for the report of the last night."""
    return _call("soul.report", wire.Empty(), wire.SleepReport)


def soul_reports(limit: int = 100) -> Call[wire.SleepReports]:
    """Ask for the reports of the newest nights of the soul in use, oldest first."""
    return _call("soul.reports", wire.SoulReportsOf(limit=limit), wire.SleepReports)


def soul_forget(
    what: str, *, dry_run: bool = False, wait: bool = False, document: bool = False
) -> Call[wire.Forgotten]:
    """Forget what was said, or a document, for good; ``dry_run``: only ask what that would be."""
    params = wire.SoulForget(what=what, dry_run=dry_run, wait=wait, document=document)
    return _call("soul.forget", params, wire.Forgotten)


def soul_reincarnate(name: str, body: str = "", *, accept: bool = False) -> Call[wire.Reincarnated]:
    """Have a soul reborn on another body; "" is that of the rebirth that was begun."""
    params = wire.SoulReincarnate(name=name, body=body, accept=accept)
    return _call("soul.reincarnate", params, wire.Reincarnated)


def soul_export(
    path: str, name: str = "", *, replace: bool = False, original: bool = False
) -> Call[wire.SoulFile]:
    """Copy a soul ("" is the one in use) to an absolute path."""
    params = wire.SoulExport(path=path, name=name, replace=replace, original=original)
    return _call("soul.export", params, wire.SoulFile)


def soul_import(path: str, name: str = "") -> Call[wire.SoulFile]:
    """Take the ``.soul`` file at an absolute path in; ``name`` "" is the one it has."""
    return _call("soul.import", wire.SoulImport(path=path, name=name), wire.SoulFile)


def soul_verify(path: str) -> Call[wire.SoulVerified]:
    """Check every bit of the ``.soul`` file at an absolute path."""
    return _call("soul.verify", wire.SoulVerify(path=path), wire.SoulVerified)


def soul_diff(a: str, b: str, probes: Sequence[str] = ()) -> Call[wire.SoulDifference]:
    """Compare two souls; ``name@N`` is a generation, "" the bare body."""
    return _call("soul.diff", wire.SoulDiff(a=a, b=b, probes=list(probes)), wire.SoulDifference)


def soul_why(question: str, answer: str = "") -> Call[wire.SoulReasons]:
    """Ask what taught the soul in use an answer; "" is the one it gives itself."""
    return _call("soul.why", wire.SoulWhy(question=question, answer=answer), wire.SoulReasons)


def text_score(texts: Sequence[str], *, bare: bool = False) -> Call[wire.TextScored]:
    """Say how likely each text is to the body, with its soul or ``bare``."""
    return _call("text.score", wire.TextScore(texts=list(texts), bare=bare), wire.TextScored)


def config_show() -> Call[wire.ConfigShown]:
    """Read the config in force."""
    return _call("config.show", wire.Empty(), wire.ConfigShown)


def config_set(key: str, value: Any) -> Call[wire.ConfigShown]:
    """Change a setting in the config file; what is then in force comes back."""
    return _call("config.set", wire.ConfigSet(key=key, value=value), wire.ConfigShown)


def plugins_list() -> Call[PluginList]:
    """List the plugins there are, and how those in use stand."""
    return _call("plugins.list", wire.Empty(), PluginList)


def _call(method: str, params: Struct, result: type[R]) -> Call[R]:
    socket: SocketName = "rpc" if method in wire.RPC_METHODS else "ctl"
    return Call(socket=socket, method=method, params=params, result=result)
