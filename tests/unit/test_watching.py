"""What notices, changed settings and changed files mean, decided without any of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from soul_cli.texts import Texts
from soul_cli.watched_lines import status_rows
from soul_client.wire import BodyEntry, ErrorCode, LoadedBody, Usage, Watched
from sould import config
from sould.bodystore.sighting import Sighting
from sould.bridge import Generate, Generated, Load
from sould.errors import BodyInvalid, Relayed
from sould.live import compare, take
from sould.supervisor import canary
from sould.supervisor.bodies import Version
from sould.supervisor.notices import is_hidden
from sould.supervisor.reloading import beside, due
from sould.supervisor.soul_watch import SETTLE_S, SoulFiles

Stamp = tuple[tuple[str, int, int, int], ...]
STAMP: Stamp = (("", 1, 2, 3),)
OTHER: Stamp = (("", 1, 9, 3),)


def sighting(stamp: Stamp = STAMP) -> Sighting:
    entry = BodyEntry(name="b", path="/m/b.gguf", format="gguf", size_bytes=1)
    return Sighting(entry=entry, stamp=stamp, written_s=0)


def version(stamp: Stamp = STAMP, path: str = "/m/b.gguf") -> Version:
    return Version(path=path, stamp=stamp)


def test_a_reload_is_due_when_what_lies_there_is_another_and_was_not_tried() -> None:
    assert due(version(), sighting(OTHER), None) == version(OTHER)
    assert due(version(), sighting(), None) is None
    assert due(version(), sighting(OTHER), version(OTHER)) is None
    assert due(None, sighting(OTHER), None) is None
    assert due(version(), None, None) is None
    assert due(version(path="/m/a.gguf"), sighting(OTHER), None) is None


def loaded(device: str = "cpu") -> LoadedBody:
    return LoadedBody(
        name="b",
        family="f",
        fingerprint="0",
        device=device,
        dtype="float32",
        kernel="torch",
        threads=1,
        context_tokens=1,
        memory_bytes=400,
        load_s=1,
    )


def test_a_second_body_gets_what_the_first_one_leaves_of_the_budget() -> None:
    order = Load(name="b", path="p", cache_dir="c")
    assert beside(order, loaded()) == order
    smaller = beside(replace(order, memory_budget_bytes=1000), loaded())
    assert smaller is not None and smaller.memory_budget_bytes == 600
    assert beside(replace(order, memory_budget_bytes=400), loaded()) is None
    on_gpu = replace(order, vram_budget_bytes=500, memory_budget_bytes=1)
    smaller = beside(on_gpu, loaded("cuda:0"))
    assert smaller is not None and smaller.vram_budget_bytes == 100


def test_what_a_pull_has_not_finished_is_nobodys_business() -> None:
    assert is_hidden("/.partial/a/work/x.gguf") and is_hidden("/org/.cache/x")
    assert not is_hidden("/org/a.gguf") and not is_hidden("")


def write(folder: Path, text: str) -> config.Config:
    path = folder / "config.yaml"
    path.write_text(f"bit_ttt: 1\n{text}\n")
    return config.load(path)


def test_settings_are_told_apart_by_when_they_count(tmp_path: Path) -> None:
    before = write(tmp_path, "")
    text = (
        "memory: off\nchat: {top_k: 3, stop: [END]}\nsoul: {keep: 9, name: mika}\n"
        "body: {idle_unload_s: 5, threads: 2}\nlog: {level: debug}"
    )
    changed = compare(before, write(tmp_path, text))
    assert changed.at_once == ["body.idle_unload_s", "chat.stop", "chat.top_k", "log.level"]
    assert changed.between_turns == ["memory", "soul.keep"]
    assert changed.restart == ["body.threads", "soul.name"]


def test_plugins_change_between_turns_but_not_in_safe_mode(tmp_path: Path) -> None:
    before = write(tmp_path, "plugins: {enabled: [a], settings: {a: {x: 1}, b: {y: {z: 2}}}}")
    file = write(tmp_path, "plugins: {enabled: [a, c], settings: {a: {x: 1}, b: {y: {z: 3}}}}")
    changed = compare(before, file)
    assert changed.between_turns == ["plugins.enabled", "plugins.settings.b.y.z"]
    assert (changed.at_once, changed.restart) == ([], [])
    safe = config.without_plugins(before)
    assert compare(safe, file).live == [] and "plugins.enabled" in compare(safe, file).restart
    assert "is_safe" not in safe.shown()
    take(before, file, changed.live)
    assert before.plugins == file.plugins


def test_only_what_may_change_does(tmp_path: Path) -> None:
    in_force = write(tmp_path, "")
    file = write(tmp_path, "chat: {top_k: 3}\nbody: {idle_unload_s: 5, threads: 2}\nlanguage: ja")
    take(in_force, file, compare(in_force, file).live)
    assert (in_force.chat.top_k, in_force.language) == (3, "ja")
    assert (in_force.body.idle_unload_s, in_force.body.threads) == (5, "auto")
    assert compare(in_force, file).live == []
    assert compare(in_force, file).restart == ["body.threads"]


FILES = (("0001.soul", 1, 1),)
MORE = (*FILES, ("0002.soul", 1, 1))


def test_what_somebody_else_did_to_a_worn_soul_is_found_once_it_stays() -> None:
    files = SoulFiles()
    assert files.handle("s", FILES, worn=1, newest=1, now_s=0) == ("ours", None)
    assert files.handle("s", MORE, worn=1, newest=2, now_s=1) == ("nothing", SETTLE_S)
    assert files.handle("s", MORE, worn=2, newest=2, now_s=2) == ("ours", None)
    assert files.handle("s", (), worn=2, newest=0, now_s=3) == ("nothing", SETTLE_S)
    assert files.handle("s", (), worn=2, newest=0, now_s=3 + SETTLE_S) == ("foreign", SETTLE_S)


def test_a_soul_that_is_not_worn_is_taken_up_once_when_its_files_change() -> None:
    files = SoulFiles()
    assert files.handle("s", (), worn=None, newest=0, now_s=0) == ("nothing", None)
    assert files.handle("s", FILES, worn=None, newest=1, now_s=9)[0] == "nothing"
    assert files.handle("s", FILES, worn=None, newest=1, now_s=9 + SETTLE_S) == ("mended", None)
    assert files.handle("s", FILES, worn=None, newest=1, now_s=99) == ("nothing", None)
    assert files.handle("other", MORE, worn=None, newest=2, now_s=100) == ("nothing", None)


async def test_a_canary_that_says_something_lives() -> None:
    asked: list[Generate] = []

    async def shy(order: Generate) -> Generated:
        asked.append(order)
        return Generated(text="Hm." * (len(asked) > 1), finish="stop", usage=Usage())

    await canary.check(shy)
    assert len(asked) == 2 and all(order.bare for order in asked)


async def test_a_canary_that_cannot_speak_is_said_why() -> None:
    async def mute(order: Generate) -> Generated:
        return Generated(text="", finish="stop", usage=Usage())

    async def broken(order: Generate) -> Generated:
        raise Relayed(ErrorCode.INTERNAL, "NotFinite: nan")

    with pytest.raises(BodyInvalid, match="nothing to say"):
        await canary.check(mute)
    with pytest.raises(BodyInvalid, match="NotFinite"):
        await canary.check(broken)


def test_the_status_shows_what_is_not_as_it_should_be() -> None:
    texts = Texts("en")
    assert status_rows(texts, Watched(models="notices")) == []
    watched = Watched(
        models="polling", body_problem="no", config_problem="line 3", restart=["body.threads"]
    )
    shown = " ".join(" ".join(row) for row in status_rows(texts, watched))
    for said in ("looked at", "new body no", "line 3", "'soul restart': body.threads"):
        assert said in shown
