"""plugins/LAB.md says what the Model Lab's server does."""

from __future__ import annotations

import re
from pathlib import Path

from soul_client.lab_door import DOOR_NAME, TICKET_S
from soul_lab import local, methods, soul_files
from soul_lab.app import MOST_PAGES
from soul_lab.bridge import MOST_REQUESTS
from soul_lab.hub import KEPT_LINES
from soul_lab.markdown import MOST_CHARS
from soul_lab.messages import MOST_MESSAGE_BYTES
from soul_lab.outbox import MOST_MESSAGES
from soul_lab.plugin import Settings

PLUGINS = Path(__file__).parents[2] / "plugins"
DOC = (PLUGINS / "LAB.md").read_text("utf-8")
NAME = re.compile(r"`([a-z]+\.[a-z]+)`")


def test_every_method_is_there_and_no_other() -> None:
    text = DOC.partition("## Methods")[2]
    ends, goes_on = (
        text.split("these end when")[0],
        text.split("these end when")[1].split("| method")[0],
    )
    assert set(NAME.findall(ends)) == methods.QUICK
    assert set(NAME.findall(goes_on)) == methods.LASTING
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    own = {match[1] for row in rows if (match := NAME.search(row))}
    assert own == {methods.CANCEL, *local.METHODS}


def test_the_limits_are_those_in_force() -> None:
    plain = " ".join(DOC.split())
    for said in (
        f"{soul_files.MOST_BYTES >> 20} MB at most",
        f"{MOST_MESSAGES} messages behind",
        f"the {MOST_PAGES + 1}th page",
        f"{MOST_REQUESTS} requests of a page",
        f"{MOST_MESSAGE_BYTES >> 20} MiB at most",
        f"{MOST_CHARS:,} characters at most",
        f"1 to {KEPT_LINES}",
        f"run/{DOOR_NAME}",
    ):
        assert said in plain, said
    assert TICKET_S == 300 and "five minutes" in plain


def test_the_settings_are_in_the_table_of_plugins() -> None:
    (row,) = [
        line
        for line in (PLUGINS / "README.md").read_text("utf-8").splitlines()
        if line.startswith("| `soul_lab`")
    ]
    assert all(f"`{name}" in row for name in Settings.__struct_fields__)
    assert f"`port: {Settings().port}`" in row and f"`host: {Settings().host}`" in row
