"""Texts about what is watched while the daemon runs, in English."""

from __future__ import annotations

TEXTS = {
    "watched.models": "models",
    "watched.polling": "no notices from the system: looked at twice a second",
    "watched.body": "new body",
    "watched.settings": "settings",
    "watched.settings_problem": "those before the change are in force: {problem}",
    "watched.restart": "after 'soul restart': {keys}",
}
