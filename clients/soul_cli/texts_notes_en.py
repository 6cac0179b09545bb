"""The texts about what plugins add to a prompt, in English."""

from __future__ import annotations

TEXTS = {
    "chat.help.notes": "whether plugins may add to what the body reads, such as notes of the diary",
    "chat.notes_on": "notes are on: plugins may add to what the body reads",
    "chat.notes_off": "notes are off: the body reads what you say, and nothing else",
    "chat.bad_notes": "it is /notes on or /notes off",
    "chat.noted": "[with notes: {plugins}]",
    "chat.noted_from": "{plugin}, {count} of the diary",
}
