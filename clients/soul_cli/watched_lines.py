"""How is shown what is watched and is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soul_cli import output

if TYPE_CHECKING:
    from soul_cli.texts import Texts
    from soul_client.wire import Watched


def status_rows(texts: Texts, watched: Watched) -> list[tuple[str, str]]:
    """Return rows of ``soul status``; none where all is well."""
    rows = []
    if watched.models == "polling":
        rows.append((texts("watched.models"), texts("watched.polling")))
    if watched.body_problem:
        rows.append((texts("watched.body"), output.for_terminal(watched.body_problem)))
    if watched.config_problem:
        problem = output.for_terminal(watched.config_problem)
        line = texts("watched.settings_problem", problem=problem)
        rows.append((texts("watched.settings"), line))
    if watched.restart:
        keys = output.for_terminal(", ".join(watched.restart))
        rows.append((texts("watched.settings"), texts("watched.restart", keys=keys)))
    return rows
