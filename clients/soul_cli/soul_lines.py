"""How souls are shown: lines of text, for the commands and for the chat."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.wire import (
        Dreamt,
        SleepReport,
        SoulDifference,
        SoulFile,
        SoulGenerations,
        SoulList,
        SoulStatus,
        SoulVerified,
    )

SHOWN_HEX = 12
LEARNS = ("imprinting", "dreaming")
MATRICES = ("gate", "up", "down")
STATES = ("state",)  # of native bodies


def status_lines(texts: Texts, soul: SoulStatus) -> list[str]:
    """Return the soul in use: what it is in one line, then what is not as it should be."""
    lines = [texts("soul.line", name=soul.name, level=soul.level, saved=_saved(texts, soul))]
    if soul.pending:
        lines.append("  " + texts("soul.pending", count=soul.pending))
    if soul.problem:
        lines.append("  " + texts("soul.problem", problem=output.for_terminal(soul.problem)))
    return lines


def status_rows(texts: Texts, soul: SoulStatus, *, doing: str) -> list[tuple[str, str]]:
    """Return the soul in use as rows of ``soul status``; ``doing``: the daemon's state."""
    state = doing if doing in LEARNS else "worn" if soul.worn else "not_worn"
    shown = texts(f"soul.is.{state}")
    line = texts("soul.status_line", name=soul.name, level=soul.level, state=shown)
    rows = [(texts("status.soul"), line)]
    if soul.pending:
        rows.append((texts("status.learning"), texts("soul.pending", count=soul.pending)))
    rows.append((texts("status.saved"), _saved(texts, soul)))
    if soul.problem:
        rows.append((texts("status.problem"), output.for_terminal(soul.problem)))
    return rows


def report_lines(texts: Texts, report: SleepReport) -> list[str]:
    """Return what came of a night; what each fact is like now, only of one that was kept."""
    why = output.for_terminal(report.why)
    lines = [texts(f"sleep.{report.outcome}", duration=output.duration(report.seconds), why=why)]
    if report.began and report.outcome != "nothing":
        lines.insert(0, texts("sleep.of", soul=report.soul, began=output.moment(report.began)))
    if report.outcome == "kept" and why:
        lines.append("  " + texts("sleep.early", why=why))
    if report.unreadable:
        lines.append("  " + texts("sleep.unreadable", count=report.unreadable))
    if report.before is None or report.after is None:
        return lines
    for when, marks in (("before", report.before), ("after", report.after)):
        lines.append(
            "  "
            + texts(
                f"sleep.{when}",
                recalled=marks.recalled,
                facts=marks.facts,
                honest=marks.honest,
                untold=marks.untold,
                drift=f"{marks.drift:.3f}",
            )
        )
    facts = report.facts if report.outcome == "kept" else []  # else of what was thrown away
    old = [fact for fact in facts if fact.nights and fact.before and not fact.replaced_by]
    if old:
        kept = sum(fact.after for fact in old)
        lines.append("  " + texts("sleep.old", kept=kept, old=len(old)))
    user = [fact for fact in facts if not fact.source]
    lines += _fact_lines(texts, user, ("failed", "learned", "replaced"))
    if report.before.statements or report.after.statements:
        lines.append("  " + texts("sleep.documents"))
        for when, marks in (("before", report.before), ("after", report.after)):
            shown = texts(f"sleep.read_{when}", stated=marks.stated, statements=marks.statements)
            lines.append("    " + shown)
        read = [fact for fact in facts if fact.source]
        lines += _fact_lines(texts, read, ("failed", "learned"), indent="    ")
    return [*lines, "  " + texts("sleep.left", count=report.left)] if report.left else lines


def _fact_lines(
    texts: Texts, facts: Sequence[Dreamt], kinds: Sequence[str], *, indent: str = "  "
) -> list[str]:
    """Return what was dreamt of: what is not recalled first, then what is, and what is out of
    date; a statement with the document that says it. What the diary no longer has is left out.
    """
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for fact in facts:
        kind = "replaced" if fact.replaced_by else "learned" if fact.after else "failed"
        source = f"  ({output.for_terminal(fact.source)})" if fact.source else ""
        if fact.text:
            found[kind].append(f"{indent}  {output.for_terminal(fact.text)}{source}")
            found[kind] += [f"{indent}    {line}" for line in _answer_lines(texts, fact)]
    return [
        line
        for kind, some in found.items()
        if some
        for line in (f"{indent}{texts(f'sleep.{kind}')}", *some)
    ]


def _answer_lines(texts: Texts, fact: Dreamt) -> list[str]:
    """Return how a fact was asked for and what was replied, the evening's reply if it was another
    one; nothing where that is not known.
    """
    if not fact.question:
        return []
    lines = [texts("sleep.asked", question=output.for_terminal(fact.question))]
    if fact.said_before != fact.said_after:
        lines.append(texts("sleep.said_before", reply=output.for_terminal(fact.said_before)))
    return [*lines, texts("sleep.said_after", reply=output.for_terminal(fact.said_after))]


