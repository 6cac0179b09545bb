"""Every text people read, by key, in every language."""

from __future__ import annotations

from functools import cache
from importlib import import_module

LANGUAGES = ("en", "ja")
PARTS = (
    *("texts", "texts_feed", "texts_forget", "texts_import", "texts_reborn"),
    *("texts_service", "texts_doctor", "texts_plugins", "texts_jobs", "texts_notes"),
    *("texts_watched", "texts_again", "texts_lab", "texts_api", "texts_training"),
    "texts_converting",
)
"""The modules of a language, each with a part of its table."""


class Texts:
    """The texts of one language; call it with a key and the values of its placeholders."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._table = table(language)

    def __call__(self, key: str, **values: object) -> str:
        return self._table[key].format_map(values)

    def get(self, key: str, **values: object) -> str:
        """Return a text, or "" where there is none for this key."""
        return self(key, **values) if key in self._table else ""


@cache
def table(language: str) -> dict[str, str]:
    """Return the table of a language; it is imported when it is first used."""
    texts: dict[str, str] = {}
    for part in PARTS:
        texts |= import_module(f"soul_cli.{part}_{language}").TEXTS
    return texts
