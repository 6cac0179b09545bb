"""Why a request is not answered, as status and words, in the form of either API.

::

    Refused         with an HTTP status; everything this package raises on purpose
    └── ClientGone  nobody is there to be told
"""

from __future__ import annotations

from typing import Any

from soul_client import ConnectionLost, DaemonError, NotRunning, SoulError, WireError
from soul_client.wire import ErrorCode

NOT_A_CLIENT_ANY_MORE = 499
_STATUSES = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.PROMPT_TOO_LONG: 400,
    ErrorCode.BUSY: 429,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.BODY_MISSING: 404,
    ErrorCode.SOUL_MISMATCH: 400,
    ErrorCode.SOUL_INVALID: 400,
    ErrorCode.BODY_INVALID: 400,
    ErrorCode.NO_MEMORY: 503,
    ErrorCode.DEVICE_UNAVAILABLE: 503,
    ErrorCode.SHUTTING_DOWN: 503,
    ErrorCode.DEADLINE: 504,
}
"""Of what the daemon says; anything else is 500."""
_OPENAI_CODES = {
    ErrorCode.PROMPT_TOO_LONG: "context_length_exceeded",
    ErrorCode.BUSY: "rate_limit_exceeded",
    ErrorCode.BODY_MISSING: "model_not_found",
}
"""Where OpenAI has a word of its own."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Refused(Exception):
    """The request is answered with ``status``. ``param``: the field that is wrong, if one is."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


class ClientGone(Refused):
    """The client went away before it was answered."""

    def __init__(self) -> None:
        super().__init__(NOT_A_CLIENT_ANY_MORE, "the client went away")


def unsupported(param: str, why: str) -> Refused:
    """Make the refusal of a field whose value is asked for, and cannot be had."""
    return Refused(400, f"{param}: {why}", code="unsupported_parameter", param=param)


def refused(error: SoulError) -> Refused:
    """Return what goes wrong between us and the daemon as an answer. Pure."""
    if isinstance(error, DaemonError | WireError):
        said = f"{error.message} ({error.hint})" if error.hint else error.message
        code = _OPENAI_CODES.get(error.code, error.code.value)
        return Refused(_STATUSES.get(error.code, 500), said, code=code)
    if isinstance(error, NotRunning | ConnectionLost):
        return Refused(503, str(error), code="daemon_unavailable")
    return Refused(500, str(error), code="internal")


def openai_error(why: Refused) -> dict[str, Any]:
    """Return it as OpenAI's API has it. Pure."""
    fallback = "invalid_request_error" if why.status < 500 else "server_error"
    kind = _TYPES.get(why.status, fallback)
    told = {"message": why.message, "type": kind}
    return {"error": {**told, "param": why.param or None, "code": why.code or None}}


def ollama_error(why: Refused) -> dict[str, Any]:
    """Return it as Ollama's API has it. Pure."""
    return {"error": why.message}
