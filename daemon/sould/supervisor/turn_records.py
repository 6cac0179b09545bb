"""What the diary gets of a turn."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from sould.plugin.structs import Turn
from sould.privacy import find_secrets
from sould.supervisor.diary import Record
from sould.supervisor.pasts import Past


class Written(Struct, frozen=True, kw_only=True):
    """``user``: the record of what the user said; ``records``: what is new. ``replaced``: ids of
    the records whose place they take.
    """

    user: Record
    records: list[Record]
    replaced: list[str]

    @property
    def told(self) -> Record | None:
        """Return what the user said, if it was not in the diary before."""
        return self.user if self.user in self.records else None

    def unlearned(self) -> Written:
        """Return it with nothing new that is to be learned."""
        records = [msgspec.structs.replace(record, learn=False) for record in self.records]
        user = next((record for record in records if record.id == self.user.id), self.user)
        return msgspec.structs.replace(self, user=user, records=records)


def written_of(turn: Turn, *, id_: str, replied_at: str, past: Past) -> Written:
    """Return the records of a turn. Pure.

    What is said again in the place of the same words, to the same soul, is only answered anew: its
    record stays, so that it is learned once.
    """
    user, assistant = without_secrets(
        Record(
            id=f"{id_}u",
            ts=turn.ts,
            role="user",
            text=turn.text,
            session=turn.session,
            soul=turn.soul,
        ),
        Record(
            id=f"{id_}a",
            ts=replied_at,
            role="assistant",
            text=turn.reply,
            session=turn.session,
            soul=turn.soul,
        ),
    )
    said = past.said
    if said is None or (said.text, said.soul) != (turn.text, turn.soul):
        return Written(user=user, records=[user, assistant], replaced=past.replaced)
    anew = msgspec.structs.replace(assistant, reply_to=said.id)
    return Written(user=said, records=[anew], replaced=past.replaced[1:])


def without_secrets(user: Record, assistant: Record) -> tuple[Record, Record]:
    """Return the records of a turn, not to be learned where a secret is said. Pure.

    A reply to a message with a secret counts as one: it may be about nothing else.
    """
    is_user_clean = not find_secrets(user.text)
    is_clean = is_user_clean and not find_secrets(assistant.text)
    return (
        msgspec.structs.replace(user, learn=user.learn and is_user_clean),
        msgspec.structs.replace(assistant, learn=assistant.learn and is_clean),
    )
