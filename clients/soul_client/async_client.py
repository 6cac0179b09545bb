"""The async client."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from msgspec import Struct

from soul_client import calls, locate, sockets
from soul_client.async_link import AsyncLink
from soul_client.async_souls import AsyncSouls
from soul_client.async_stream import AsyncReply, AsyncStream
from soul_client.async_subscription import AsyncSubscription
from soul_client.calls import Call
from soul_client.exchange import Exchange
from soul_client.plugin_wire import PluginList
from soul_client.sockets import Keys
from soul_client.stream import OnUpdate
from soul_client.wire import (
    BodyConverted,
    BodyEvaluated,
    BodyExported,
    BodyInfo,
    BodyList,
    BodyPulled,
    BodyTrained,
    Catalog,
    ChatDone,
    ChatMessage,
    ConfigShown,
    Connection,
    LoadedBody,
    SamplingOverrides,
    SessionHistory,
    SessionList,
    Status,
)

R = TypeVar("R")


class AsyncClient(AsyncSouls):
    """Talk to the daemon of a config, from the tasks of one event loop.

    ::

        async with AsyncClient() as soul:
            reply = await soul.chat("Hello")
            async for piece in reply:
                print(piece, end="")

    Any number of tasks may share it. It connects on entry (or with the first request), and
    raises what ``Client`` raises. When the daemon is lost, the requests under way fail with
    ``ConnectionLost``; the next request looks for the daemon anew, once.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | None = None,
        *,
        connection: Connection | None = None,
        key_file: str | os.PathLike[str] | None = None,
        name: str = "soul_client",
        timeout_s: float = 10.0,
        silence_s: float = 12.0,
    ) -> None:
        """Remember how to connect; the parameters are those of ``Client``."""
        self._config = None if connection else locate.find_config(config)
        self._connection = connection
        self._key_file = key_file
        self._name = name
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._link: AsyncLink | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> AsyncClient:
        await self._live_link()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; requests under way fail with ``ConnectionLost``."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def start(self, call: Call[R], *, timeout_s: float | None = None) -> AsyncStream[R]:
        """Send any call and return its answers as they come; see ``soul_client.calls``.

        ``timeout_s`` limits the whole request. However long it takes, a daemon that does
        not even answer pings raises ``ConnectionLost``.
        """
        link = await self._live_link()
        exchange = Exchange(call)
        return AsyncStream(link, exchange, await link.send(exchange), timeout_s=timeout_s)

    async def request(
        self, method: str, params: Struct | None = None, *, timeout_s: float | None = None
    ) -> AsyncStream[Any]:
        """Send a request by method name, as PROTOCOL.md has it."""
        return await self.start(calls.by_name(method, params), timeout_s=timeout_s)

    async def chat(
        self,
        text: str,
        *,
        session: str | None = None,
        system: str | None = None,
        sampling: SamplingOverrides | None = None,
        deadline_s: float | None = None,
        off_record: bool = False,
        echo_prompt: bool = False,
        bare: bool = False,
        history: Sequence[ChatMessage] | None = None,
        replaces: str | None = None,
        on_update: OnUpdate | None = None,
    ) -> AsyncReply:
        """Say something and return the reply as it comes.

        ``on_update`` is told of the ack and of progress (queue position, loading, prefill).
        See ``wire.ChatSend`` for the rest.
        """
        call = calls.chat(
            text,
            session=session,
            system=system,
            sampling=sampling,
            deadline_s=deadline_s,
            off_record=off_record,
            echo_prompt=echo_prompt,
            bare=bare,
            history=history,
            replaces=replaces,
        )
        return AsyncReply(await self.start(call), on_update)

    async def ask(
        self,
        text: str,
        *,
        session: str | None = None,
        system: str | None = None,
        sampling: SamplingOverrides | None = None,
        deadline_s: float | None = None,
        off_record: bool = False,
        echo_prompt: bool = False,
        bare: bool = False,
        history: Sequence[ChatMessage] | None = None,
        replaces: str | None = None,
    ) -> ChatDone:
        """Say something and wait for the whole reply."""
        call = calls.chat(
            text,
            session=session,
            system=system,
            sampling=sampling,
            deadline_s=deadline_s,
            off_record=off_record,
            echo_prompt=echo_prompt,
            bare=bare,
            history=history,
            replaces=replaces,
        )
        return await self._finish(call)

    async def ping(self) -> float:
        """Return the seconds of one round trip."""
        start_s = time.perf_counter()
        await self._quick(calls.ping())
        return time.perf_counter() - start_s

    async def cancel(self, target: str = "") -> list[str]:
        """Stop a request by id, of any client; "" stops every one. Return what was stopped."""
        return (await self._quick(calls.cancel(target))).ids

    async def status(self) -> Status:
        """Ask what the daemon does; answered whatever it does."""
        return await self._quick(calls.status())

    async def shutdown(self) -> None:
        """Ask the daemon to finish what runs, and end."""
        await self._quick(calls.shutdown())

    async def sessions(self, *, imported: bool = False) -> SessionList:
        """List the conversations held here, or those imported from chat logs, newest first."""
        return await self._quick(calls.sessions(imported=imported))

    async def session(self, name: str) -> SessionHistory:
        """Read the messages of one conversation."""
        return await self._quick(calls.session(name))

    async def body_list(self) -> BodyList:
        """List the bodies in ``models/``."""
        return await self._quick(calls.body_list())

    async def body_info(self, name: str = "") -> BodyInfo:
        """Read what a body is, and whether it fits; "" is the configured one."""
        return await self._finish(calls.body_info(name))

    async def body_load(self, name: str = "", *, on_update: OnUpdate | None = None) -> LoadedBody:
        """Load a body; "" is the configured one."""
        return await self._finish(calls.body_load(name), on_update)

    async def body_unload(self) -> None:
        """Give the memory of the loaded body back."""
        await self._finish(calls.body_unload())

    async def body_catalog(self) -> Catalog:
        """List the well-known bodies, the one suggested for this machine marked."""
        return await self._quick(calls.body_catalog())

    async def body_pull(
        self,
        source: str = "",
        name: str = "",
        *,
        replace: bool = False,
        on_update: OnUpdate | None = None,
    ) -> BodyPulled:
        """Fetch a body; "" is the suggested one."""
        return await self._finish(calls.body_pull(source, name, replace=replace), on_update)

    async def body_train(
        self,
        name: str,
        texts: str = "",
        *,
        preset: Literal["nano", "tiny", "small", "medium"] = "tiny",
        steps: int = 0,
        seed: int = 0,
        diary: bool = False,
        on_update: OnUpdate | None = None,
    ) -> BodyTrained:
        """Train a body on a text file or a folder of them, with ``diary`` on what the user said,
        too; stopped, it can be gone on with.
        """
        call = calls.body_train(name, texts, preset=preset, steps=steps, seed=seed, diary=diary)
        return await self._finish(call, on_update)

    async def body_evaluate(
        self, name: str, texts: str, *, window: int = 512, on_update: OnUpdate | None = None
    ) -> BodyEvaluated:
        """Measure how well a body foretells a text, beside whatever is loaded."""
        return await self._finish(calls.body_evaluate(name, texts, window=window), on_update)

    async def body_export(
        self,
        name: str,
        path: str,
        *,
        format: Literal["bitt", "safetensors"] = "bitt",
        on_update: OnUpdate | None = None,
    ) -> BodyExported:
        """Write a body of TTT layers to a file, or to a folder."""
        return await self._finish(calls.body_export(name, path, format=format), on_update)

    async def body_convert(
        self,
        name: str,
        *,
        bases: Sequence[int] = (3,),
        target: str = "",
        texts: str = "",
        distill: int = 0,
        dry_run: bool = False,
        on_update: OnUpdate | None = None,
    ) -> BodyConverted:
        """Make bodies of ternary weights of another one, and measure how much that loses."""
        call = calls.body_convert(
            name, bases=bases, target=target, texts=texts, distill=distill, dry_run=dry_run
        )
        return await self._finish(call, on_update)

    async def config_show(self) -> ConfigShown:
        """Read the config in force."""
        return await self._quick(calls.config_show())

    async def config_set(self, key: str, value: Any) -> ConfigShown:
        """Change a setting in the config file; returns what is then in force."""
        return await self._finish(calls.config_set(key, value))

    async def plugins_list(self) -> PluginList:
        """List the plugins there are, and how those in use stand."""
        return await self._quick(calls.plugins_list())

    def events(self) -> AsyncSubscription:
        """Subscribe to the events: ``async with client.events() as events``."""

        async def find() -> tuple[Connection, Keys | None]:
            connection = (await self._live_link()).connection
            return connection, sockets.keys_for(connection, self._key_file)

        return AsyncSubscription(find=find, ask_status=self.status, timeout_s=self._timeout_s)

    async def _quick(self, call: Call[R]) -> R:
        return await (await self.start(call, timeout_s=self._timeout_s)).wait()

    async def _finish(self, call: Call[R], on_update: OnUpdate | None = None) -> R:
        return await (await self.start(call)).wait(on_update)

    async def _live_link(self) -> AsyncLink:
        async with self._connecting:
            if self._link is None or self._link.is_lost:
                await self.close()
                self._link = await self._connect()
            return self._link

    async def _connect(self) -> AsyncLink:
        connection = self._connection
        if connection is None:
            assert self._config is not None
            connection = locate.read_connection(self._config)
        keys = sockets.keys_for(connection, self._key_file)
        link = AsyncLink(connection, keys, silence_s=self._silence_s)
        await link.connect(self._name, self._timeout_s)
        return link
