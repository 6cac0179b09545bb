"""One conversation with the daemon, whoever types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from soul_cli import output
from soul_cli.settings import Settings
from soul_cli.speaking import speak
from soul_cli.waiting import Waiting
from soul_client import calls
from soul_client.errors import DaemonError
from soul_client.wire import ChatDone, ErrorCode, SamplingOverrides

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.wire import Forgotten


class Conversation:
    """Sends messages of one session; starts the daemon, and starts it again if need be."""

    def __init__(
        self,
        settings: Settings,
        *,
        session: str | None = None,
        system: str | None = None,
        sampling: SamplingOverrides | None = None,
        is_off_record: bool = False,
    ) -> None:
        self.settings = settings
        self.session = session
        self.system = system
        self.sampling = sampling or SamplingOverrides()
        self.is_off_record = is_off_record
        self.takes_notes = True
        self.to_forget: tuple[Forgotten, str] | None = None  # asked for, and not agreed to yet
        self._client: Client | None = None
        self._problem_told = ""

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def client(self) -> Client:
        """The connection; made when it is needed, and the daemon started where it has gone.

        Raises:
            LaunchFailed: there is no daemon and none can be started.
        """
        if self._client is not None and not self._client.is_connected:
            self._client.close()
            self._client = None
        if self._client is None:
            self._client = self.settings.connect_or_start()
        return self._client

    def say(self, text: str, say: Callable[[str], None], replaces: str | None = None) -> ChatDone:
        """Have one turn; ``say`` gets the pieces of the reply. ``replaces``: id of the message
        whose place it takes. Raises as ``speaking.speak``.
        """
        text = output.as_text(text)
        call = calls.chat(
            text,
            session=self.session,
            system=self.system,
            sampling=self.sampling,
            off_record=self.is_off_record,
            notes=self.takes_notes,
            replaces=replaces,
        )
        done = speak(self.client, call, self.settings, say)
        if done.recorded or done.text:
            self.session = done.session
        return done

    def prepare_body(self) -> None:
        """Fetch the configured body if it is not in ``models/`` but is in the catalog."""
        name = self.client.status().body_configured
        if any(one.name == name for one in self.client.body_list().bodies):
            return
        if all(one.name != name for one in self.client.body_catalog().bodies):
            return  # the first message will say what is missing, and where to get one
        if self._is_there(name):
            return
        with Waiting(self.settings.texts) as waiting:
            waiting.show(self.settings.texts("stage.downloading"))
            self.client.body_pull(name, on_update=waiting.update)

    def _is_there(self, name: str) -> bool:
        """Tell whether a body lies there that is not listed: still written to, or broken. The
        first message will say so.
        """
        try:
            self.client.body_info(name)
        except DaemonError as e:
            return e.code is not ErrorCode.BODY_MISSING
        return True

    def continue_last(self) -> None:
        """Go on with the session used last; with a new one if there is none."""
        sessions = self.client.sessions().sessions
        self.session = sessions[0].session if sessions else None

    def news_of_soul(self) -> str:
        """Return what is wrong with the soul, once for as long as it is so; else "".

        A daemon that is gone is not started for it.
        """
        if self._client is None or not self._client.is_connected:
            return ""
        soul = self._client.status().soul
        problem = soul.problem if soul else ""
        is_new, self._problem_told = problem != self._problem_told, problem
        if not soul or not problem or not is_new:
            return ""
        problem = output.for_terminal(problem)
        return self.settings.texts("chat.soul_problem", name=soul.name, problem=problem)

    def set_sampling(self, **changes: float | int | None) -> None:
        """Change how replies are sampled from now on."""
        self.sampling = msgspec.structs.replace(self.sampling, **changes)
