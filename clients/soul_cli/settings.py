"""What every command knows: which config, which language, JSON or text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from soul_cli.texts import LANGUAGES, Texts

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.wire import SoulStatus


@dataclass
class Settings:
    """The common options of one run of ``soul``."""

    config: str | None = None
    is_json: bool = False
    language: str | None = None
    safe_mode: bool = False

    @property
    def texts(self) -> Texts:
        """The texts of the language in force."""
        return Texts(self.language or self._own_language)

    @property
    def config_path(self) -> Path:
        """The config file.

        Raises:
            ConfigNotFound: there is none.
        """
        from soul_client.locate import find_config

        return find_config(self.config)

    def connect(self) -> Client:
        """Connect to the daemon that runs.

        Raises:
            NotRunning: none does.
        """
        from soul_client.client import Client

        return Client(self.config_path, name="soul")

    def connect_or_start(self) -> Client:
        """Connect to the daemon; start it if there is none, in safe mode if that is wanted.

        Raises:
            LaunchFailed: it cannot be started.
            UsageError: safe mode is wanted, and one runs that uses plugins.
        """
        import click

        from soul_cli.waiting import Waiting
        from soul_client.errors import NotRunning
        from soul_client.launch import ensure_running

        try:
            client = self.connect()
        except NotRunning:
            with Waiting(self.texts) as waiting:
                waiting.show(self.texts("stage.starting"))
                ensure_running(self.config_path, safe_mode=self.safe_mode)
            return self.connect()
        if self.safe_mode and any(one.enabled for one in client.plugins_list().plugins):
            client.close()
            raise click.UsageError(self.texts("up.safe_mode"))
        return client

    def soul_in_use(self, client: Client) -> SoulStatus:
        """Ask which soul is in use.

        Raises:
            DaemonError: the daemon is too old to have one.
        """
        from soul_client.errors import DaemonError
        from soul_client.wire import ErrorCode

        soul = client.status().soul
        if soul is None:
            raise DaemonError(ErrorCode.NOT_FOUND, self.texts("soul.none"))
        return soul

    @cached_property
    def _own_language(self) -> str:
        from soul_client.errors import SoulError
        from soul_client.locate import read_values

        try:
            configured = read_values(self.config_path).get("language", "auto")
        except SoulError:  # whoever needs the config will say so; this text needs a language
            configured = "auto"
        return configured if configured in LANGUAGES else from_environment(os.environ)


def from_environment(environ: Mapping[str, str]) -> str:
    """Return the language of LC_ALL, LC_MESSAGES or LANG: the first that is set counts."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            language = value.split(".")[0].split("_")[0].lower()
            return language if language in LANGUAGES else "en"
    return "en"
