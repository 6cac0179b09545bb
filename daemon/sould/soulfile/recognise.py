"""Which program a safetensors file is from, if it claims to be a soul, and what to do with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from sould.soulfile.container import Entry
from sould.soulfile.meta import FORMAT

_LORA = re.compile(r"layers\.[0-9]+\.self_attn\.[qv]_proj\.lora_[AB]")
_SQUARE = re.compile(r"layer_[0-9]+")
_STATE = re.compile(r"w_state\.[0-9]+")


class Kind(StrEnum):
    """What a file is, judged by its header. ``what`` and ``advice`` say it to the user."""

    SOUL = "soul"
    ORIGINAL = "original"
    SQUARE = "square"
    LORA = "lora"
    OTHER = "other"

    @property
    def what(self) -> str:
        return _WHAT[self]

    @property
    def advice(self) -> str:
        return _ADVICE[self]


_REBUILD = (
    "what it learned can be learned again from the diary of that time, on any body: "
    "put the diary into workspace/memories and run 'soul reincarnate NAME --body BODY'"
)
_WHAT = {
    Kind.SOUL: "a soul",
    Kind.ORIGINAL: (
        "a soul of the original Bit-TTT Engine: the states of the TTT layers of its own kind of "
        "body, which no other body has"
    ),
    Kind.SQUARE: (
        "a soul of a later Bit-TTT Engine: one square matrix a layer and no word on the body it "
        "was grown on, so nothing can tell whether a body fits it"
    ),
    Kind.LORA: (
        "a soul of a Bit-TTT Engine that kept LoRA pairs of the attention; our souls are on gate, "
        "up and down, and nothing in it says which body it was grown on"
    ),
    Kind.OTHER: "a safetensors file, but no soul",
}
_ADVICE = {
    Kind.SOUL: "",
    Kind.ORIGINAL: (
        "it works on the native body that it was grown on, and no other: load that one and run "
        f"'soul import'; or {_REBUILD}"
    ),
    Kind.SQUARE: _REBUILD,
    Kind.LORA: _REBUILD,
    Kind.OTHER: "",
}


def kind_of(metadata: Mapping[str, str], tensors: Mapping[str, Entry]) -> Kind:
    """Judge a header: by its metadata if it is ours, else by the names of its tensors."""
    if metadata.get("format") == FORMAT:
        return Kind.SOUL
    names = tensors.keys() - {"meta_config"}
    if not names:
        return Kind.OTHER
    if "meta_config" in tensors and all(map(_STATE.fullmatch, names)):
        return Kind.ORIGINAL
    if all(_SQUARE.fullmatch(n) and _is_square(tensors[n]) for n in tensors):
        return Kind.SQUARE
    if all(map(_LORA.fullmatch, tensors)):
        return Kind.LORA
    return Kind.OTHER


def _is_square(entry: Entry) -> bool:
    return len(entry.shape) == 2 and entry.shape[0] == entry.shape[1]
