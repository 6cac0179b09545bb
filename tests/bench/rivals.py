"""The two that are compared: our engine's decoder and llama.cpp, on the same file and threads."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Protocol

from sould.bridge import Load
from sould.engine.loading import load
from tests.bench.table import Env, Row

CONTEXT = 1024
PAUSE_S = 0.1
ABSENT = "llama-cpp-python is not installed: pip install -e '.[bench]'"


class Rival(Protocol):
    def forget(self) -> None:
        """Empty the context."""

    def eval(self, tokens: Sequence[int]) -> float:
        """Evaluate ``tokens`` up to the last one's logits; return the seconds it took."""


class Ours:
    """A body loaded as the engine loads it."""

    def __init__(self, env: Env) -> None:
        request = Load(
            name=env.body.stem,
            path=str(env.body),
            cache_dir=str(env.cache_dir),
            device="cpu",
            threads=env.threads,
            context_tokens=CONTEXT,
        )
        self.body = load(request, should_stop=lambda: False, tell=lambda progress: None)
        self._cache = self.body.decoder.new_cache(CONTEXT)

    def forget(self) -> None:
        self._cache.truncate(0)

    def eval(self, tokens: Sequence[int]) -> float:
        started_s = time.perf_counter()
        self.body.decoder.forward(tokens, self._cache)
        return time.perf_counter() - started_s


class LlamaCpp:
    """llama.cpp in a child process; see llama_child.py."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.version = str(self._read())

    def forget(self) -> None:
        self._ask([])

    def eval(self, tokens: Sequence[int]) -> float:
        return self._ask(list(tokens))

    def _ask(self, tokens: list[int]) -> float:
        assert self._child.stdin
        print(json.dumps(tokens), file=self._child.stdin, flush=True)
        return float(str(self._read()))

    def _read(self) -> object:
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"llama.cpp's process ended with {self._child.wait()}")
        return json.loads(line)


@contextmanager
def llama_cpp(env: Env) -> Iterator[LlamaCpp | None]:
    """Start llama.cpp, with $LLAMA_CPP_PYTHON or this interpreter; None where it is not."""
    python = os.environ.get("LLAMA_CPP_PYTHON")
    if not python and importlib.util.find_spec("llama_cpp") is None:
        yield None
        return
    script = Path(__file__).with_name("llama_child.py")
    command = [python or sys.executable, str(script), str(env.body), str(env.threads), str(CONTEXT)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as child:
        try:
            yield LlamaCpp(child)
        finally:
            assert child.stdin
            child.stdin.close()


def compare(
    env: Env,
    name: str,
    measure: Callable[[Rival], float],
    *,
    rounds: int,
    bar: float,
    shapes: str,
) -> list[Row]:
    """Measure tokens per second of both in turns; rows of medians and of the median ratio.

    In turns, since these machines are noisy: the ratio is taken round by round.
    """
    ours = Ours(env)
    with llama_cpp(env) as theirs:

        def turn() -> tuple[float, float]:
            return _alone(measure, ours), _alone(measure, theirs) if theirs else 0.0

        turn()  # warms up
        pairs = [turn() for _ in range(rounds)]
    summary = ours.body.summary
    how = f"{shapes}; kernel {summary.kernel}, median of {rounds}"
    row = Row(name=name, value=median(a for a, _ in pairs), unit="tok/s", note=how)
    if not theirs:
        return [row, Row(name=f"{name}, ratio", value=None, unit="×", bar=f"≥ {bar}", note=ABSENT)]
    ratio = median(a / b for a, b in pairs)
    return [
        row,
        Row(
            name=f"{name}, llama.cpp",
            value=median(b for _, b in pairs),
            unit="tok/s",
            note=f"llama-cpp-python {theirs.version}",
        ),
        Row(
            name=f"{name}, ratio",
            value=ratio,
            unit="×",
            bar=f"≥ {bar}",
            ok=ratio >= bar,
            note="same file, same threads, turn about",
        ),
    ]


def _alone(measure: Callable[[Rival], float], rival: Rival) -> float:
    """Measure once the other's threads are asleep: they spin for a while after their work."""
    time.sleep(PAUSE_S)
    return measure(rival)
