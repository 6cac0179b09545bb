"""Keys and values kept from reply to reply, so that a turn computes only what is new.

A slot is the KV cache of one conversation. A prompt gets the idle slot that shares the
longest beginning with it, cut back to that; if that would throw away more than it keeps,
the shared beginning is copied into a new slot instead, and both conversations stay warm.
When the memory is used up, the slot that was idle longest goes.

The tokens a body *says* are often not those its tokenizer cuts the same text into. A slot
remembers the reply it last gave both ways, so that the next turn goes on from the tokens as
they were said, and finds all of them in the cache.

What a soul learns while a conversation goes on does not make it read that anew: see
:func:`_grows_on`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import count

from sould.engine.runner import Cache
from sould.engine.soul.weights import State
from sould.errors import NoMemory


@dataclass(frozen=True)
class Said:
    """A reply: ``prompt`` as its messages were rendered, ``text`` as it was told.

    ``ids``: prompt and reply as they were computed.
    """

    prompt: list[int]
    text: str
    ids: list[int]


@dataclass(eq=False)
class Slot:
    """The cache of one conversation, and the last reply in it where that is whole.

    ``state``: the soul's when the slot was taken, the oldest its keys can be of.
    """

    kv: Cache
    state: State | None = None
    said: Said | None = None
    is_busy: bool = True
    last_use: int = 0


class PrefixCache:
    """All slots of one body, together at most ``budget_bytes`` (room for one at the least).

    ``new_cache`` makes an empty KV cache that may grow to the number of tokens given it;
    ``limit`` is the body's context in tokens, ``token_bytes`` the size of one of them,
    ``state`` says what keys and values depend on now, besides body and tokens.
    """

    def __init__(
        self,
        new_cache: Callable[[int], Cache],
        *,
        limit: int,
        token_bytes: int,
        budget_bytes: int,
        state: Callable[[], State | None] = lambda: None,
    ) -> None:
        self._new_cache = new_cache
        self._limit = limit
        self._token_bytes = token_bytes
        self._budget_bytes = max(budget_bytes, limit * token_bytes)
        self._state = state
        self._slots: list[Slot] = []
        self._ticks = count(1)

    @property
    def nbytes(self) -> int:
        return sum(slot.kv.nbytes for slot in self._slots)

    def as_said(
        self, ids: list[int], *, control: Container[int], decode: Callable[[list[int]], str]
    ) -> list[int]:
        """Return ``ids`` with the last remembered reply in the tokens it was said in.

        ``ids``: a rendered conversation. A reply in it ends at the next token of ``control``;
        it is the remembered one if its text is (templates may trim blanks).
        """
        for slot in sorted(self._slots, key=lambda s: -s.last_use):
            said = slot.said
            if said is None or ids[: len(said.prompt)] != said.prompt:
                continue
            start = len(said.prompt)
            end = next((i for i in range(start, len(ids)) if ids[i] in control), len(ids))
            if decode(ids[start:end]).strip() == said.text.strip():
                return said.ids + ids[end:]
        return ids

    def take(self, ids: Sequence[int], room: int) -> Slot:
        """Return a busy slot whose cache holds a beginning of ``ids``, never quite all of it.

        It has room for ``room`` tokens in all, more than ``ids`` has and at most the context.

        Raises:
            NoMemory: busy slots fill the budget.
        """
        state = self._state()
        valid = [s for s in self._slots if s.state == state or _grows_on(s, state, ids)]
        source, shared = self._closest(ids, valid)
        idle, idle_shared = self._closest(ids, [s for s in valid if not s.is_busy])
        if idle is not None and idle.kv.length - idle_shared <= idle_shared:
            return self._cut_back(idle, idle_shared, room)
        kv = self._new_cache(self._limit)
        if self._make_room(kv.capacity_for(room) * self._token_bytes, keep=source):
            return self._fork(kv, source, shared, room)
        if idle is not None and idle in self._slots:
            return self._cut_back(idle, idle_shared, room)
        raise self._no_memory(room)

    def give_back(self, slot: Slot, said: Said | None = None) -> None:
        """Keep ``slot`` for the next turn."""
        slot.is_busy, slot.said = False, said
        slot.last_use = next(self._ticks)

    def drop(self, slot: Slot) -> None:
        """Forget ``slot`` (after an error its contents can't be trusted)."""
        self._slots.remove(slot)

    def drop_idle(self) -> None:
        """Forget every slot that is not busy."""
        self._slots = [slot for slot in self._slots if slot.is_busy]

    def _closest(self, ids: Sequence[int], slots: Sequence[Slot]) -> tuple[Slot | None, int]:
        """Return the slot that shares most with ``ids``, and how much of it can be used.

        The last id has to be computed anyway: its logits draw the next token.
        """
        shared = [min(shared_length(s.kv.tokens, ids), len(ids) - 1) for s in slots]
        most = max(shared, default=0)
        return (slots[shared.index(most)] if most > 0 else None), most

    def _cut_back(self, slot: Slot, shared: int, room: int) -> Slot:
        slot.kv.truncate(shared)
        slot.is_busy, slot.said = True, None
        extra_bytes = slot.kv.capacity_for(room) * self._token_bytes - slot.kv.nbytes
        try:
            if not self._make_room(extra_bytes, keep=slot):
                raise self._no_memory(room)
            slot.kv.reserve(room - shared)
        except BaseException:
            self.drop(slot)
            raise
        return slot

    def _fork(self, kv: Cache, source: Slot | None, shared: int, room: int) -> Slot:
        kv.reserve(room)
        if source is not None:
            kv.copy_from(source.kv, shared)
        slot = Slot(kv, self._state())
        self._slots.append(slot)
        return slot

    def _no_memory(self, room: int) -> NoMemory:
        return NoMemory(
            f"a conversation of {room} tokens takes {room * self._token_bytes} bytes, "
            f"{self.nbytes} of the {self._budget_bytes} bytes for conversations are in use",
            "wait for another reply to end, or raise body.memory_budget",
        )

    def _make_room(self, extra_bytes: int, keep: Slot | None) -> bool:
        """Drop idle slots but ``keep``, longest idle first, till there is room; say if there is."""
        idle = sorted(
            (s for s in self._slots if not s.is_busy and s is not keep), key=lambda s: s.last_use
        )
        while idle and self.nbytes + extra_bytes > self._budget_bytes:
            self.drop(idle.pop(0))
        return self.nbytes + extra_bytes <= self._budget_bytes


def _grows_on(slot: Slot, state: State | None, ids: Sequence[int]) -> bool:
    """Tell whether ``ids`` carry on the whole conversation of a slot, under the same soul.

    What the soul has learned in between changes how it reads on, not what it has read: keys
    and values stay, as in test-time training. Any other prompt is read anew.
    """
    is_same_soul = slot.state is not None and state is not None and slot.state.soul is state.soul
    held = slot.kv.tokens
    return is_same_soul and len(held) < len(ids) and list(ids[: len(held)]) == list(held)


def shared_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    for n, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return n
    return min(len(a), len(b))
