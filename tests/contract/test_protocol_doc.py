"""clients/PROTOCOL.md and soul_client.wire say the same, name by name and byte by byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from soul_client import codec, plugin_wire, wire
from soul_client.wire import Header

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "clients" / "PROTOCOL.md").read_text("utf-8")
PRIVATE = {"WireStruct"}


def section(title: str) -> str:
    """Return the text below a heading, up to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}$", DOC, re.MULTILINE)
    assert match, f"PROTOCOL.md has no heading {title!r}"
    level = len(match[1])
    rest = DOC[match.end() :]
    end = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a text, without header lines."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = [n for n, row in enumerate(cells) if set("".join(row)) <= set("-: ")]
    headers = {n - 1 for n in rules}
    return [row for n, row in enumerate(cells) if n not in headers and n not in rules]


def name(cell: str) -> str:
    return cell.strip("`")


def structs() -> dict[str, type[msgspec.Struct]]:
    return {
        name: value
        for name, value in (vars(wire) | vars(plugin_wire)).items()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and name not in PRIVATE
        if value.__module__.startswith("soul_client.")
    }


def bounds(ge: float | None, gt: float | None, le: float | None) -> str:
    words = [
        f"{sign} {bound:g}" if bound < 1e6 else f"{sign} {bound:,.0f}"
        for sign, bound in (("≥", ge), (">", gt), ("≤", le))
        if bound is not None
    ]
    return f", {', '.join(words)}" if words else ""


def describe(type_: inspect.Type) -> str:
    """Return the words PROTOCOL.md has for a type."""
    match type_:
        case inspect.IntType():
            return f"int{bounds(type_.ge, type_.gt, type_.le)}"
        case inspect.FloatType():
            return f"number{bounds(type_.ge, type_.gt, type_.le)}"
        case inspect.StrType():
            least = f", ≥ {type_.min_length} characters" if type_.min_length else ""
            most = f", ≤ {type_.max_length} characters" if type_.max_length else ""
            pattern = f", `{type_.pattern}`" if type_.pattern else ""
            return f"text{least}{most}{pattern}"
        case inspect.BoolType():
            return "bool"
        case inspect.NoneType():
            return "nil"
        case inspect.AnyType():
            return "anything"
        case inspect.LiteralType():
            return "one of " + ", ".join(f"`{value}`" for value in type_.values)
        case inspect.EnumType():
            return f"[`{type_.cls.__name__}`](#{type_.cls.__name__.lower()})"
        case inspect.ListType():
            least = f", ≥ {type_.min_length}" if type_.min_length else ""
            most = f", ≤ {type_.max_length}" if type_.max_length else ""
            return f"list{least}{most}: {describe(type_.item_type)}"
        case inspect.DictType():
            return f"map of {describe(type_.key_type)} to {describe(type_.value_type)}"
        case inspect.UnionType():
            return " or ".join(describe(one) for one in type_.types)
        case inspect.StructType():
            return f"[`{type_.cls.__name__}`](#{type_.cls.__name__.lower()})"
    raise AssertionError(f"PROTOCOL.md has no words for {type_}")


def default(field: inspect.Field) -> str:
    """Return what the column "default" says."""
    if field.required:
        return "required"
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    else:
        value = msgspec.to_builtins(field.default_factory())
        if isinstance(value, dict):
            value = {}  # a struct of defaults
    return f"`{json.dumps(value, ensure_ascii=False)}`"


@pytest.mark.parametrize("struct", sorted(structs()))
def test_every_type_with_every_field(struct: str) -> None:
    info = inspect.type_info(structs()[struct])
    assert isinstance(info, inspect.StructType)
    documented = [row[:3] for row in rows(section(struct))]
    expected = [[f"`{f.encode_name}`", describe(f.type), default(f)] for f in info.fields]
    assert documented == expected


def test_no_type_that_is_not_there() -> None:
    documented = set(re.findall(r"^### (\w+)$", section("Types"), re.MULTILINE))
    assert documented == set(structs())


def test_every_kind() -> None:
    assert [name(row[0]) for row in rows(section("Kind"))] == [kind.value for kind in wire.Kind]


def test_every_error_code() -> None:
    documented = [name(row[0]) for row in rows(section("ErrorCode"))]
    assert documented == [code.value for code in wire.ErrorCode]


def test_every_event() -> None:
    assert [name(row[0]) for row in rows(section("Events"))] == list(wire.EVENTS)


def test_every_event_the_daemon_publishes() -> None:
    published: set[str] = set()
    for path in (ROOT / "daemon" / "sould" / "supervisor").glob("*.py"):
        published |= set(re.findall(r'(?:publish|_emit)\("(\w+)"', path.read_text("utf-8")))
    assert published <= set(wire.EVENTS) and "turn" in published


@pytest.mark.parametrize(
    ("title", "methods"),
    [("Methods on rpc", wire.RPC_METHODS), ("Methods on ctl", wire.CTL_METHODS)],
)
def test_every_method(title: str, methods: dict[str, tuple[type, type]]) -> None:
    def link(struct: type) -> str:
        return f"[`{struct.__name__}`](#{struct.__name__.lower()})"

    documented = {name(row[0]): tuple(row[1:3]) for row in rows(section(title))}
    assert documented == {
        method: (link(params), link(result)) for method, (params, result) in methods.items()
    }


def test_the_version() -> None:
    assert f"**Protocol version {wire.PROTOCOL}**" in DOC
    assert f"`{wire.MAGIC.decode()}`" in DOC


def examples() -> list[tuple[str, str]]:
    return re.findall(r"```text\n(header .*?)\n```\n\n```hex\n(.*?)\n```", DOC, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(examples()) >= 6


@pytest.mark.parametrize(("shown", "dump"), examples())
def test_every_example_is_a_real_frame(shown: str, dump: str) -> None:
    header_json, body_json = re.fullmatch(r"header (.*)\nbody   (.*)", shown, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [bytes.fromhex(line) for line in dump.splitlines()]
    header, body = codec.unpack(parts)
    shown_header: dict[str, Any] = json.loads(header_json)
    assert msgspec.convert(shown_header, Header) == header
    assert json.loads(body_json) == body
