"""``soul doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import click

from soul_cli import output
from soul_cli.examining import examine
from soul_cli.exits import Exit
from soul_cli.options import Command
from soul_cli.settings import Settings
from soul_cli.waiting import Waiting
from soul_client.findings import Finding


@click.command(cls=Command)
@click.pass_obj
def doctor(settings: Settings) -> Exit:
    """Look at everything the daemon needs; nothing is changed."""
    with Waiting(settings.texts) as waiting:
        waiting.show(settings.texts("doctor.looking"))
        found = list(examine(settings.config))
    has_problem = any(one.level == "problem" for one in found)
    if settings.is_json:
        output.say_json({"ok": not has_problem, "findings": [_as_json(settings, f) for f in found]})
    else:
        for line in lines(settings, found):
            print(output.for_terminal(line))
    return Exit.FAILED if has_problem else Exit.OK


def lines(settings: Settings, found: list[Finding]) -> list[str]:
    """Return a line for each finding, and below it what to do, if anything."""
    texts = settings.texts
    rows = [(texts(f"doctor.level.{one.level}"), one.check, _said(settings, one)) for one in found]
    shown = []
    for line, one in zip(output.columns(rows), found, strict=True):
        shown.append(line)
        if advice := _advice(settings, one):
            shown.append(f"    → {advice}")
    return shown


def _as_json(settings: Settings, one: Finding) -> dict[str, str]:
    return {
        "check": one.check,
        "level": one.level,
        "code": one.said,
        "message": _said(settings, one),
        "advice": _advice(settings, one),
    }


def _said(settings: Settings, one: Finding) -> str:
    return settings.texts(f"doctor.{one.said}", **_shown(one))


def _advice(settings: Settings, one: Finding) -> str:
    return settings.texts.get(f"doctor.{one.said}.do", **_shown(one))


def _shown(one: Finding) -> dict[str, object]:
    return {
        name: output.size(float(value)) if name.endswith("_bytes") else value
        for name, value in one.values.items()
    }
