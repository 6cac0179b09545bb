"""Qwen2 and Qwen2.5: biases on q, k and v; some layers may have an attention window."""

from __future__ import annotations

from sould.engine.bodies import common
from sould.engine.bodies.common import GGUF_NAMES, HF_NAMES, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import BodySpec


def spec_from_hf(config: Settings) -> BodySpec:
    """Read config.json; the biases are not mentioned there, they are always present."""
    parts = common.Parts(qkv_bias=True)
    return common.spec_from_hf(config, "qwen2", parts, windows=common.layer_windows(config))


FAMILY = Family(
    key="qwen2",
    hf_model_type="qwen2",
    gguf_architectures=("qwen2",),
    gguf_rows_interleaved=False,
    hf_names=HF_NAMES,
    gguf_names=GGUF_NAMES,
    spec_from_hf=spec_from_hf,
)
