"""Has the daemon take a turn: one request to it, and the reply as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from soul_client import AsyncClient, AsyncStream
from soul_client.calls import Call
from soul_client.wire import ChatDone, ChatSend, Chunk, SamplingOverrides
from soul_openai.choosing import Chooser
from soul_openai.conversation import Conversation
from soul_openai.models import Model
from soul_openai.sessions import Openings


class Asked(Struct, frozen=True, kw_only=True):
    """A turn that is asked for. ``session`` None: told by how the conversation begins."""

    model: str
    conversation: Conversation
    sampling: SamplingOverrides
    session: str | None = None
    off_record: bool = False


class Turn:
    """A reply that has begun: read ``pieces``, then there is ``done``; and ``stop`` it always."""

    def __init__(self, model: Model, stream: AsyncStream[ChatDone]) -> None:
        self.model = model
        self._stream = stream
        self._first = ""

    @property
    def id(self) -> str:
        """The id of the request; ``soul stop ID`` stops it."""
        return self._stream.id

    @property
    def session(self) -> str:
        """The session of the diary that it is in."""
        return self._stream.session

    @property
    def done(self) -> ChatDone:
        """The finished turn."""
        assert self._stream.result is not None
        return self._stream.result

    async def begin(self) -> None:
        """Wait for the first words, or for the end if there are none: from then on there is
        hardly anything that could be refused.
        """
        while not self._first and not self._stream.is_finished:
            update = await self._stream.read()
            if isinstance(update, Chunk):
                self._first = update.text

    async def pieces(self) -> AsyncIterator[str]:
        """Yield the reply as it comes.

        Raises:
            SoulError: it failed.
        """
        if self._first:
            yield self._first
        while not self._stream.is_finished:
            update = await self._stream.read()
            if isinstance(update, Chunk) and update.text:
                yield update.text

    async def finish(self) -> ChatDone:
        """Wait for the end; raises as ``pieces``."""
        async for _ in self.pieces():
            pass
        return self.done

    async def stop(self) -> None:
        """Have the daemon stop, if it has not finished."""
        await self._stream.cancel()


class Talker:
    """Takes turns for the clients of the API."""

    def __init__(self, client: AsyncClient, chooser: Chooser) -> None:
        self._client = client
        self._chooser = chooser
        self._openings = Openings(client)

    async def begin(self, asked: Asked) -> Turn:
        """Ask, and return the turn once its reply has begun.

        Raises:
            SoulError: the daemon refuses it, or cannot be reached.
            Refused: there is no such model.
        """
        said = asked.conversation
        session = asked.session or await self._openings.session_of(said.history)
        async with self._chooser.using(asked.model) as model:
            turn = Turn(model, await self._client.start(_call(asked, session)))
        try:
            await turn.begin()
        except BaseException:
            await turn.stop()
            raise
        return turn

    def end(self, asked: Asked, done: ChatDone) -> None:
        """Take note of a finished turn: its conversation goes on in its session."""
        if not asked.conversation.history and done.recorded:
            self._openings.note(asked.conversation.text, done.text, done.session)


def _call(asked: Asked, session: str | None) -> Call[ChatDone]:
    said = asked.conversation
    history: dict[str, Any] = {"history": said.history} if said.history else {}
    params = ChatSend(
        text=said.text,
        session=session,
        system=said.system,
        sampling=asked.sampling,
        off_record=asked.off_record,
        **history,
    )
    return Call(socket="rpc", method="chat.send", params=params, result=ChatDone)
