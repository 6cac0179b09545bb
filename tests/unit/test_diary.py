"""The diary on disk: whole records or none, whatever happens in between."""

from __future__ import annotations

import json
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sould.errors import StorageError
from sould.supervisor.diary import Diary, Record

TOKYO = timezone(timedelta(hours=9))


class Clock:
    """A clock the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 23, 59, tzinfo=TOKYO)

    def __call__(self) -> datetime:
        return self.now


def turn(n: int, session: str = "s") -> list[Record]:
    return [
        Record(
            id=f"{n}u",
            ts="2026-11-23T23:59:00+09:00",
            role="user",
            text=f"q{n} 猫",
            session=session,
        ),
        Record(
            id=f"{n}a",
            ts="2026-11-23T23:59:01+09:00",
            role="assistant",
            text=f"r{n}",
            session=session,
        ),
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def diary(tmp_path: Path, clock: Clock) -> Diary:
    diary = Diary(tmp_path / "memories", clock)
    diary.open()
    return diary


def texts(diary: Diary) -> list[str]:
    return [record.text for path in reversed(diary.files()) for record in diary.read(path)]


@contextmanager
def files_at_most(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size: a disk that is full in the middle of a write."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)


def test_records_are_private_lines_of_the_local_date(diary: Diary, clock: Clock) -> None:
    diary.append(turn(1))
    clock.now += timedelta(minutes=2)
    diary.append(turn(2))
    newest, oldest = diary.files()
    assert (oldest.name, newest.name) == ("2026-11-23.jsonl", "2026-11-24.jsonl")
    first = json.loads(oldest.read_text().splitlines()[0])
    assert first == {
        "id": "1u",
        "ts": "2026-11-23T23:59:00+09:00",
        "role": "user",
        "text": "q1 猫",
        "session": "s",
        "learn": True,
        "soul": "",
        "imported": "",
        "reply_to": "",
    }
    assert stat.S_IMODE(oldest.stat().st_mode) == 0o600
    assert stat.S_IMODE(diary.folder.stat().st_mode) == 0o700


def test_records_of_the_original_engine_are_read(diary: Diary) -> None:
    old = {"role": "user", "text": "hi", "timestamp": "2025-05-01T10:00:00+09:00"}
    path = diary.folder / "2025-05-01.jsonl"
    path.write_text(json.dumps(old) + "\n")
    (record,) = diary.read(path)
    assert record == Record(
        id="2025-05-01/1", ts=old["timestamp"], role="user", text="hi", session="diary-2025-05-01"
    )


def test_lines_that_are_no_records_are_passed_over(
    diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    diary.append(turn(1))
    path = diary.files()[0]
    good = path.read_bytes()
    bad = [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"role":' + b"[" * 9999,
        b'{"role":"user","text":"secret"',
    ]
    path.write_bytes(b"\n".join(bad) + b"\n" + good)
    assert texts(diary) == ["q1 猫", "r1"]
    assert "secret" not in caplog.text
    assert "line 3" in caplog.text


@pytest.mark.parametrize("torn", [b'{"id":"2u","ts"', b'{"id":"2u"}', b"\0" * 70_000, b"\xff"])
def test_torn_last_line_is_moved_aside(tmp_path: Path, clock: Clock, torn: bytes) -> None:
    diary = Diary(tmp_path / "memories", clock)
    diary.open()
    diary.append(turn(1))
    path = diary.files()[0]
    with path.open("ab") as file:
        file.write(torn)
    Diary(tmp_path / "memories", clock).open()
    assert texts(diary) == ["q1 猫", "r1"]
    assert path.with_suffix(".torn").read_bytes() == torn + b"\n"
    diary.append(turn(2))
    assert texts(diary) == ["q1 猫", "r1", "q2 猫", "r2"]


def test_file_that_is_one_torn_line_becomes_empty(diary: Diary, clock: Clock) -> None:
    path = diary.folder / "2026-11-23.jsonl"
    path.write_bytes(b'{"role')
    diary.append(turn(1))  # mended without a restart, too
    assert texts(diary) == ["q1 猫", "r1"]


def test_whole_record_without_newline_is_kept(diary: Diary) -> None:
    diary.append(turn(1))
    path = diary.files()[0]
    path.write_bytes(path.read_bytes().rstrip(b"\n"))  # as an editor may leave it
    diary.append(turn(2))
    assert texts(diary) == ["q1 猫", "r1", "q2 猫", "r2"]


def test_so_is_one_of_an_older_day(diary: Diary) -> None:
    diary.append(turn(1))
    newest = diary.files()[0]
    older = newest.with_name("2020-01-01.jsonl")
    older.write_bytes(newest.read_bytes().rstrip(b"\n"))
    assert texts(diary) == ["q1 猫", "q1 猫", "r1"]
    diary.open()
    assert texts(diary) == ["q1 猫", "r1"] * 2


@pytest.mark.parametrize("room_bytes", [0, 1, 40, 150])
def test_full_disk_leaves_the_file_as_it_was(diary: Diary, room_bytes: int) -> None:
    diary.append(turn(1))
    path = diary.files()[0]
    before = path.read_bytes()
    with files_at_most(len(before) + room_bytes), pytest.raises(StorageError) as caught:
        diary.append(turn(2))
    assert "the turn is not recorded" in caught.value.message
    assert path.read_bytes() == before
    assert not diary.is_writable
    diary.append(turn(3))
    assert diary.is_writable
    assert texts(diary) == ["q1 猫", "r1", "q3 猫", "r3"]


def test_records_of_another_day_go_into_its_file_or_nowhere(diary: Diary) -> None:
    diary.append_to("2001-01-01", turn(1))
    path = diary.day_file("2001-01-01")
    before = path.read_bytes()
    with files_at_most(len(before) + 50), pytest.raises(StorageError, match="import again"):
        diary.append_to("2001-01-01", turn(2))
    assert path.read_bytes() == before and diary.files() == [path]


def test_full_disk_at_the_start_is_no_reason_not_to_start(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "memories"
    folder.mkdir(mode=0o700)
    path = folder / "2026-11-23.jsonl"
    path.write_bytes(b'{"role')
    diary = Diary(folder, clock)
    with files_at_most(0):
        diary.open()
    assert not diary.is_writable
    assert path.read_bytes() == b'{"role'


def test_diary_open_to_others_is_refused(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "memories").mkdir()
    (tmp_path / "memories").chmod(0o755)
    with pytest.raises(StorageError, match="0755"):
        Diary(tmp_path / "memories", clock).open()


def test_day_deleted_by_the_user_is_no_error(diary: Diary) -> None:
    diary.append(turn(1))
    path = diary.files()[0]
    path.unlink()
    assert list(diary.read(path)) == []
    diary.append(turn(2))
    assert texts(diary) == ["q2 猫", "r2"]


def test_foreign_files_are_left_alone(diary: Diary) -> None:
    for name in ("notes.txt", "2026-11-23.torn", "x2026-11-23.jsonl", "backup.jsonl"):
        (diary.folder / name).write_text("mine\n")
    assert diary.files() == []


def test_killed_between_any_two_bytes_of_a_write(tmp_path: Path, clock: Clock) -> None:
    """Whatever prefix of a turn reached the disk, the turns before it are all there."""
    whole = Diary(tmp_path / "whole", clock)
    whole.open()
    whole.append(turn(1))
    acknowledged = whole.files()[0].read_bytes()
    whole.append(turn(2))
    data = whole.files()[0].read_bytes()
    for end in range(len(acknowledged), len(data)):
        folder = tmp_path / str(end)
        folder.mkdir(mode=0o700)
        (folder / "2026-11-23.jsonl").write_bytes(data[:end])
        diary = Diary(folder, clock)
        diary.open()
        diary.append(turn(3))
        found = texts(diary)
        assert found[:2] == ["q1 猫", "r1"] and found[-2:] == ["q3 猫", "r3"], end
        assert found[2:-2] in ([], ["q2 猫"], ["q2 猫", "r2"]), end


def test_clock_of_utc_is_taken_as_it_is(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "memories", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    diary.open()
    diary.append(turn(1))
    assert diary.files()[0].stem == "2026-01-01"
