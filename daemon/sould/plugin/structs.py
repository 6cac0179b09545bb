"""What hooks are given and give back. All of it crosses a pipe, so all of it is data."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

MOST_ADDED_CHARS = 4000
"""What one plugin may add to the prompt of a turn."""
MOST_DREAM_CHARS = 200
"""Of a question, and of an answer, that a plugin has a soul dream of."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a plugin's settings: what ``plugins.settings.NAME`` of config.yaml may hold, with
    the defaults. A plugin whose module has a subclass called ``Settings`` gets it checked.
    """


class Home(Struct, frozen=True, kw_only=True):
    """Where the daemon lives: for files that a plugin keeps, and for ``soul_client``.

    ``config``, ``workspace``: absolute paths. ``language``: en, ja or auto. ``daemon_id``:
    another one at every start of the daemon.
    """

    config: str
    workspace: str
    language: str
    version: str
    daemon_id: str


class Turn(Struct, frozen=True, kw_only=True):
    """A message of a user, and its reply once there is one.

    ``ts``: when the turn began (RFC 3339). ``soul``: the one that is worn, or "". Only in
    ``after_turn``: ``id`` of the user's record in the diary, ``learn``: whether it may be taught.
    """

    session: str
    ts: str
    soul: str
    body: str
    text: str
    reply: str = ""
    id: str = ""
    learn: bool = True


class Added(Struct, frozen=True, kw_only=True):
    """Text for the prompt of one turn. It is neither recorded nor learned.

    ``note``: put before what the user said. ``system``: put at the end of the system prompt; the
    whole conversation is then read anew by the body, which takes its time. ``records``: ids of the
    diary's records that it is from, for who wants to know why something was said.
    """

    note: Annotated[str, Meta(max_length=MOST_ADDED_CHARS)] = ""
    system: Annotated[str, Meta(max_length=MOST_ADDED_CHARS)] = ""
    records: list[str] = []


class Event(Struct, frozen=True, kw_only=True):
    """One of ``soul_client.wire.EVENTS``, but for ``log`` and ``progress``. ``data``: as
    PROTOCOL.md has it.
    """

    name: str
    ts: str
    data: dict[str, Any]


class Body(Struct, frozen=True, kw_only=True):
    """A body that was loaded."""

    name: str
    fingerprint: str


class Told(Struct, frozen=True, kw_only=True):
    """A user's record of the diary, or a statement of a document, of which a night is to be made.

    ``source``: the document's name, "" of what the user said.
    ``nights``: how many nights it was learned in before. ``is_resting``: it is not its turn
    tonight, so that it is dreamt of now and then.
    """

    id: str
    text: str
    source: str = ""
    nights: int = 0
    is_resting: bool = False


class Dream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about what a record tells, as the user would ask it, and the answer.

    ``id``: of the record. The answer has the record's own words, put into the second person, and
    next to no others.
    """

    id: str
    question: Annotated[str, Meta(min_length=1, max_length=MOST_DREAM_CHARS)]
    answer: Annotated[str, Meta(min_length=1, max_length=MOST_DREAM_CHARS)]


class Night(Struct, frozen=True, kw_only=True):
    """A night that begins (RFC 3339)."""

    soul: str
    began: str


class Report(Struct, frozen=True, kw_only=True):
    """What came of a night. ``outcome``: kept, rolled_back or nothing; ``why`` it was not kept.

    ``recalled``, ``facts``: of how many facts how many were known in the exam.
    """

    soul: str
    began: str
    outcome: str
    why: str
    facts: int
    recalled: int


class SoulFile(Struct, frozen=True, kw_only=True):
    """A sound soul file that somebody wants to take in. ``body``: fingerprint of its body."""

    path: str
    name: str
    body: str
    body_name: str
    level: int
