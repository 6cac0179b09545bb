"""``soul api``: where existing apps find the API of ``soul_openai``, and the key they need."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soul_cli import output
from soul_cli.exits import Exit
from soul_cli.options import Command, option
from soul_cli.settings import Settings
from soul_client.errors import NotRunning

if TYPE_CHECKING:
    from soul_client.client import Client
    from soul_client.http_frontend import HttpFrontend
    from soul_client.plugin_wire import PluginEntry

PLUGIN = "soul_openai"
SERVES_WITHIN_S = 20.0
"""After the daemon's start."""
ANSWERS_WITHIN_S = 10.0


@click.command(cls=Command)
@option("--token", "is_token", is_flag=True)
@click.pass_obj
def api(settings: Settings, is_token: bool) -> Exit:
    """Print the base URL and the key, and which models there are."""
    with settings.connect_or_start() as client:
        plugin = next((one for one in client.plugins_list().plugins if one.name == PLUGIN), None)
        if plugin is None or not plugin.enabled:
            return _refused(settings, settings.texts("api.off"), settings.texts("api.off_hint"))
        at = _await(client, Path(client.connection.workspace))
        if at is None:
            why = _problem(client, plugin) or settings.texts("api.silent")
            return _refused(settings, why, settings.texts("api.logs_hint"))
    _say(settings, at, is_token)
    return Exit.OK


def _say(settings: Settings, at: HttpFrontend, is_token: bool) -> None:
    base_url = f"{at.url}/v1"
    if is_token:
        print(json.dumps({"key": at.token}) if settings.is_json else at.token)
        return
    models = _models(base_url, at.token)
    if settings.is_json:
        told = {"base_url": base_url, "ollama_url": at.url, "key": at.token, "models": models}
        output.say_json(told)
        return
    texts = settings.texts
    rows = [
        (texts("api.base_url"), base_url),
        (texts("api.ollama_url"), at.url),
        (texts("api.key"), at.token or texts("api.no_key")),
        *((texts("api.model") if one == models[0] else "", one) for one in models),
    ]
    output.table((name, output.for_terminal(value)) for name, value in rows)


def _await(client: Client, workspace: Path) -> HttpFrontend | None:
    """Return where the API is, once it serves; None if it does not, and why is known or not."""
    from soul_client.http_frontend import find

    until_s = time.monotonic() + SERVES_WITHIN_S
    while time.monotonic() < until_s:
        try:
            return find(workspace, PLUGIN)
        except NotRunning:
            entry = next(one for one in client.plugins_list().plugins if one.name == PLUGIN)
            if _problem(client, entry):
                return None
            time.sleep(0.1)
    return None


def _problem(client: Client, plugin: PluginEntry) -> str:
    """Return what keeps the API from serving; "" if nothing is known to."""
    frontends = [one for one in client.status().frontends if one.plugin == PLUGIN]
    return next((one.problem for one in frontends if one.problem), plugin.problem)


def _models(base_url: str, token: str) -> list[str]:
    """Ask the API itself, past any proxy; it answers, or it is not what an app could use.

    Raises:
        NotRunning: it does not answer.
    """
    asked = urllib.request.Request(f"{base_url}/models")
    if token:
        asked.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=ANSWERS_WITHIN_S) as answer:
            return [one["id"] for one in json.load(answer)["data"]]
    except OSError as e:
        raise NotRunning(f"{base_url} does not answer: {e}") from e


def _refused(settings: Settings, message: str, hint: str) -> Exit:
    output.error(settings, code="not_running", label="", message=message, hint=hint)
    return Exit.NOT_RUNNING
