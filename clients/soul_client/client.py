"""The sync client."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from msgspec import Struct

from soul_client import calls, locate, sockets
from soul_client.calls import Call
from soul_client.exchange import Exchange
from soul_client.link import Link
from soul_client.plugin_wire import PluginList
from soul_client.souls import Souls
from soul_client.stream import OnUpdate, Reply, Stream
from soul_client.subscription import Subscription
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


class Client(Souls):
    """Talk to the daemon of a config.

    ::

        with Client() as soul:
            for piece in (reply := soul.chat("Hello")):
                print(piece, end="")
            print(reply.done.usage)

    Several requests may be under way and be read in any order. A Client belongs to the
    thread that made it (another thread makes its own; it is cheap) and does not survive a
    fork. When the daemon is lost, the requests under way fail with ``ConnectionLost``; the
    next request looks for the daemon anew, once.

    Raises:
        ConfigNotFound, ConfigInvalid: no config to find the daemon by.
        NotRunning: there is no daemon; ``launch.ensure_running`` starts one.
        UnsafeFile, KeyRefused: the daemon is not to be trusted, or does not trust us.
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
        """Connect.

        Args:
            config: which config file; see ``locate.find_config``.
            connection: how to reach the daemon, instead of reading it by the config.
            key_file: CURVE key for tcp endpoints; default is the workspace owner's.
            name: how the client introduces itself.
            timeout_s: how long to wait for answers that take no work.
            silence_s: how long the daemon may say nothing, not even to a ping, before the
                connection counts as lost.
        """
        self._config = None if connection else locate.find_config(config)
        self._connection = connection
        self._key_file = key_file
        self._name = name
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._link = self._connect()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connection(self) -> Connection:
        """How the daemon was reached."""
        return self._link.connection

    @property
    def is_connected(self) -> bool:
        """Whether the daemon is there, as far as the sockets know; a ping knows more."""
        self._link.look()
        return not self._link.is_lost

    def close(self) -> None:
        """Close the connection; what is under way goes on in the daemon unless it streams to us."""
        self._link.close()

    def start(self, call: Call[R], *, timeout_s: float | None = None) -> Stream[R]:
        """Send any call and return its answers as they come; see ``soul_client.calls``.

        ``timeout_s`` limits the whole request. However long it takes, a daemon that does
        not even answer pings raises ``ConnectionLost``.
        """
        return Stream(self._live_link(), Exchange(call), timeout_s=timeout_s)

    def request(
        self, method: str, params: Struct | None = None, *, timeout_s: float | None = None
    ) -> Stream[Any]:
        """Send a request by method name, as PROTOCOL.md has it."""
        return self.start(calls.by_name(method, params), timeout_s=timeout_s)

    def chat(
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
    ) -> Reply:
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
        return Reply(self.start(call), on_update)

    def ask(
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
        return self._finish(call)

    def ping(self) -> float:
        """Return the seconds of one round trip."""
        start_s = time.perf_counter()
        self._quick(calls.ping())
        return time.perf_counter() - start_s

    def cancel(self, target: str = "") -> list[str]:
        """Stop a request by id, of any client; "" stops every one. Return what was stopped."""
        return self._quick(calls.cancel(target)).ids

    def status(self) -> Status:
        """Ask what the daemon does; answered whatever it does."""
        return self._quick(calls.status())

    def shutdown(self) -> None:
        """Ask the daemon to finish what runs, and end."""
        self._quick(calls.shutdown())

    def sessions(self, *, imported: bool = False) -> SessionList:
        """List the conversations held here, or those imported from chat logs, newest first."""
        return self._quick(calls.sessions(imported=imported))

    def session(self, name: str) -> SessionHistory:
        """Read the messages of one conversation."""
        return self._quick(calls.session(name))

    def body_list(self) -> BodyList:
        """List the bodies in ``models/``."""
        return self._quick(calls.body_list())

    def body_info(self, name: str = "") -> BodyInfo:
        """Read what a body is, and whether it fits; "" is the configured one."""
        return self._finish(calls.body_info(name))

    def body_load(self, name: str = "", *, on_update: OnUpdate | None = None) -> LoadedBody:
        """Load a body; "" is the configured one."""
        return self._finish(calls.body_load(name), on_update)

    def body_unload(self) -> None:
        """Give the memory of the loaded body back."""
        self._finish(calls.body_unload())

    def body_catalog(self) -> Catalog:
        """List the well-known bodies, the one suggested for this machine marked."""
        return self._quick(calls.body_catalog())

    def body_pull(
        self,
        source: str = "",
        name: str = "",
        *,
        replace: bool = False,
        on_update: OnUpdate | None = None,
    ) -> BodyPulled:
        """Fetch a body; "" is the suggested one."""
        return self._finish(calls.body_pull(source, name, replace=replace), on_update)

    def body_train(
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
        return self._finish(call, on_update)

    def body_evaluate(
        self, name: str, texts: str, *, window: int = 512, on_update: OnUpdate | None = None
    ) -> BodyEvaluated:
        """Measure how well a body foretells a text, beside whatever is loaded."""
        return self._finish(calls.body_evaluate(name, texts, window=window), on_update)

    def body_export(
        self,
        name: str,
        path: str,
        *,
        format: Literal["bitt", "safetensors"] = "bitt",
        on_update: OnUpdate | None = None,
    ) -> BodyExported:
        """Write a body of TTT layers to a file, or to a folder."""
        return self._finish(calls.body_export(name, path, format=format), on_update)

    def body_convert(
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
        return self._finish(call, on_update)

    def config_show(self) -> ConfigShown:
        """Read the config in force."""
        return self._quick(calls.config_show())

    def config_set(self, key: str, value: Any) -> ConfigShown:
        """Change a setting in the config file; returns what is then in force."""
        return self._finish(calls.config_set(key, value))

    def plugins_list(self) -> PluginList:
        """List the plugins there are, and how those in use stand."""
        return self._quick(calls.plugins_list())

    def events(self) -> Subscription:
        """Subscribe to the events from now on; close it, or use it in a ``with``."""
        connection = self._live_link().connection
        return Subscription(
            connection,
            sockets.keys_for(connection, self._key_file),
            ask_status=self.status,
            timeout_s=self._timeout_s,
        )

    def _quick(self, call: Call[R]) -> R:
        return self.start(call, timeout_s=self._timeout_s).wait()

    def _finish(self, call: Call[R], on_update: OnUpdate | None = None) -> R:
        return self.start(call).wait(on_update)

    def _live_link(self) -> Link:
        if not self.is_connected:
            self._link.close()
            self._link = self._connect()
        return self._link

    def _connect(self) -> Link:
        connection = self._connection
        if connection is None:
            assert self._config is not None
            connection = locate.read_connection(self._config)
        keys = sockets.keys_for(connection, self._key_file)
        return Link(
            connection,
            keys,
            client=self._name,
            timeout_s=self._timeout_s,
            silence_s=self._silence_s,
        )
