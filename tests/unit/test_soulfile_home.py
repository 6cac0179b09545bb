"""The folder of all souls: names, the one in use, copies, imports, exports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from soul_client.wire import ErrorCode
from sould.errors import SoulExists, SoulInvalid, SoulMissing, StorageError
from sould.soulfile.header import check_seal
from sould.soulfile.home import SoulFolder, SoulHome
from sould.soulfile.journal import Journal
from sould.soulfile.record import SoulRecord, read, write
from tests.fakes.soul_folder import NOW, after, grow, level, names_in, newest, spoil
from tests.fakes.souls import make_entry, make_soul, same, undo


@pytest.fixture
def souls(tmp_path: Path) -> SoulFolder:
    return SoulFolder(tmp_path / "souls")


@pytest.fixture
def mika(souls: SoulFolder) -> SoulHome:
    return souls.new("mika")


def test_souls_by_name(souls: SoulFolder) -> None:
    assert souls.names() == []
    for name in ("yuki", "みか", "mika"):
        souls.new(name)
    (souls.folder / "a file").write_bytes(b"")
    (souls.folder / "afile").write_bytes(b"")
    (souls.folder / ".draft.new").mkdir()
    assert souls.names() == ["mika", "yuki", "みか"]
    assert souls.home("みか").name == "みか"
    for folder in (souls.folder, souls.home("mika").folder):
        assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("nobody", "afile"):
        with pytest.raises(SoulMissing, match=f"no soul '{name}'") as caught:
            souls.home(name)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_name_that_is_taken(souls: SoulFolder, mika: SoulHome) -> None:
    with pytest.raises(SoulExists, match="a soul 'mika' already") as caught:
        souls.new("mika")
    assert caught.value.code is ErrorCode.BAD_REQUEST
    with pytest.raises(SoulExists):
        mika.create()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "con", ".x", "active", "Active", "a b"])
def test_bad_names(souls: SoulFolder, mika: SoulHome, tmp_path: Path, name: str) -> None:
    grow(mika)
    souls.export("mika", tmp_path / "x.soul", replace=False)
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(SoulInvalid, match="cannot be called"):
        souls.new(name)
    with pytest.raises(SoulInvalid, match="cannot be called"):
        souls.home(name)
    with pytest.raises(SoulInvalid, match="cannot be called"):
        souls.set_active(name)
    with pytest.raises(SoulInvalid, match="cannot be called"):
        souls.copy("mika", name, now=NOW)
    if name:
        with pytest.raises(SoulInvalid, match="cannot be called"):
            souls.import_file(tmp_path / "x.soul", name, now=NOW)
    assert sorted(tmp_path.rglob("*")) == there


def test_the_soul_in_use(souls: SoulFolder) -> None:
    assert souls.active() is None
    souls.new("mika")
    assert souls.active() is None
    souls.set_active("mika")
    assert (souls.folder / "active").read_text() == "mika\n"
    souls.new("みか")
    souls.set_active("みか")
    assert souls.active() == "みか"
    assert (souls.folder / "active").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SoulMissing):
        souls.set_active("nobody")
    assert souls.active() == "みか"
    (souls.folder / "active").write_bytes(b"gone\r\n")  # by hand
    assert souls.active() == "gone"


@pytest.mark.parametrize("raw", [b"", b"\n", b"../x\n", b"a\nb\n", b"\xff", b"x" * 300, b"active"])
def test_a_file_that_names_no_soul(souls: SoulFolder, mika: SoulHome, raw: bytes) -> None:
    (souls.folder / "active").write_bytes(raw)
    with pytest.raises(SoulInvalid, match="active: "):
        souls.active()
    souls.set_active("mika")
    assert souls.active() == "mika"


def test_a_pointer_that_cannot_be_written(souls: SoulFolder, mika: SoulHome) -> None:
    (souls.folder / "active").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        souls.set_active("mika")
    with pytest.raises(StorageError, match="cannot be read"):
        souls.active()


# Copies


def test_a_copy_is_the_same_under_another_name(souls: SoulFolder, mika: SoulHome) -> None:
    _, second = grow(mika, 2)
    yuki = souls.copy("mika", "yuki", now=NOW)
    (found,) = yuki.generations()
    meta = found.meta
    assert meta and found.number == 1
    assert (meta.name, meta.level, meta.taught) == ("yuki", second.level, second.taught)
    assert (meta.parent, meta.saved) == (second.sha256, NOW.isoformat())
    assert (meta.config["why"], meta.config["since"]) == ("copy", NOW.isoformat())
    assert same(SoulRecord(second, read(found.path).tensors), read(newest(mika).path))
    assert after(yuki) == meta.sha256
    assert yuki.folder.stat().st_mode & 0o777 == 0o700
    assert newest(mika).number == 2
    assert souls.names() == ["mika", "yuki"] == names_in(souls.folder)
    with pytest.raises(SoulMissing):  # nothing before it in its own history
        undo(yuki, now=NOW)


def test_a_copy_has_what_the_journal_holds(souls: SoulFolder, mika: SoulHome) -> None:
    grow(mika)
    Journal(mika.journal).append(make_entry(level=20))
    assert level(newest(souls.copy("mika", "yuki", now=NOW))) == 20
    assert level(newest(mika)) == 20


def test_no_copy_over_another(souls: SoulFolder, mika: SoulHome) -> None:
    grow(mika)
    souls.new("yuki")
    for name in ("yuki", "mika"):
        with pytest.raises(SoulExists, match=f"a soul '{name}' already"):
            souls.copy("mika", name, now=NOW)
    with pytest.raises(SoulMissing, match="no generation yet"):
        souls.copy("yuki", "zoe", now=NOW)
    with pytest.raises(SoulMissing, match="no soul 'nobody'"):
        souls.copy("nobody", "zoe", now=NOW)
    assert names_in(souls.folder) == ["mika", "yuki"]


def test_what_a_killed_copy_left_is_removed(souls: SoulFolder, mika: SoulHome) -> None:
    grow(mika)
    draft = souls.folder / ".yuki.new"
    draft.mkdir()
    (draft / "00000007.soul").write_bytes(b"")
    assert newest(souls.copy("mika", "yuki", now=NOW)).number == 1
    assert not draft.exists()


# Exports and imports


def test_an_export_is_the_newest_generation(
    souls: SoulFolder, mika: SoulHome, tmp_path: Path
) -> None:
    grow(mika, 2)
    path = tmp_path / "mika.soul"
    size = souls.export("mika", path, replace=False)
    assert path.read_bytes() == newest(mika).path.read_bytes()
    assert size == path.stat().st_size
    grow(mika)
    with pytest.raises(SoulExists, match="is there already"):
        souls.export("mika", path, replace=False)
    assert check_seal(path).level == 2
    souls.export("mika", path, replace=True)
    assert check_seal(path).level == 3


def test_exports_that_fail(souls: SoulFolder, mika: SoulHome, tmp_path: Path) -> None:
    with pytest.raises(SoulMissing, match="no generation yet"):
        souls.export("mika", tmp_path / "x.soul", replace=False)
    grow(mika)
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        souls.export("mika", tmp_path / "gone" / "x.soul", replace=False)
    with pytest.raises(StorageError, match="cannot be written"):
        souls.export("mika", souls.folder, replace=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SoulExists):
        souls.export("mika", tmp_path / "link", replace=False)
    spoil(newest(mika).path)
    with pytest.raises(SoulInvalid, match="is damaged"):
        souls.export("mika", tmp_path / "x.soul", replace=False)
    assert names_in(tmp_path) == ["link", "souls"]


@pytest.mark.parametrize(("name", "called"), [("", "mika"), ("yuki", "yuki")])
def test_an_import_is_a_soul_of_its_own(
    souls: SoulFolder, tmp_path: Path, name: str, called: str
) -> None:
    path = tmp_path / "from elsewhere.soul"
    meta = write(path, make_soul())
    home = souls.import_file(path, name, now=NOW)
    (found,) = home.generations()
    assert home.name == called and souls.names() == [called]
    assert found.meta and (found.meta.name, found.meta.parent) == (called, meta.sha256)
    assert (found.meta.config["why"], found.meta.config["since"]) == ("import", NOW.isoformat())
    assert same(SoulRecord(meta, read(found.path).tensors), read(path))
    assert after(home) == found.meta.sha256


def test_imports_that_fail(souls: SoulFolder, mika: SoulHome, tmp_path: Path) -> None:
    path = tmp_path / "x.soul"
    with pytest.raises(SoulMissing):
        souls.import_file(path, "yuki", now=NOW)
    write(path, make_soul())
    with pytest.raises(SoulExists, match="a soul 'mika' already"):
        souls.import_file(path, "", now=NOW)
    spoil(path)
    with pytest.raises(SoulInvalid, match="is damaged"):
        souls.import_file(path, "yuki", now=NOW)
    path.write_bytes(b"no soul at all")
    with pytest.raises(SoulInvalid):
        souls.import_file(path, "yuki", now=NOW)
    assert names_in(souls.folder) == ["mika"]


@pytest.mark.parametrize("module", ["home", "journal"])
def test_folders_need_no_heavy_library(module: str) -> None:
    code = (
        f"import sys, sould.soulfile.{module}; "
        "print({'numpy', 'torch', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
