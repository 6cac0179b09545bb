"""Prefill: tokens per second of a prompt of 512, from an empty context."""

from __future__ import annotations

from tests.bench.rivals import Rival, compare
from tests.bench.table import Env, Row

PROMPT = 512


def run(env: Env) -> list[Row]:
    shapes = f"{PROMPT} tokens"
    return compare(env, f"prefill {PROMPT}", tokens_per_second, rounds=7, bar=1.5, shapes=shapes)


def tokens_per_second(rival: Rival) -> float:
    rival.forget()
    return PROMPT / rival.eval(range(1000, 1000 + PROMPT))
