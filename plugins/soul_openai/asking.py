"""What a request says in its headers, for apps whose fields cannot be added to, and back."""

from __future__ import annotations

import re

from starlette.requests import Request

from soul_openai.refusals import Refused
from soul_openai.turns import Turn

SESSION = "X-Soul-Session"
OFF_RECORD = "X-Soul-Off-Record"
_SESSION_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


def session_of(request: Request, field: str | None) -> str | None:
    """Return the session that is named, by the header or else the field.

    Raises:
        Refused: it is none.
    """
    named = request.headers.get(SESSION)
    if named is not None and not _SESSION_ID.fullmatch(named):
        raise Refused(400, f"{SESSION} is {named!a}: a-z, A-Z, 0-9, '_', '.', '-', at most 64")
    return named or field


def is_off_record(request: Request, field: bool | None) -> bool:
    """Return whether the turn is to leave no trace: the header or the field says so.

    Raises:
        Refused: the header says neither yes nor no.
    """
    said = request.headers.get(OFF_RECORD, "0")
    if said.lower() not in _SWITCH:
        raise Refused(400, f"{OFF_RECORD} is {said!a}: 1 or 0")
    return _SWITCH[said.lower()] or bool(field)


def headers_of(turn: Turn) -> dict[str, str]:
    """Return what the answer says in its headers."""
    return {SESSION: turn.session} if turn.session.isascii() else {}
