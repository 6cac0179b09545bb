"""What can go wrong for a client.

::

    SoulError
    ├── WireError           a frame broke the protocol or a limit
    ├── DaemonError         the daemon answered with an error (code, message, hint)
    ├── NotRunning          no daemon to talk to
    ├── ConnectionLost      the daemon went away, or fell silent
    ├── TimedOut            no answer in the time the caller gave
    ├── KeyRefused          the daemon does not know this client's CURVE key
    ├── LaunchFailed        the daemon could not be started
    ├── UnsafeFile          a private file belongs to, or is open to, somebody else
    ├── ConfigNotFound      no config.yaml that `soul` can use
    ├── ConfigInvalid       the config.yaml cannot be read
    ├── ExamInvalid         the exam's file is wrong
    ├── ExamRefused         the exam would not measure what it should
    └── ServiceFailed       the daemon cannot be made a service of the system
"""

from __future__ import annotations

from soul_client.wire import ErrorCode


class SoulError(Exception):
    """Base of everything this library raises on purpose."""


class WireError(SoulError):
    """A frame broke the protocol or a limit."""

    def __init__(
        self, code: ErrorCode, message: str, hint: str = "", *, request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.request_id = request_id


class DaemonError(SoulError):
    """The daemon answered with an error."""

    def __init__(self, code: ErrorCode, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.code = code
        self.message = message
        self.hint = hint


class NotRunning(SoulError):
    """No daemon answers for this config."""


class ConnectionLost(SoulError):
    """The daemon went away, or fell silent, while a request was under way."""


class ConfigNotFound(SoulError):
    """No ``config.yaml`` was found."""


class ConfigInvalid(SoulError):
    """The ``config.yaml`` cannot be read, or a path in it is not one."""


class UnsafeFile(SoulError):
    """A file that must be private belongs to, or is open to, somebody else."""


class ExamInvalid(SoulError):
    """A persona or quiz file is wrong; the message says where."""


class ExamRefused(SoulError):
    """The exam is not scored: the prompt gives answers away, or cannot be checked."""


class LaunchFailed(SoulError):
    """The daemon could not be started; the message holds its last words."""


class TimedOut(SoulError, TimeoutError):
    """No answer in the time the caller gave; the request was told to stop."""


class KeyRefused(SoulError):
    """The daemon does not know this client's CURVE key, or the client has none."""


class ServiceFailed(SoulError):
    """The daemon cannot be made a service of the system; ``hint`` says what to do, if anything."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
