"""What can go wrong in the daemon. Each error knows its wire code and what to do about it.

::

    SouldError
    ├── ConfigError          config.yaml: file, key, value and the nearest valid key
    ├── AlreadyRunning       another daemon owns this workspace or runtime dir
    ├── BodyInvalid          wrong, truncated or hostile model file: names the file and the fault
    ├── BodyMissing          no body of that name in models/
    ├── SoulInvalid          wrong, damaged or hostile soul file: names the file and the fault
    ├── SoulMismatch         a soul that was grown on another body: names both
    ├── SoulMissing          no soul, generation or soul file of that name
    ├── SoulExists           a soul or a file of that name is there, and stays
    ├── NoMemory             over the budget, or the allocation failed
    ├── DeviceUnavailable    the asked-for device, dtype or kernel is not there
    ├── PromptTooLong        one message does not fit the context
    ├── StorageError         a file that must be durable could not be written
    ├── PullFailed           a body could not be fetched or placed
    ├── EngineDied           the engine process ended while it was needed
    ├── BadRequest           a value that the types allow and the daemon does not
    ├── TooLarge             over a limit of config.wire
    ├── Busy                 a queue is full
    ├── NotFound             no such session or chat log
    ├── Cancelled            work was stopped before it had a result
    └── Relayed              an error another process of ours reported, passed on as it is
"""

from __future__ import annotations

from soul_client.wire import ErrorCode


class SouldError(Exception):
    """Base: ``message`` says what happened and the value, ``hint`` what to do."""

    code = ErrorCode.INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class ConfigError(SouldError):
    code = ErrorCode.BAD_REQUEST


class AlreadyRunning(SouldError):
    code = ErrorCode.BUSY


class BodyInvalid(SouldError):
    code = ErrorCode.BODY_INVALID


class BodyMissing(SouldError):
    code = ErrorCode.BODY_MISSING


class SoulInvalid(SouldError):
    code = ErrorCode.SOUL_INVALID


class SoulMismatch(SouldError):
    code = ErrorCode.SOUL_MISMATCH


class SoulMissing(SouldError):
    code = ErrorCode.NOT_FOUND


class SoulExists(SouldError):
    code = ErrorCode.BAD_REQUEST


class NoMemory(SouldError):
    code = ErrorCode.NO_MEMORY


class DeviceUnavailable(SouldError):
    code = ErrorCode.DEVICE_UNAVAILABLE


class PromptTooLong(SouldError):
    code = ErrorCode.PROMPT_TOO_LONG


class StorageError(SouldError):
    code = ErrorCode.STORAGE


class PullFailed(SouldError):
    code = ErrorCode.PULL_FAILED


class EngineDied(SouldError):
    code = ErrorCode.ENGINE_DIED


class BadRequest(SouldError):
    code = ErrorCode.BAD_REQUEST


class TooLarge(SouldError):
    code = ErrorCode.TOO_LARGE


class Busy(SouldError):
    code = ErrorCode.BUSY


class NotFound(SouldError):
    code = ErrorCode.NOT_FOUND


class Cancelled(SouldError):
    code = ErrorCode.CANCELLED


class Relayed(SouldError):
    def __init__(self, code: ErrorCode, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
