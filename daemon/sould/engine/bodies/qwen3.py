"""Qwen3: RMSNorm over each head of q and k before rotation; head_dim is free of d_model."""

from __future__ import annotations

from sould.engine.bodies import common
from sould.engine.bodies.common import GGUF_NAMES, HF_NAMES, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import BodySpec


def spec_from_hf(config: Settings) -> BodySpec:
    """Read config.json; ``attention_bias`` means q, k, v and o."""
    if "head_dim" not in config:
        raise config.fault("'head_dim' is missing, which a qwen3 config must say")
    biased = config.flag("attention_bias", default=False)
    parts = common.Parts(qkv_bias=biased, o_bias=biased, qk_norm=True)
    return common.spec_from_hf(config, "qwen3", parts, windows=common.layer_windows(config))


FAMILY = Family(
    key="qwen3",
    hf_model_type="qwen3",
    gguf_architectures=("qwen3",),
    gguf_rows_interleaved=False,
    hf_names=HF_NAMES,
    gguf_names=GGUF_NAMES,
    spec_from_hf=spec_from_hf,
)
