"""Chat logs of other programs: read in full, and hostile ones refused or passed over."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import DiaryImported
from sould.chats import main as reading
from sould.chats import opening
from sould.chats import records as making
from sould.chats.elements import elements
from sould.chats.spool import FILE
from sould.chats.times import time_of
from sould.errors import BadRequest, NotFound, SouldError, TooLarge
from sould.soulfile import taught
from tests.fakes.chat_logs import (
    NOON_S,
    SILLY_HEAD,
    conversation,
    diary_line,
    node,
    silly,
    write_export,
    write_lines,
    write_zip,
)

IMPORTED = "2026-11-23T12:00:00.000+09:00"


class Read:
    """What was read of a log: ``done``, and its records."""

    def __init__(self, path: Path, soul: str = "mika") -> None:
        folder = path.parent / "spool"
        folder.mkdir(exist_ok=True)
        self.done: DiaryImported = reading.read(path, folder, soul=soul, imported=IMPORTED)
        lines = (folder / FILE).read_text("utf-8").splitlines()
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]
        (folder / FILE).unlink()
        folder.rmdir()

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.records]

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.records]

    @property
    def skipped(self) -> dict[str, tuple[int, list[int]]]:
        return {one.why: (one.count, one.places) for one in self.done.skipped}


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()  # progress


# ChatGPT


@pytest.mark.parametrize("write", [write_export, write_zip])
def test_an_export_of_chatgpt(tmp_path: Path, write: Any) -> None:
    later = conversation("c2", at=NOON_S + 86_400)
    read = Read(write(tmp_path / "export", [later, conversation("c1", turns=2)]))
    assert read.texts == ["c1 q0", "c1 r0", "c1 q1", "c1 r1", "c2 q0", "c2 r0"]
    first = read.records[0]
    assert first["ts"] == "2023-11-14T22:13:20.000+00:00"
    assert first["id"].startswith("20231114T221320-") and first["id"].endswith("u")
    assert (first["role"], first["learn"], first["soul"]) == ("user", True, "mika")
    assert first["imported"] == IMPORTED
    sessions = [one["session"] for one in read.records]
    assert len(set(sessions)) == 2 and sessions[0].startswith("chatgpt-")
    done = read.done
    assert (done.kind, done.conversations, done.messages) == ("chatgpt", 2, 6)
    assert (done.first, done.last) == ("2023-11-14", "2023-11-15")
    assert read.skipped == {"not_said": (2, [1, 2])}


def test_the_branch_that_was_open_last(tmp_path: Path) -> None:
    tree = conversation(turns=1)
    tree["mapping"]["other"] = node("user", "another try", at=NOON_S + 5, parent="s")
    assert Read(write_export(tmp_path / "x", [tree])).texts == ["c1 q0", "c1 r0"]
    tree["current_node"] = "other"
    assert Read(write_export(tmp_path / "x", [tree])).texts == ["another try"]


@pytest.mark.parametrize("current", [None, "nowhere", 7, {"a": 1}])
def test_without_an_open_branch_all_that_the_user_said(tmp_path: Path, current: Any) -> None:
    tree = {**conversation(turns=2), "current_node": current}
    tree["mapping"]["early"] = node("user", "before", at=NOON_S - 5)
    assert Read(write_export(tmp_path / "x", [tree])).texts == ["before", "c1 q0", "c1 q1"]


def test_a_tree_that_is_a_ring_ends(tmp_path: Path) -> None:
    tree = conversation(turns=1)
    tree["mapping"]["s"]["parent"] = "a0"
    assert Read(write_export(tmp_path / "x", [tree])).texts == ["c1 q0", "c1 r0"]


def test_only_what_was_said_as_text(tmp_path: Path) -> None:
    tree = conversation(turns=0)
    mapping = tree["mapping"]
    mapping["i"] = node("user", "about me", kind="user_editable_context", parent="s")
    mapping["t"] = node("tool", "found", parent="i")
    mapping["p"] = node("user", {"asset": "x"}, "看て", kind="multimodal_text", parent="t")
    mapping["e"] = node("assistant", {"asset": "x"}, kind="multimodal_text", parent="p")
    mapping["c"] = node("assistant", "print()", kind="code", parent="e")
    tree["current_node"] = "c"
    read = Read(write_export(tmp_path / "x", [tree]))
    assert read.texts == ["看て"]
    assert read.skipped == {"not_said": (4, [1]), "empty": (1, [1])}


def test_conversations_that_are_none_are_passed_over(tmp_path: Path) -> None:
    wrong: list[Any] = [{}, {"mapping": []}, {"mapping": {"a": {"message": {"author": "me"}}}}]
    read = Read(write_export(tmp_path / "x", [*wrong, conversation()]))
    assert read.texts == ["c1 q0", "c1 r0"]
    assert read.skipped["wrong_shape"] == (3, [1, 2, 3])


@pytest.mark.parametrize("inside", [b'{"mapping": x}', b'{"id": "\xff"}', b'{"id": "\\ud800"}'])
def test_a_damaged_conversation_is_passed_over(tmp_path: Path, inside: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"[" + inside + b"," + json.dumps(conversation()).encode() + b"]")
    read = Read(path)
    assert read.skipped["not_json"] == (1, [1])
    assert read.texts == ["c1 q0", "c1 r0"]


@pytest.mark.parametrize("deep", [70, 5_000, 100_000])
def test_deep_json_is_passed_over(tmp_path: Path, deep: int) -> None:
    path = tmp_path / "x"
    ring = b'{"a":' + b"[" * deep + b"]" * deep + b"}"
    path.write_bytes(b"[" + ring + b"," + json.dumps(conversation()).encode() + b"]")
    read = Read(path)
    assert read.skipped["too_long"] == (1, [1]) and len(read.texts) == 2


@pytest.mark.parametrize("at", ["soon", -1e308, 1e308, 10**400, True, [], {}, None, 1e18, 0])
def test_a_time_that_cannot_be_is_not_known(tmp_path: Path, at: Any) -> None:
    tree = {**conversation(turns=0), "create_time": at, "current_node": "u"}
    tree["mapping"]["u"] = node("user", "when?", at=at, parent="s")
    path = write_export(tmp_path / "x", [tree])
    read = Read(path)
    (record,) = read.records
    assert record["ts"] == "1970-01-01T00:00:00.000" and record["id"].startswith("19700101T")
    assert (read.done.first, read.ids) == ("", Read(path).ids)


# SillyTavern, and diaries


def test_a_chat_of_sillytavern(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "chat",
        SILLY_HEAD,
        silly("やあ", is_user=False, at="2023-11-25 @15h 04m 24s 5ms"),
        silly("京都に住んでいます", is_user=True, at="November 25, 2023 3:05pm", extra={"a": [1]}),
        silly("hidden", is_user=True, is_system=True),
        silly("今日は？", is_user=False, at="2023-11-25T06:07:08.900Z"),
        silly("later", is_user=True, at=1_700_900_000_000),
        silly("no time", is_user=True),
        {"is_user": "yes", "mes": "x"},
        {"is_user": True, "mes": {"x": 1}},
    )
    read = Read(path)
    by_text = {one["text"]: one["ts"] for one in read.records}
    assert by_text == {
        "やあ": "2023-11-25T15:04:24.005",
        "京都に住んでいます": "2023-11-25T15:05:00.000",
        "今日は？": "2023-11-25T06:07:08.900+00:00",
        "later": "2023-11-25T08:13:20.000+00:00",
        "no time": "2023-11-25T08:13:20.000+00:00",
    }
    assert (read.done.kind, read.done.conversations) == ("sillytavern", 1)
    assert read.skipped == {"not_said": (1, [4]), "wrong_shape": (2, [8, 9])}
    assert len({one["session"] for one in read.records}) == 1


def test_a_diary_of_the_original_engine(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "2025-05-01.jsonl",
        b"\xef\xbb\xbf" + json.dumps(diary_line("user", "猫がいます", "")).encode(),
        b"half a li",
        b"\xff\xfe",
        b"",
        [1, 2],
        diary_line("system", "INFO loaded", "2025-05-01T10:00:00+09:00"),
        diary_line("user", "> INFO hi", "2025-05-01T10:00:00+09:00"),
        diary_line("assistant", "hello", "2025-05-01T10:00:01+09:00"),
        b'{"role": ' + b"[" * 5000,
    )
    read = Read(path)
    assert read.texts == ["猫がいます", "> INFO hi", "hello"]
    assert (read.done.kind, read.done.conversations) == ("diary", 1)
    assert read.skipped == {
        "not_json": (3, [2, 3, 9]),
        "wrong_shape": (1, [5]),
        "not_said": (1, [6]),
    }


def test_a_record_of_our_own_keeps_its_id_in_the_diary_of_its_soul(tmp_path: Path) -> None:
    own = {
        "id": "20260102T030405-9a0bcafeu", "ts": "2026-01-02T03:04:05.678+09:00", "role": "user",
        "text": "hi", "session": "20260102-030405-9a0b", "learn": False, "soul": "mika",
    }  # fmt: skip
    path = write_lines(tmp_path / "x.jsonl", own)
    (record,) = Read(path).records
    assert (record["id"], record["learn"]) == (own["id"], False)
    assert record["session"].startswith("diary-")  # no file may reach into a conversation here
    assert Read(path, soul="other").ids != [own["id"]]
    for forged in ("20269902T030405-9a0bcafeu", "20260102T030405-9a0bcafea", "../../x"):
        assert Read(write_lines(tmp_path / "x.jsonl", {**own, "id": forged})).ids != [forged]


def test_what_was_replaced_in_a_diary_of_our_own_is_left_out(tmp_path: Path) -> None:
    said = [{**diary_line(role, role + n, ""), "id": n + role[0]} for n in "12"
            for role in ("user", "assistant")]  # fmt: skip
    odd = {**diary_line("user", "odd", ""), "id": ["1u"]}
    mark = {"role": "replaced", "text": "", "ids": ["1u", "1a"]}
    path = write_lines(tmp_path / "2026-01-01.jsonl", *said, odd, mark, {**mark, "ids": 3})
    read = Read(path)
    assert read.texts == ["user2", "assistant2", "odd"]
    assert read.skipped == {"not_said": (2, [1, 2])}


def test_chats_of_sillytavern_without_a_date_are_told_apart(tmp_path: Path) -> None:
    head = {"user_name": "unused", "character_name": "unused"}
    chats = [
        Read(write_lines(tmp_path / name, head, silly(f"hello {name}", is_user=False)))
        for name in ("a", "b")
    ]
    assert len({read.records[0]["session"] for read in chats}) == 2


# what records are


def test_ids_are_the_same_whenever_it_is_read_and_pack_well(tmp_path: Path) -> None:
    path = write_export(tmp_path / "x", [conversation(turns=3)])
    ids = Read(path).ids
    assert Read(path).ids == ids and len(set(ids)) == 6
    assert "other" not in taught.pack(ids) and taught.unpack(taught.pack(ids)) == frozenset(ids)
    assert set(Read(write_zip(tmp_path / "y", [conversation(turns=4)])).ids) > set(ids)
    assert not set(Read(path, soul="other").ids) & set(ids)


def test_the_same_said_twice_is_two_records(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x", SILLY_HEAD, *[silly("yes", is_user=True)] * 3)
    read = Read(path)
    assert len(set(read.ids)) == 3 and Read(path).ids == read.ids


def test_secrets_are_not_to_be_learned_nor_what_answers_them(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "x",
        SILLY_HEAD,
        silly("my password is hunter2", is_user=True),
        silly("noted", is_user=False),
        silly("I have a cat", is_user=True),
        silly("nice", is_user=False),
    )
    read = Read(path)
    assert [one["learn"] for one in read.records] == [False, False, True, True]
    assert read.done.secrets == 1


def test_too_many_messages_and_too_long_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(
        tmp_path / "x", SILLY_HEAD, *[silly("a" * n, is_user=True) for n in range(9)]
    )
    monkeypatch.setattr(making, "MAX_MESSAGE_CHARS", 6)
    assert Read(path).skipped == {"empty": (1, [2]), "too_long": (2, [9, 10])}
    monkeypatch.setattr(making, "MAX_MESSAGES", 8)
    with pytest.raises(TooLarge, match="more than 8 messages"):
        Read(path)


# files that are none, or worse


def test_a_line_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_LINE_BYTES", 400)
    long = silly("x" * 1500, is_user=True)
    path = write_lines(tmp_path / "x", SILLY_HEAD, long, silly("ok", is_user=True), long)
    read = Read(path)
    assert (read.texts, read.skipped) == (["ok"], {"too_long": (2, [2, 4])})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no chat log"),
        (b"hello\n", "is no chat log"),
        (b"\x00" * 5000, "is no chat log"),
        (b"[1, 2]", "no list of conversations"),
        (b'["a"]', "no list of conversations"),
        (b"[[{}]]", "no list of conversations"),
        (b'[{"mapping": {', "cut short"),
        (b'[{"a": "b', "cut short"),
        (b"[{}] {}", "goes on after its end"),
        (b"{ ]x", "no list of conversations"),
        (b"PK\x03\x04 and no more", "damaged zip"),
        (b"PK\x05\x06" + b"\0" * 18, "no conversations.json"),
    ],
)
def test_what_is_no_log_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "some.log"
    path.write_bytes(data)
    with pytest.raises(BadRequest, match=message) as caught:
        Read(path)
    assert "some.log" in caught.value.message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        Read(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BadRequest, match="is no file"):
            Read(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 30_000_000 + b"]")
    with pytest.raises(TooLarge, match="at most 200 times as many"):
        Read(path)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "liar.zip", [conversation(turns=400)])
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("conversations.json").file_size
    real, lie = size.to_bytes(4, "little"), (100).to_bytes(4, "little")
    path.write_bytes(bytes(data).replace(real, lie))
    with pytest.raises(SouldError, match=r"liar\.zip"):
        Read(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_in_another_way_is_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("conversations.json", json.dumps([conversation()]))
    with pytest.raises(BadRequest, match="packed in a way"):
        Read(tmp_path / "x.zip")


def test_a_zip_that_is_too_large_or_too_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "x.zip", [conversation()])
    monkeypatch.setattr(opening, "MAX_MEMBERS", 1)
    with pytest.raises(TooLarge, match="2 files in it, at most 1"):
        Read(path)
    monkeypatch.setattr(opening, "MAX_MEMBERS", 2)
    monkeypatch.setattr(opening, "MAX_READ_BYTES", 100)
    for one in (path, write_export(tmp_path / "x.json", [conversation()])):
        with pytest.raises(TooLarge, match="at most 100 may be"):
            Read(one)


def test_an_export_in_several_files(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in (1, 0):
            name = f"export/conversations-00{n}.json"
            archive.writestr(name, json.dumps([conversation(f"c{n}", at=NOON_S + 9000 * n)]))
        archive.writestr("export/shared_conversations.json", "[1]")
    assert Read(path).texts == ["c0 q0", "c0 r0", "c1 q0", "c1 r0"]


# a list taken apart

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_a_list_is_taken_apart_wherever_it_is_cut(
    values: list[dict[str, Any]], size: int, is_ascii: bool, indent: int | None
) -> None:
    data = json.dumps(values, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "replace")
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    found = list(elements(chunks, max_bytes=1 << 20, max_depth=64))
    assert [json.loads(one or b"") for one in found] == json.loads(data)


def test_an_object_over_the_limit_is_left_out_and_the_next_one_is_not() -> None:
    data = b'[{"a": "' + b"x" * 100 + b'"}, {"b": 1}]'
    chunks = [data[at : at + 7] for at in range(0, len(data), 7)]
    assert list(elements(chunks, max_bytes=50, max_depth=9)) == [None, b'{"b": 1}']


@given(st.text(max_size=40) | st.integers() | st.floats() | st.binary())
def test_any_time_is_one_that_is_believed_or_none(value: object) -> None:
    found = time_of(value)
    assert found == "" or 1990 <= datetime.fromisoformat(found).year <= 2199
