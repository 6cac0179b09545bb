"""Send one message and let the reply be said as it comes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from soul_cli.settings import Settings
from soul_cli.waiting import Waiting
from soul_client.wire import ChatDone, Chunk

if TYPE_CHECKING:
    from soul_client.calls import Call
    from soul_client.client import Client
    from soul_client.stream import Stream


def speak(
    client: Client, call: Call[ChatDone], settings: Settings, say: Callable[[str], None]
) -> ChatDone:
    """Have one turn; ``say`` gets the pieces of the reply, all of it in the end.

    Ctrl-C stops the reply; what was said is returned, ``finish`` is "cancelled".

    Raises:
        SoulError: there is no reply, or only part of one.
        KeyboardInterrupt: the second Ctrl-C, while the first is being obeyed.
    """
    stream = client.start(call)
    said_chars = 0
    with Waiting(settings.texts) as waiting, CtrlC() as ctrl_c:
        try:
            while stream.result is None:
                with ctrl_c.allowed():
                    update = stream.read()
                if isinstance(update, Chunk):
                    waiting.clear()
                    say(update.text)
                    said_chars += len(update.text)
                elif not isinstance(update, ChatDone):
                    waiting.update(update)
            return stream.result
        except KeyboardInterrupt:
            waiting.clear()
            done = _stop(stream, ctrl_c)
            say(done.text[said_chars:])  # what came until it stopped is in the diary too
            return done
        except BaseException:
            stream.cancel()
            raise


def _stop(stream: Stream[ChatDone], ctrl_c: CtrlC) -> ChatDone:
    with ctrl_c.allowed():
        return stream.stop()


class CtrlC:
    """Ctrl-C only where it is ``allowed``: not between printing a piece and counting it."""

    def __init__(self) -> None:
        self._is_allowed = False
        self._is_pending = False

    def __enter__(self) -> CtrlC:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let Ctrl-C through, the one that came before too.

        Raises:
            KeyboardInterrupt: there was one.
        """
        self._is_allowed = True
        try:
            self._raise_pending()
            yield
        finally:
            self._is_allowed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._is_pending = True
        if self._is_allowed:
            self._raise_pending()

    def _raise_pending(self) -> None:
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt
