"""daemon/sould/soulfile/FORMAT.md says what the code does."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
from safetensors import safe_open

from sould.soulfile import limits
from sould.soulfile.forgetting import forget
from sould.soulfile.home import SoulFolder
from sould.soulfile.journal import Journal
from sould.soulfile.layout import MATRICES, PARTS, tensor_shapes
from sould.soulfile.meta import FORMAT, VERSION, Dims, encode
from sould.soulfile.opening import save_generation
from sould.soulfile.recognise import Kind
from sould.soulfile.record import SoulRecord, write
from sould.soulfile.taught import pack
from tests.fakes.soul_folder import NOW
from tests.fakes.souls import make_entry, make_meta, make_soul, split, undo

DOC = (
    Path(__file__)
    .parents[2]
    .joinpath("daemon", "sould", "soulfile", "FORMAT.md")
    .read_text("utf-8")
)


def table(title: str) -> list[list[str]]:
    """Return the cells of the rows below a heading, without the header."""
    section = re.split(r"^## ", DOC.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, title
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_the_version() -> None:
    assert f"**Format version {VERSION}**" in DOC
    values = {row[0]: row[1] for row in table("Metadata")}
    assert (values["`format`"], values["`version`"]) == (f"`{FORMAT}`", f"`{VERSION}`")


def test_every_key_of_the_metadata_in_order() -> None:
    assert [row[0].strip("`") for row in table("Metadata")] == list(encode(make_meta()))


def test_every_limit_with_its_value() -> None:
    known = {k: f"{int(v):,}" for k, v in vars(limits).items() if k.startswith("MAX_")}
    documented = {row[0].strip("`"): row[1] for row in table("Limits")}
    assert documented == known


def test_the_names_of_the_tensors() -> None:
    words = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in table("Tensors")}
    assert words["`{matrix}`"] == list(MATRICES)
    assert words["`{part}`"] == list(PARTS)
    assert words["`{factor}`"] == ["A", "B"]


def test_every_kind_of_foreign_soul() -> None:
    documented = [row[0].strip("`") for row in table("Souls of other programs")]
    assert documented == [kind for kind in Kind if kind not in (Kind.SOUL, Kind.OTHER)]


def test_the_folder(tmp_path: Path) -> None:
    souls = SoulFolder(tmp_path)
    home = souls.new("mika")
    config = {**make_meta().config, "heard": pack(["of a night that ended early"])}
    save_generation(home.folder, make_soul(config=config))
    souls.set_active("mika")
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert [row[0].strip("`") for row in table("Folder")[:3]] == found
    undone = undo(home, to=1, now=NOW)
    forget(home, {"hand made"}, again=["else"], now=NOW)
    forgetful, _ = home.newest()
    assert undone.meta is not None and forgetful is not None and forgetful.meta is not None
    both = {**undone.meta.config, **forgetful.meta.config}
    ours = both.keys() - make_meta().config.keys()
    assert ours - undone.meta.config.keys() == {"again"}
    assert {row[0].strip("`") for row in table("Folder")[5:]} == ours


def test_the_journal_byte_by_byte(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.begin("5e" * 32)
    journal.append(make_entry())
    raw = (tmp_path / "journal").read_bytes()
    rows = {row[0]: row[1:] for row in table("Journal")}
    sizes = [int(rows[part][0]) for part in ("line", "length", "checksum", "check")]
    line, length, checksum, check, payload = (
        raw[sum(sizes[:n]) : sum(sizes[: n + 1])] if n < 4 else raw[sum(sizes) :] for n in range(5)
    )
    assert line.decode() == re.findall("`(.*?)`", rows["line"][1])[0] + "5e" * 32 + "\n"
    assert int.from_bytes(length, "little") == len(payload)
    assert int.from_bytes(checksum, "little") == zlib.crc32(payload)
    assert int.from_bytes(check, "little") == zlib.crc32(length + checksum)
    (tmp_path / "payload.safetensors").write_bytes(payload)
    with safe_open(tmp_path / "payload.safetensors", "np") as file:  # type: ignore[no-untyped-call]
        assert set(file.keys()) == set(make_entry().shapes)
        assert file.metadata().keys() == {"level", "taught"}
        for key in file.metadata():
            assert f"`{key}`" in DOC.partition("\n## Journal\n")[2]


def test_the_example_is_what_is_written(tmp_path: Path) -> None:
    dims = Dims(n_layers=1, d_model=2, d_ff=3)
    shapes = tensor_shapes(dims, {"slow": 1})
    tensors = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    write(tmp_path / "x.soul", SoulRecord(make_meta(dims=dims), tensors))
    text, data = split((tmp_path / "x.soul").read_bytes())
    example = re.search(r"^```json\n(.*)\n```$", DOC, re.MULTILINE)
    assert example and example[1] == text.decode().rstrip(" ")
    count = re.search(r"and (\d+) bytes of data", DOC)
    assert count and int(count[1]) == len(data)
