"""What the CLI prints, and what it waits for, without a daemon."""

from __future__ import annotations

import threading
import time
from io import StringIO
from pathlib import Path

import pytest

from soul_cli import output
from soul_cli.commands.watch import follow_file, tail
from soul_cli.texts import Texts
from soul_cli.waiting import Waiting, amount, curve
from soul_client.wire import Ack, Progress


def test_a_reply_cannot_steer_the_terminal() -> None:
    assert output.for_terminal("a\x1b[2Jb\x07c\x9bd\te\nf 🐈‍⬛") == "a[2Jbcd\te\nf 🐈‍⬛"


def test_typed_bytes_that_are_no_text_are_replaced() -> None:
    assert output.as_text("caf\udce9 \ud83d é") == "caf\ufffd \ufffd é"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (98_362_432, "98 MB"), (999_600, "1 MB"), (3.6e9, "3.6 GB")],
)
def test_sizes(count: float, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.9, "5 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_a_table_lines_up_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([("状態", "x"), ("body", "y")], ["", "h"])
    assert capsys.readouterr().out == "      h\n状態  x\nbody  y\n"


def test_texts_side_by_side_break_between_words_or_where_they_must() -> None:
    assert output.side_by_side("one two three", "あいうえおかき", 22) == [
        "one two     あいうえお",
        "three       かき",
    ]
    assert output.side_by_side("", "x", 40) == [" " * 21 + "x"]
    assert output.wrapped("a-very-long-word b", 6) == ["a-very", "-long-", "word b"]


def test_moments_are_in_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert output.moment("2026-01-02T18:04:05.678+00:00") == "2026-01-03 03:04"
    assert output.moment("yesterday") == "yesterday"
    monkeypatch.undo()
    time.tzset()


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.has_colour(Terminal())  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.has_colour(Terminal())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(5, 0, ""), (64, 256, "25 %"), (49_000_000, 98_000_000, "49 MB / 98 MB")],
)
def test_amounts(done: int, total: int, text: str) -> None:
    assert amount(done, total) == text


def test_a_loss_is_drawn_as_it_went() -> None:
    assert (curve([]), curve([2.0])) == ("", "▁")
    assert curve([4.0, 3.0, 1.0, 0.5]) == "█▆▂▁"
    assert curve([float(1000 - n) for n in range(1000)]) == "██▇▇▆▆▅▅▄▄▃▃▂▂▁▁"


def test_a_bar_shows_loss_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    with Waiting(Texts("en"), delay_s=0.01) as waiting:
        for done, loss in ((1, 3.0), (2, 2.5)):
            waiting.update(
                Progress(stage="training", done=done, total=4, loss=loss, note="ppl 9.1")
            )
        threading.Event().wait(0.3)
    assert "█▁ 2.50  ppl 9.1" in screen.getvalue()


def test_what_is_quick_is_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with Waiting(Texts("en"), delay_s=0.05) as waiting:
        waiting.update(Ack())
        waiting.update(Progress(stage="loading"))
        waiting.clear()
        threading.Event().wait(0.1)
    assert capsys.readouterr() == ("", "")


def test_each_slow_step_is_announced_once_and_not_on_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Waiting(Texts("en"), delay_s=0.03) as waiting:
        for done in range(4):
            waiting.update(Progress(stage="loading", done=done, total=4))
            threading.Event().wait(0.03)
        for stage, position in (("hatching", 0), ("queued", 2), ("queued", 0)):
            waiting.update(Progress(stage=stage, position=position))
            threading.Event().wait(0.08)
    said = "loading the body…\nhatching…\nwaiting, 2 before…\nwaiting…\n"
    assert capsys.readouterr() == ("", said)


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "sould.log"
    assert tail(log, 3) == []
    log.write_text("one\ntwo\nthree\n", "utf-8")
    assert tail(log, 2) == ["two", "three"]
    assert tail(log, 0) == []


def test_a_log_is_followed_over_its_rotation(tmp_path: Path) -> None:
    log = tmp_path / "sould.log"
    log.write_text("one\ntwo\n", "utf-8")
    lines = follow_file(log, 1)
    assert next(lines) == "two"
    with log.open("a", encoding="utf-8") as file:
        file.write("three\nfo")
    assert next(lines) == "three"
    with log.open("a", encoding="utf-8") as file:
        file.write("ur\n")
    assert next(lines) == "four"
    log.rename(tmp_path / "sould.log.1")
    log.write_text("five\n", "utf-8")
    assert next(lines) == "five"
