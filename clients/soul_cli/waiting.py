"""Say what is waited for, once it takes longer than a second. Always on stderr.

On a terminal a line with a spinner, or a bar, that vanishes; elsewhere a short plain line
for each step that takes so long.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from soul_cli import output
from soul_cli.texts import Texts

if TYPE_CHECKING:
    from soul_client.exchange import Update

T = TypeVar("T")

DELAY_S = 1.0
CURVE, CURVE_WIDTH = "▁▂▃▄▅▆▇█", 16
DETAILS = 48  # cells of what is said beside a bar


class Waiting:
    """What is going on while nothing can be seen; a context that leaves nothing behind."""

    def __init__(self, texts: Texts, *, delay_s: float = DELAY_S) -> None:
        self._texts = texts
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._label = self._note = ""
        self._done = self._total = 0
        self._losses: list[float] = []
        self._bar: Any = None  # rich.progress.Progress once it is on the screen
        self._task: Any = None

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def update(self, update: Update) -> None:
        """Show an ``ack`` or ``progress`` of a request."""
        from soul_client.wire import Progress

        if isinstance(update, Progress):
            stage = update.stage
            if stage == "queued" and not update.position:
                stage = "waiting"
            label = self._texts.get(f"stage.{stage}", position=update.position)
            label = label or stage
            if update.parts:
                part, parts = update.part, update.parts
                label = self._texts("stage.part", part=part, parts=parts, stage=label)
            self.show(label, update.done, update.total, note=update.note, loss=update.loss)

    def show(
        self,
        label: str,
        done: int = 0,
        total: int = 0,
        *,
        note: str = "",
        loss: float | None = None,
    ) -> None:
        """Say what is going on, and how far it is if ``total`` is known; beside a bar with a
        ``note``, and how the loss has gone.
        """
        with self._lock:
            is_new = label != self._label
            if is_new:
                self._losses.clear()
            if loss is not None:
                self._losses.append(loss)
            self._label, self._note = label, note
            self._done, self._total = done, total
            if self._bar is not None:
                self._redraw()
            elif is_new:
                self._restart_timer()

    def say(self, line: str) -> None:
        """Say something that stays, above the bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.console.print(line, markup=False, highlight=False)
            else:
                print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the screen as it was; a later ``show`` begins anew."""
        with self._lock:
            self._label = ""
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._delay_s, self._appear)
        self._timer.daemon = True
        self._timer.start()

    def _appear(self) -> None:
        with self._lock:
            if not self._label or threading.current_thread() is not self._timer:
                return
            if output.is_terminal(sys.stderr):
                self._draw()
            else:
                print(f"{self._label}…", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        console = Console(stderr=True, no_color=not output.has_colour(sys.stderr))
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TextColumn(
                "{task.fields[detail]}",
                markup=False,
                table_column=Column(max_width=DETAILS, no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, amount="", detail="")
        self._redraw()
        self._bar.start()

    def _redraw(self) -> None:
        self._bar.update(
            self._task,
            description=self._label,
            completed=self._done,
            total=self._total or None,
            amount=amount(self._done, self._total),
            detail=self._detail() if self._total else "",
        )

    def _detail(self) -> str:
        losses = self._losses
        told = f"{curve(losses)} {losses[-1]:.2f}" if losses else ""
        return "  ".join(filter(None, (told, output.for_terminal(self._note))))


def watched(texts: Texts, stage: str, items: Iterable[T], total: int) -> list[T]:
    """Take all items as they come, and say how far it is."""
    taken: list[T] = []
    with Waiting(texts) as waiting:
        waiting.show(texts(stage), 0, total)
        for item in items:
            taken.append(item)
            waiting.show(texts(stage), len(taken), total)
    return taken


def curve(values: Sequence[float]) -> str:
    """Return how numbers have gone, the first of them left, as up to 16 bars. Pure."""
    bins = min(CURVE_WIDTH, len(values))
    edges = [len(values) * i // bins for i in range(bins + 1)] if bins else [0]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    scale = (len(CURVE) - 1) / (high - low) if high > low else 0.0
    return "".join(CURVE[round(scale * (mean - low))] for mean in means)


def amount(done: int, total: int) -> str:
    """Return how much of how much: sizes where the numbers can only be bytes."""
    if not total:
        return ""
    if total < 1_000_000:
        return f"{100 * done // total} %"
    return f"{output.size(done)} / {output.size(total)}"
