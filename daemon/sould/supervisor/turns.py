"""``chat.send``: from a user's text to a reply that is in the diary."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Set
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
from sould.supervisor.diary import Diary, Record
from sould.supervisor.engine import Engine
from sould.supervisor.events import Events
from sould.supervisor.pasts import Past, Pasts, check_history
from sould.supervisor.plugins.calls import Answers, none
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.plugins.prompting import not_empty, notes_of, with_added
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.sessions import Session, new_session_id
from sould.supervisor.turn_records import Written, written_of

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
    is in the diary, None if it was there before, whether learning that was stopped may go on, and
    the ids of records whose place the turn took.
    """

    def __init__(
        self,
        *,
        config: Config,
        scheduler: Scheduler,
        engine: Engine,
        diary: Diary,
        pasts: Pasts,
        events: Events,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
        soul_name: Callable[[], str],
        on_recorded: Callable[[Record | None, bool, Set[str]], None],
        plugins: Plugins,
    ) -> None:
        self._config = config
        self._scheduler = scheduler
        self._engine = engine
        self._diary = diary
        self._pasts = pasts
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
        check_history(params.history or (), limit)
        if params.replaces is not None and params.session is None:
            raise BadRequest("what is replaced is in a session, and none is named")

    async def _take_turn(self, request: Request, params: ChatSend, session: str) -> ChatDone:
        name = self._body_name()
        body = self._engine.at_hand(name)  # plugins are then asked while the state is told
        if body is None:
            body = await request.race(self._engine.ensure(name, request.progress))
        # Not before: a soul that is new learns only what is said after it was put on.
        said_at, soul = self._clock(), self._soul_name()
        max_chars = body.context_tokens * CHARS_PER_TOKEN
        is_recorded = self._is_recorded(params)
        turn = Turn(session=session, ts=_ts(said_at), soul=soul, body=body.name, text=params.text)
        asked = self._ask_plugins(params, turn)  # meanwhile the past is read
        finding = self._pasts.find(
            request.client, params, session, max_chars, is_recorded=is_recorded
        )
        past = await request.race(finding)
        added = not_empty(await request.race(asked))
        generated, notes = await self._reply(request, params, past.session, added)
        if not generated.text and request.stop_reason is not None:
            raise Stopped(request.stop_reason)
        turn = msgspec.structs.replace(turn, reply=generated.text)
        if is_recorded:
            written = await self._record(turn, said_at, past)
            turn = msgspec.structs.replace(turn, id=written.user.id, learn=written.user.learn)
            self._pasts.add_recorded(session, past, params.text, generated)
            may_go_on = request.stop_reason not in _PAUSING
            self._on_recorded(written.told, may_go_on, frozenset(written.replaced))
        else:
            self._pasts.add_off_record(request.client, session, past, params.text, generated)
        done = ChatDone(
            session=session,
            text=generated.text,
            finish=finish_of(generated.finish, request.stop_reason),
            usage=generated.usage,
            recorded=is_recorded,
            prompt=generated.prompt,
            notes=notes,
            turn=turn.id,
        )
        if is_recorded:
            self._publish(done)
            self._plugins.after_turn(turn)
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

    async def _record(self, turn: Turn, said_at: datetime, past: Past) -> Written:
        """Write the turn into the diary; durable when this returns what was written."""
        asked = self._plugins.may_learn(turn)
        written = written_of(  # takes as long as the plugins do
            turn,
            id_=f"{said_at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            replied_at=_ts(self._clock()),
            past=past,
        )
        if not all(may for _, may in await asked):
            written = written.unlearned()
        await asyncio.to_thread(self._diary.append, written.records, written.replaced)
        return written

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
        data = {
            "session": done.session,
            "finish": done.finish,
            "usage": usage,
            "turn": done.turn,
        }
        self._events.publish("turn", data)


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
