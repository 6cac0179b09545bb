"""Messages of a chat log as records of a soul's diary, the same ones whenever it is read."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from sould.chats.limits import MAX_MESSAGE_CHARS, MAX_MESSAGES
from sould.chats.message import Message, Tally
from sould.chats.times import time_of
from sould.errors import TooLarge
from sould.privacy import find_secrets
from sould.supervisor.diary import Record

UNKNOWN_DAY = "1970-01-01"
"""Where what was said nobody knows when lies in the diary."""

_OWN_ID = re.compile(r"([0-9]{8}T[0-9]{6})-[0-9a-f]{8}([ua])")
_DAY_S = 86_400


def records(
    messages: Iterable[Message], *, kind: str, soul: str, imported: str, tally: Tally
) -> Iterator[Record]:
    """Yield the records of what was said; what has no place in a diary is counted and left out.

    Ids follow from the soul and from what was said, where and when, so that nothing is taken
    in twice; a soul's own record keeps its id. What has a secret in it, or answers it, is not
    to be learned. ``imported``: when they are taken in, RFC 3339.

    Raises:
        TooLarge: there are more than ``MAX_MESSAGES``.
    """
    seen: Counter[bytes] = Counter()
    is_clean: dict[str, bool] = {}  # whether what the user said last in a conversation was
    for number, message in enumerate(messages, start=1):
        if number > MAX_MESSAGES:
            raise TooLarge(
                f"the log has more than {MAX_MESSAGES} messages", "split it, and import the parts"
            )
        if not message.text.strip():
            tally.skip("empty", message.place)
            continue
        if len(message.text) > MAX_MESSAGE_CHARS:
            tally.skip("too_long", message.place)
            continue
        is_own_clean = not find_secrets(message.text)
        if message.role == "user":
            is_clean[message.conversation] = is_own_clean
        yield Record(
            id=_id(message, kind, soul, seen),
            ts=message.time or f"{UNKNOWN_DAY}T00:00:00.000",
            role=message.role,
            text=message.text,
            session=f"{kind}-{_digest(kind, soul, message.conversation).hex()[:12]}",
            learn=message.learn and is_own_clean and is_clean.get(message.conversation, True),
            soul=soul,
            imported=imported,
        )


def day_of(record: Record) -> str:
    """Return the day in the diary that an imported record belongs to: that of its id. Pure."""
    return f"{record.id[:4]}-{record.id[4:6]}-{record.id[6:8]}"


def _id(message: Message, kind: str, soul: str, seen: Counter[bytes]) -> str:
    if message.soul == soul and _is_own(message):
        return message.id
    said = _digest(kind, soul, message.conversation, message.time, message.role, message.text)
    seen[said[:16]] += 1  # the same thing said twice is two records
    digest = _digest(said.hex(), str(seen[said[:16]]))
    day, clock = message.time[:10] or UNKNOWN_DAY, message.time[11:19]
    if not clock:  # spread over the day, so that ids differ in more than their eight digits
        minutes, second = divmod(int.from_bytes(digest[4:8], "big") % _DAY_S, 60)
        clock = f"{minutes // 60:02}{minutes % 60:02}{second:02}"
    stamp = f"{day}T{clock}".replace("-", "").replace(":", "")
    return f"{stamp}-{digest[:4].hex()}{message.role[0]}"


def _is_own(message: Message) -> bool:
    found = _OWN_ID.fullmatch(message.id)
    return bool(found and time_of(found[1]) and found[2] == message.role[0])


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()
