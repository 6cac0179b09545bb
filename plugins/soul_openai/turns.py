"""Has the daemon take a turn: one request to it, and the reply as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from msgspec import Struct

from soul_client import AsyncClient, AsyncStream, DaemonError
from soul_client.calls import Call
from soul_client.wire import ChatDone, ChatSend, Chunk, ErrorCode, SamplingOverrides
from soul_openai.choosing import Chooser
from soul_openai.conversation import Conversation
from soul_openai.models import Model
from soul_openai.sessions import Place, Places


class Asked(Struct, frozen=True, kw_only=True):
    """A turn that is asked for. ``session`` None: told by how the conversation begins."""

    model: str
    conversation: Conversation
    sampling: SamplingOverrides
    session: str | None = None
    off_record: bool = False


MOST_AT_ONCE = 12
"""Turns that the daemon is asked for at the same time; it takes 16 requests of a client, of which
some are left for lists. More wait here.
"""


class Turn:
    """A reply that has begun: read ``pieces``, then there is ``done``; and ``close`` it always."""

    def __init__(
        self, model: Model, stream: AsyncStream[ChatDone], on_close: Callable[[], None]
    ) -> None:
        self.model = model
        self._stream = stream
        self._on_close = on_close
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

    async def close(self) -> None:
        """Have the daemon stop, if it has not finished, and make room for another turn."""
        try:
            await self._stream.cancel()
        finally:
            self._on_close()


class Talker:
    """Takes turns for the clients of the API."""

    def __init__(self, client: AsyncClient, chooser: Chooser) -> None:
        self._client = client
        self._chooser = chooser
        self._places = Places(client)
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def begin(self, asked: Asked) -> Turn:
        """Ask, and return the turn once its reply has begun.

        Raises:
            SoulError: the daemon refuses it, or cannot be reached.
            Refused: there is no such model.
        """
        await self._room.acquire()
        try:
            place = await self._places.find(asked.conversation.history)
            return await self._begin(asked.model, params_of(asked, place))
        except BaseException:
            self._room.release()
            raise

    def end(self, asked: Asked, done: ChatDone) -> None:
        """Take note of a finished turn: its conversation goes on from there."""
        if done.recorded:
            self._places.note(asked.conversation.history, asked.conversation.text, done)

    async def _begin(self, model: str, params: ChatSend) -> Turn:
        try:
            return await self._begun(model, params)
        except DaemonError as e:
            if params.replaces is None or e.code is not ErrorCode.NOT_FOUND:
                raise
        # What was said from there has been replaced, or forgotten, meanwhile.
        return await self._begun(model, msgspec.structs.replace(params, replaces=None))

    async def _begun(self, model: str, params: ChatSend) -> Turn:
        call = Call(socket="rpc", method="chat.send", params=params, result=ChatDone)
        async with self._chooser.using(model) as used:
            stream = await self._client.start(call)
        turn = Turn(used, stream, self._room.release)
        try:
            await turn.begin()
        except BaseException:
            await stream.cancel()
            raise
        return turn


def params_of(asked: Asked, place: Place | None) -> ChatSend:
    """Return what the daemon is asked. Pure.

    The past is what the app says, also where that is nothing. A session that the app names is its
    own affair, and so is what takes whose place in it.
    """
    said = asked.conversation
    replaces = place.next if place and not asked.session and not asked.off_record else ""
    return ChatSend(
        text=said.text,
        session=asked.session or (place.session if place else None),
        system=said.system,
        sampling=asked.sampling,
        off_record=asked.off_record,
        history=said.history,
        replaces=replaces or None,
    )
