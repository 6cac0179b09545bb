"""What plugins add to the prompt of a turn."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from soul_client.plugin_wire import TurnNote
from soul_client.wire import ChatMessage
from sould.bridge import Generate
from sould.plugin.structs import Added


def not_empty(added: Sequence[tuple[str, Added]]) -> list[tuple[str, Added]]:
    """Return what holds any text. Pure."""
    return [(name, one) for name, one in added if one.note or one.system]


def with_added(order: Generate, added: Sequence[tuple[str, Added]]) -> Generate:
    """Return an order with what plugins add to its prompt. Pure.

    Notes stand before what the user says, so that the conversation before it is not read anew.
    """
    *past, asked = order.messages
    notes = "\n\n".join([one.note for _, one in added if one.note] + [asked.text])
    is_told = bool(past) and past[0].role == "system"
    base = [past[0].text] if is_told else []
    system = "\n\n".join(base + [one.system for _, one in added if one.system])
    return msgspec.structs.replace(
        order,
        messages=[
            *([ChatMessage(role="system", text=system)] if system else []),
            *(past[1:] if is_told else past),
            ChatMessage(role="user", text=notes),
        ],
    )


def notes_of(added: Sequence[tuple[str, Added]]) -> list[TurnNote]:
    """Return what was added as clients are told it. Pure."""
    return [
        TurnNote(plugin=name, text=text, records=one.records)
        for name, one in added
        for text in (one.system, one.note)
        if text
    ]
