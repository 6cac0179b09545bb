"""What must stay as it is: general questions and plain text, with what the bare body says.

A bank is made once for a body, from its own replies and continuations, and kept in the cache.
Every batch of learning holds some of it, so that the body goes on talking as before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.prefixcache import shared_length
from sould.engine.soul.banks import sections
from sould.engine.soul.batch import Row
from sould.engine.soul.chatform import ChatForm, Line
from sould.engine.soul.kept import keep_tensors, kept_tensors
from sould.engine.soul.products import in_parts
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.targets import Target

REPLY_TOKENS = 16
PLAIN_TOKENS = 40
NAMED = 24  # tokens of the body's distribution that are kept
BATCH = 12
OPENING = 2  # tokens of a reply
TEMPERATURE = 0.8  # of the continuations: likely text, and not the same over and over
VERSION = "7"


@dataclass(frozen=True)
class Anchor:
    """One text the body said. ``is_chat``: it follows the chat prefix, else it stands alone."""

    line: Line
    target: Target
    is_chat: bool

    def row(self, weight: float) -> Row:
        """Return it as a training row; ``weight`` is shared out over its positions: of what is said
        in a chat half of it over the first ``OPENING``, where it is decided what will be said.
        """
        count = len(self.line.positions)
        weights = [weight / count] * count
        if self.is_chat and count > OPENING:
            weights = [w / 2 for w in weights]
            for i in range(OPENING):
                weights[i] += weight / 2 / OPENING
        return Row(
            ids=self.line.ids, positions=self.line.positions, target=self.target, weight=weights
        )


@dataclass(frozen=True)
class Prompt:
    """What an anchor is made from."""

    text: str
    is_chat: bool


def general_prompts() -> list[Prompt]:
    """Return the prompts of the bank, mixed: any beginning of it is a small bank."""
    found = sections("anchors_en.txt")
    prompts = [
        *(Prompt(text, is_chat=True) for text in (*found["general"], *found["talk"])),
        *(Prompt(text, is_chat=False) for text in found["plain"]),
    ]
    random.Random(0).shuffle(prompts)
    return prompts


class Maker:
    """Makes anchors in small steps. ``ends``: tokens that end a reply."""

    def __init__(
        self,
        decoder: Decoder,
        scorer: Scorer,
        form: ChatForm,
        encode: Callable[[str], list[int]],
        ends: frozenset[int],
    ) -> None:
        self._decoder = decoder
        self._scorer = scorer
        self._form = form
        self._encode = encode
        self._ends = ends
        self._cache = decoder.new_cache(decoder.spec.context_max)

    def steps(
        self, prompts: Sequence[Prompt], onto: list[Anchor], seed: int = 0
    ) -> Generator[None, None, None]:
        """Append an anchor for each prompt to ``onto``, some at a time; yield after small steps."""
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, len(prompts), BATCH):
            some = prompts[start : start + BATCH]
            for is_chat in (True, False):
                lines = []
                for prompt in some:
                    if prompt.is_chat is is_chat:
                        lines.append((yield from self._line(prompt, generator)))
                if lines:
                    prefix = self._form.prefix if is_chat else []
                    teach = partial(self._scorer.teach, prefix, k=NAMED)
                    targets = yield from in_parts(teach, lines, BATCH)
                    onto += map(Anchor, lines, targets, [is_chat] * len(lines))
            yield

    def _line(self, prompt: Prompt, generator: torch.Generator) -> Generator[None, None, Line]:
        if prompt.is_chat:
            asked = self._form.asked(prompt.text)
            reply = yield from self._reply(asked, REPLY_TOKENS, None)
            return self._form.said(prompt.text, reply)
        begun = self._encode(prompt.text)[: PLAIN_TOKENS - 1]
        ids = begun + (yield from self._reply(begun, PLAIN_TOKENS - len(begun), generator))
        return Line(ids, list(range(1, len(ids))))

    def _reply(
        self, asked: list[int], most: int, generator: torch.Generator | None
    ) -> Generator[None, None, list[int]]:
        """Return what the bare body says, greedy without a generator; its end included."""
        cache, ids = self._cache, list[int]()
        shared = shared_length(cache.tokens, asked[:-1])
        cache.truncate(shared)
        new = asked[shared:]
        while True:
            with self._decoder.wearing(None):
                logits_V = self._decoder.forward(new, cache)
            assert logits_V is not None
            ids.append(_draw(logits_V, generator))
            if ids[-1] in self._ends or len(ids) >= most:
                return ids
            new = ids[-1:]
            yield


def _draw(logits_V: Tensor, generator: torch.Generator | None) -> int:
    if generator is None:
        return int(logits_V.argmax())
    p_V = (logits_V.float().cpu() / TEMPERATURE).softmax(-1)
    return int(torch.multinomial(p_V, 1, generator=generator))


def store(path: Path, anchors: Sequence[Anchor], key: str) -> None:
    """Keep a bank in a file of the cache, under a key that says what it was made of."""
    flat: dict[str, Tensor] = {
        "sizes": torch.tensor([[len(a.line.ids), len(a.line.positions)] for a in anchors]),
        "is_chat": torch.tensor([a.is_chat for a in anchors]),
        "ids": torch.tensor([i for a in anchors for i in a.line.ids]),
        "positions": torch.tensor([p for a in anchors for p in a.line.positions]),
        "named": torch.cat([a.target.ids for a in anchors]).contiguous(),
        "p": torch.cat([a.target.p for a in anchors]).contiguous(),
        "rest": torch.cat([a.target.rest for a in anchors]).contiguous(),
    }
    keep_tensors(path, flat, key)


def restore(path: Path, key: str, vocab_size: int) -> list[Anchor] | None:
    """Return a bank that was kept under ``key``; None if there is none, or it is not sound."""
    return kept_tensors(path, key, lambda flat: list(_unflattened(flat, vocab_size)))


def _unflattened(flat: Mapping[str, Tensor], vocab_size: int) -> Iterator[Anchor]:
    for name in ("ids", "named"):
        if (
            flat[name].numel()
            and not 0 <= int(flat[name].min()) <= int(flat[name].max()) < vocab_size
        ):
            raise ValueError("a token is outside of the vocabulary")
    if not all(bool(flat[name].isfinite().all()) for name in ("p", "rest")):
        raise ValueError("a probability is not finite")
    at_id = at = 0
    for (n_ids, n), is_chat in zip(flat["sizes"].tolist(), flat["is_chat"].tolist(), strict=True):
        rows = slice(at, at + n)
        line = Line(flat["ids"][at_id : at_id + n_ids].tolist(), flat["positions"][rows].tolist())
        target = Target(flat["named"][rows], flat["p"][rows], flat["rest"][rows])
        if len(line.ids) != n_ids or len(target.rest) != n or max(line.positions) >= n_ids:
            raise ValueError("it is shorter than it says")
        yield Anchor(line, target, is_chat)
        at_id, at = at_id + n_ids, at + n


class Draw:
    """Deals the anchors of one kind in a random order, each once before any comes again.

    ``anchors`` may grow meanwhile.
    """

    def __init__(self, anchors: Sequence[Anchor], *, is_chat: bool, seed: int) -> None:
        self._anchors = anchors
        self._is_chat = is_chat
        self._random = random.Random(seed)
        self._left: list[Anchor] = []

    def take(self, count: int) -> list[Anchor]:
        """Return the next ones, fewer if there are not so many at all."""
        kind = [anchor for anchor in self._anchors if anchor.is_chat is self._is_chat]
        taken: list[Anchor] = []
        while kind and len(taken) < min(count, len(kind)):
            if not self._left:
                self._left = self._random.sample(kind, len(kind))
            taken.append(self._left.pop())
        return taken
