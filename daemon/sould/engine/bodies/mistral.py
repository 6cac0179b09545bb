"""Mistral: Llama with one attention window for all layers (v0.1), or none (later ones)."""

from __future__ import annotations

from sould.engine.bodies import common
from sould.engine.bodies.common import GGUF_NAMES, HF_NAMES, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import BodySpec

V01_WINDOW = 4096  # where config.json says nothing


def spec_from_hf(config: Settings) -> BodySpec:
    """Read config.json; ``sliding_window`` null means all of the context."""
    windows: tuple[int, ...] = ()
    if config.values.get("sliding_window", V01_WINDOW) is not None:
        window = config.integer("sliding_window", default=V01_WINDOW, low=1, high=1 << 24)
        windows = (window,) * common.count_layers(config)
    return common.spec_from_hf(config, "mistral", common.Parts(), windows=windows)


FAMILY = Family(
    key="mistral",
    hf_model_type="mistral",
    gguf_architectures=("mistral",),  # most of its files say "llama"
    gguf_rows_interleaved=True,
    hf_names=HF_NAMES,
    gguf_names=GGUF_NAMES,
    spec_from_hf=spec_from_hf,
)
