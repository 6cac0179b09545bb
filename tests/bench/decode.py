"""Decode: tokens per second, one at a time, after a short prompt."""

from __future__ import annotations

from tests.bench.rivals import Rival, compare
from tests.bench.table import Env, Row

PROMPT, DECODED = 64, 64


def run(env: Env) -> list[Row]:
    shapes = f"{DECODED} tokens after {PROMPT}"
    return compare(env, "decode", tokens_per_second, rounds=9, bar=0.7, shapes=shapes)


def tokens_per_second(rival: Rival) -> float:
    rival.forget()
    rival.eval(range(1000, 1000 + PROMPT))
    return DECODED / sum(rival.eval([2000 + i]) for i in range(DECODED))