def _saved(texts: Texts, soul: SoulStatus) -> str:
    if not soul.generation:
        return texts("soul.never_saved")
    key = "soul.saved_since" if soul.unsaved else "soul.saved"
    return texts(key, generation=soul.generation, when=output.moment(soul.saved))


def list_lines(texts: Texts, listed: SoulList) -> list[str]:
    """Return the souls there are, the one in use with a star."""
    if not listed.souls:
        return [texts("souls.none")]
    header = [texts(f"souls.{name}") for name in ("name", "level", "saved", "size", "body")]
    rows = [
        (
            ("* " if one.active else "  ") + one.name,
            str(one.level),
            output.moment(one.saved) if one.saved else "",
            output.size(one.size_bytes) if one.size_bytes else "",
            _with_problem(texts, one.body_name, one.problem),
        )
        for one in listed.souls
    ]
    return output.columns(rows, ["  " + header[0], *header[1:]])


def history_lines(texts: Texts, history: SoulGenerations) -> list[str]:
    """Return the generations of a soul, newest first, the one in use with a star."""
    if not history.generations:
        return [texts("history.none", name=history.name)]
    header = [texts(f"history.{name}") for name in ("number", "saved", "level", "size", "why")]
    rows = [
        (
            ("* " if one.current else "  ") + str(one.number),
            output.moment(one.saved) if one.saved else "",
            str(one.level),
            output.size(one.size_bytes),
            _with_problem(texts, texts.get(f"why.{one.why}") or one.why, one.problem),
        )
        for one in history.generations
    ]
    return output.columns(rows, ["  " + header[0], *header[1:]])


def _with_problem(texts: Texts, text: str, problem: str) -> str:
    if not problem:
        return text
    shown = texts("soul.problem", problem=output.for_terminal(problem))
    return f"{text}  {shown}".strip()


def file_line(file: SoulFile) -> str:
    """Return a file that was written."""
    return f"{file.name}  {output.size(file.size_bytes)}  {file.path}"


def verified_lines(texts: Texts, found: SoulVerified) -> list[str]:
    """Return what a check of a file found: the verdict, what is wrong, what it is."""
    count = len(found.faults)
    verdict = texts("verify.faults", count=count) if count else texts("verify.sound")
    faults = [f"  {output.for_terminal(fault)}" for fault in found.faults]
    body = f"{found.body_name} ({found.body[:SHOWN_HEX]}…)" if found.body else ""
    fits = "" if found.fits is None else texts("verify.fits" if found.fits else "verify.fits_not")
    rows = [
        (texts("verify.soul"), found.name),
        (texts("verify.level"), str(found.level) if found.name else ""),
        (texts("verify.taught"), str(found.taught) if found.name else ""),
        (texts("verify.body"), f"{body} {fits}".strip()),
        (texts("verify.created"), output.moment(found.created)),
        (texts("verify.saved"), output.moment(found.saved)),
    ]
    known = [(name, output.for_terminal(value)) for name, value in rows if value]
    about = output.columns(known) if known else []
    return [f"{found.path}: {verdict}", *faults, *about]


def diff_lines(texts: Texts, found: SoulDifference) -> list[str]:
    """Return norms by layer, then the answers side by side."""
    names = [one or texts("diff.bare") for one in (found.a, found.b)]
    lines = [*_norm_lines(texts, found, names), ""] if found.layers else []
    count = shutil.get_terminal_size().columns
    if found.probes:
        lines += output.side_by_side(names[0], names[1], count)
    for one in found.probes:
        a, b = output.for_terminal(one.a), output.for_terminal(one.b)
        lines += ["", f"? {output.for_terminal(one.ask)}", *output.side_by_side(a, b, count)]
    return lines


def _norm_lines(texts: Texts, found: SoulDifference, names: Sequence[str]) -> list[str]:
    """Return a line for each layer: of all its matrices together, then the change in each."""
    rows = [(str(one.layer), *_numbers(one.a, one.b, one.change)) for one in found.layers]
    a, b, change = (
        [math.hypot(*matrix) for matrix in zip(*layers, strict=True)]
        for layers in (
            [one.a for one in found.layers],
            [one.b for one in found.layers],
            [one.change for one in found.layers],
        )
    )
    rows.append((texts("diff.all"), *_numbers(a, b, change)))
    has_states = all(len(one.change) == len(STATES) for one in found.layers)
    what = STATES if has_states else MATRICES
    return output.columns(rows, [texts("diff.layer"), *names, texts("diff.change"), *what])


def _numbers(a: Sequence[float], b: Sequence[float], change: Sequence[float]) -> list[str]:
    together = [math.hypot(*norms) for norms in (a, b, change)]
    return [f"{norm:.3f}" for norm in (*together, *change)]
