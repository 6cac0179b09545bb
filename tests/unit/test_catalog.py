"""The catalog says what can be kept, and suggests what a machine can bear."""

from __future__ import annotations

import re

import pytest

from sould.bodystore import catalog
from sould.bodystore.catalog import CATALOG, CPU_MAX_PARAMETERS, catalog_for, find, suggest
from sould.bodystore.scan import is_name
from sould.bodystore.sources import parse

GB = 1_000_000_000


def test_names_are_names_and_occur_once() -> None:
    names = [entry.name for entry in CATALOG]
    assert len(set(names)) == len(names)
    assert all(is_name(name) and name == name.lower() for name in names)


def test_it_reaches_from_135m_to_8b_smallest_first() -> None:
    sizes = [entry.parameters for entry in CATALOG]
    assert sizes == sorted(sizes)
    assert sizes[0] < 150_000_000
    assert 8_000_000_000 < sizes[-1] < 9_000_000_000


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_entry_is_complete_and_plausible(entry: catalog.CatalogEntry) -> None:
    assert re.match(r"hf:|pypi:", entry.source)
    assert entry.licence
    assert entry.languages
    bits = 8 * entry.download_bytes / entry.parameters
    assert 4 < bits < 18, f"{bits:.1f} bits a weight"
    assert entry.memory_bytes > entry.download_bytes
    assert not entry.suggested


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_entry_can_be_fetched_by_name(entry: catalog.CatalogEntry) -> None:
    fetcher = parse(entry.name)
    assert (fetcher.name, fetcher.label, fetcher.licence) == (
        entry.name,
        entry.source,
        entry.licence,
    )


def test_the_default_is_a_wheel_of_known_hash() -> None:
    wheel = catalog.WHEELS[catalog.DEFAULT]
    assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
    entry = find(catalog.DEFAULT)
    assert entry and entry.source == f"pypi:{wheel.requirement}"


@pytest.mark.parametrize(
    ("ram_gb", "vram_gb", "language", "expected"),
    [
        (1, 0, "en", "smollm2-135m-instruct"),
        (2.1, 0, "en", "smollm2-360m-instruct"),
        (4, 0, "en", "qwen2.5-0.5b-instruct"),
        (8, 0, "en", "qwen2.5-1.5b-instruct"),
        (64, 0, "en", "qwen2.5-1.5b-instruct"),
        (64, 0, "ja_JP.UTF-8", "qwen2.5-1.5b-instruct"),
        (2.1, 0, "ja", "smollm2-360m-instruct"),
        (16, 8, "ja", "qwen3-4b"),
        (16, 12, "ja", "qwen3-8b"),
        (64, 24, "en", "qwen2.5-7b-instruct"),
        (2, 12, "en", "qwen3-8b"),
        (8, 0, "C.UTF-8", "qwen2.5-1.5b-instruct"),
        (8, 0, "", "qwen2.5-1.5b-instruct"),
        (0, 0, "en", "smollm2-135m-instruct"),
    ],
)
def test_suggestions(ram_gb: float, vram_gb: float, language: str, expected: str) -> None:
    assert suggest(int(ram_gb * GB), int(vram_gb * GB), language).name == expected


def test_a_suggestion_leaves_headroom_and_is_quick_enough() -> None:
    for ram_gb in range(2, 200):
        entry = suggest(ram_gb * GB, 0, "en")
        assert entry.memory_bytes <= ram_gb * GB / 2
        assert entry.parameters <= CPU_MAX_PARAMETERS


def test_more_memory_never_suggests_a_smaller_body() -> None:
    for language in ("en", "ja"):
        on_cpu = [suggest(gb * GB // 10, 0, language).parameters for gb in range(300)]
        assert on_cpu == sorted(on_cpu)


def test_nothing_gated_or_restricted_is_suggested() -> None:
    for gb in range(1, 100):
        for vram_gb in (0, gb):
            entry = suggest(gb * GB, vram_gb * GB, "en")
            assert entry.licence == "Apache-2.0"
            assert "log in" not in entry.note


def test_exactly_the_suggestion_is_marked() -> None:
    shown = catalog_for(16 * GB, 0, "en").bodies
    assert [entry.name for entry in shown] == [entry.name for entry in CATALOG]
    assert [e.name for e in shown if e.suggested] == [suggest(16 * GB, 0, "en").name]
