"""``chat.send``: from a user's text to a reply that is in the diary."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec

from soul_client.plugin_wire import TurnNote
from soul_client.wire import (
    ChatDone,
    ChatMessage,
    ChatSend,
    ErrorCode,
    Finish,
    Progress,
    Sampling,
    SamplingOverrides,
    Usage,
)
from sould.bridge import Generate, Generated
from sould.config import Config
from sould.errors import BadRequest, EngineDied, Relayed, TooLarge
from sould.plugin.structs import Added, Turn
from sould.privacy import find_secrets
from sould.supervisor.diary import Diary, Record
from sould.supervisor.engine import Engine
from sould.supervisor.events import Events
from sould.supervisor.off_record import OffRecord
from sould.supervisor.plugins.calls import Answers, none
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.plugins.prompting import not_empty, notes_of, with_added
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.sessions import Session, Sessions, new_session_id

log = logging.getLogger(__name__)

CHARS_PER_TOKEN = 8
"""More text than this per token of context is never rebuilt from the diary: no body packs
that much into a token, so the oldest turns would not fit anyway.
"""

_PAUSING = (StopReason.CANCELLED, StopReason.SHUTDOWN)
"""A turn stopped for these is no sign that learning may go on."""


class Turns:
    """Takes turns with the users.

    ``soul_name`` is the soul worn now, or "". ``on_recorded`` gets what the user said once it
    is in the diary, and whether learning that was stopped may go on.
    """

    def __init__(
        self,
        *,
        config: Config,
        scheduler: Scheduler,
        engine: Engine,
        diary: Diary,
        sessions: Sessions,
        off_record: OffRecord,
        events: Events,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
        soul_name: Callable[[], str],
        on_recorded: Callable[[Record, bool], None],
        plugins: Plugins,
    ) -> None:
        self._config = config
        self._scheduler = scheduler
        self._engine = engine
        self._diary = diary
        self._sessions = sessions
        self._off_record = off_record
        self._events = events
        self._clock = clock
        self._body_name = body_name
        self._soul_name = soul_name
        self._on_recorded = on_recorded
        self._plugins = plugins

    async def send(self, request: Request, params: ChatSend) -> ChatDone:
        """Answer one message.

        Raises:
            SouldError: the turn failed; nothing of it is recorded.
            Stopped: the client cannot be told more (gone, too slow), or nothing was said yet
                when the daemon shut down. What was said before is recorded.
        """
        self._check(params)
        if params.deadline_s is not None:
            request.stop_after(params.deadline_s)
        session = params.session or new_session_id(self._clock(), secrets.token_hex(8))
        try:
            async with self._scheduler.slot(request, session=session, lane=session):
                with self._engine.held():
                    return await self._take_turn(request, params, session)
        except Stopped as e:
            return self._unsaid(session, e)

    def _check(self, params: ChatSend) -> None:
        limit = self._config.wire.max_message_chars
        if len(params.text) > limit:
            raise TooLarge(f"the message has {len(params.text)} characters, at most {limit} may be")
        if not params.text.strip():
            raise BadRequest("the message is empty")

    async def _take_turn(self, request: Request, params: ChatSend, session: str) -> ChatDone:
        name = self._body_name()
        body = self._engine.at_hand(name)  # plugins are then asked while the state is told
        if body is None:
            body = await request.race(self._engine.ensure(name, request.progress))
        # Not before: a soul that is new learns only what is said after it was put on.
        said_at, soul = self._clock(), self._soul_name()
        max_chars = body.context_tokens * CHARS_PER_TOKEN
        turn = Turn(session=session, ts=_ts(said_at), soul=soul, body=body.name, text=params.text)
        asked = self._ask_plugins(params, turn)  # meanwhile the past is read
        past = await request.race(self._past(request, params, session, max_chars))
        added = not_empty(await request.race(asked))
        generated, notes = await self._reply(request, params, past, added)
        if not generated.text and request.stop_reason is not None:
            raise Stopped(request.stop_reason)
        if is_recorded := self._is_recorded(params):
            turn = msgspec.structs.replace(turn, reply=generated.text)
            user = await self._record(turn, said_at)
            self._sessions.add_turn(session, params.text, generated.text, generated.keep_from)
            self._off_record.end(session)
            self._on_recorded(user, request.stop_reason not in _PAUSING)
        else:
            past.add_turn(params.text, generated.text, generated.keep_from)
            self._off_record.keep(request.client, session, past)
        done = ChatDone(
            session=session,
            text=generated.text,
            finish=finish_of(generated.finish, request.stop_reason),
            usage=generated.usage,
            recorded=is_recorded,
            prompt=generated.prompt,
            notes=notes,
        )
        if is_recorded:
            self._publish(done)
            self._plugins.after_turn(msgspec.structs.replace(turn, id=user.id, learn=user.learn))
        if request.stop_reason in (StopReason.GONE, StopReason.SLOW):
            raise Stopped(request.stop_reason)
        return done

    def _ask_plugins(self, params: ChatSend, turn: Turn) -> Answers:
        if self._is_recorded(params) and params.notes:
            return self._plugins.before_turn(turn)
        return none()

    async def _reply(
        self, request: Request, params: ChatSend, past: Session, added: list[tuple[str, Added]]
    ) -> tuple[Generated, list[TurnNote]]:
        """Return the reply, and what plugins added to its prompt; what does not fit is left out."""
        order = self._order(params, past)
        if not added:
            return await self._generate(request, order), []
        try:
            return await self._generate(request, with_added(order, added)), notes_of(added)
        except Relayed as e:
            if e.code is not ErrorCode.PROMPT_TOO_LONG:
                raise
            log.info("what plugins add does not fit the context, the turn is taken without it")
            return await self._generate(request, order), []

    def _order(self, params: ChatSend, past: Session) -> Generate:
        """Return what the engine is to answer."""
        system = self._config.chat.system_prompt if params.system is None else params.system
        return Generate(
            messages=[
                *([ChatMessage(role="system", text=system)] if system else []),
                *past.messages,
                ChatMessage(role="user", text=params.text),
            ],
            sampling=override(self._config.chat.sampling(), params.sampling),
            keep_from=past.keep_from,
            echo_prompt=params.echo_prompt,
            bare=params.bare,
        )

    def _is_recorded(self, params: ChatSend) -> bool:
        return self._config.memory and not params.off_record and not params.bare

    async def _past(
        self, request: Request, params: ChatSend, session: str, max_chars: int
    ) -> Session:
        """Return what the turn may see; off the record it is a copy no recorded turn sees."""
        if self._is_recorded(params):
            return await self._sessions.get(session, max_chars)
        if kept := self._off_record.get(request.client, session):
            return kept
        if params.session is None:
            return Session(messages=[])
        return (await self._sessions.get(session, max_chars)).copy()

    async def _generate(self, request: Request, order: Generate) -> Generated:
        """Stream the reply; a stopped one is what was said until then."""
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            request.chunk(text)

        request.progress(Progress(stage="prefill"))
        call = self._engine.begin("generate", order, request.progress, say)
        try:
            result = await request.race(asyncio.shield(call.future))
        except Stopped:
            self._engine.cancel(call)
            try:
                result = await call.future
            except (EngineDied, Relayed) as e:
                log.debug("a stopped reply ended with %s", e.message)
                result = Generated(text="".join(said), finish="cancelled", usage=Usage())
        assert isinstance(result, Generated)
        return result

    async def _record(self, turn: Turn, said_at: datetime) -> Record:
        """Write the turn into the diary; durable when this returns what the user said."""
        id_ = f"{said_at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        asked = self._plugins.may_learn(turn)
        user = Record(
            id=f"{id_}u",
            ts=turn.ts,
            role="user",
            text=turn.text,
            session=turn.session,
            soul=turn.soul,
        )
        assistant = msgspec.structs.replace(
            user, id=f"{id_}a", ts=_ts(self._clock()), role="assistant", text=turn.reply
        )
        records = without_secrets(user, assistant)  # takes as long as the plugins do
        if not all(may for _, may in await asked):
            records = [msgspec.structs.replace(one, learn=False) for one in records]
        await asyncio.to_thread(self._diary.append, records)
        return records[0]

    def _unsaid(self, session: str, stopped: Stopped) -> ChatDone:
        """Return the result of a turn that was stopped before anything was said.

        Raises:
            Stopped: the client is to be told, or past being told, in another way.
        """
        finish: dict[StopReason, Finish] = {
            StopReason.CANCELLED: "cancelled",
            StopReason.DEADLINE: "deadline",
        }
        if stopped.reason not in finish:
            raise stopped
        return ChatDone(
            session=session, text="", finish=finish[stopped.reason], usage=Usage(), recorded=False
        )

    def _publish(self, done: ChatDone) -> None:
        usage = msgspec.to_builtins(done.usage)
        data = {"session": done.session, "finish": done.finish, "usage": usage}
        self._events.publish("turn", data)


def without_secrets(user: Record, assistant: Record) -> list[Record]:
    """Return the records of a turn, not to be learned where a secret is said. Pure.

    A reply to a message with a secret counts as one: it may be about nothing else.
    """
    is_user_clean = not find_secrets(user.text)
    is_clean = is_user_clean and not find_secrets(assistant.text)
    return [
        msgspec.structs.replace(user, learn=user.learn and is_user_clean),
        msgspec.structs.replace(assistant, learn=assistant.learn and is_clean),
    ]


def override(base: Sampling, wanted: SamplingOverrides) -> Sampling:
    """Return the sampling of the config with what the request wants different. Pure."""
    changes = {
        name: value
        for name in SamplingOverrides.__struct_fields__
        if (value := getattr(wanted, name)) is not None
    }
    return msgspec.structs.replace(base, **changes)


def finish_of(said: Finish, stop_reason: StopReason | None) -> Finish:
    """Return why a reply ended: the engine knows that it was stopped, we know by what. Pure."""
    if said == "cancelled" and stop_reason is StopReason.DEADLINE:
        return "deadline"
    return said


def _ts(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
