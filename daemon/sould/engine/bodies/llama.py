"""Llama: Llama 1 to 3, SmolLM2, TinyLlama and the many that share their architecture.

Mistral's GGUF files call themselves llama too; they differ in nothing that matters here.
"""

from __future__ import annotations

from sould.engine.bodies import common
from sould.engine.bodies.common import GGUF_NAMES, HF_NAMES, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import BodySpec


def spec_from_hf(config: Settings) -> BodySpec:
    """Read config.json; ``attention_bias`` means q, k, v and o."""
    biased = config.flag("attention_bias", default=False)
    mlp_biased = config.flag("mlp_bias", default=False)
    parts = common.Parts(qkv_bias=biased, o_bias=biased, mlp_bias=mlp_biased)
    return common.spec_from_hf(config, "llama", parts)


FAMILY = Family(
    key="llama",
    hf_model_type="llama",
    gguf_architectures=("llama",),
    gguf_rows_interleaved=True,
    hf_names=HF_NAMES,
    gguf_names=GGUF_NAMES,
    spec_from_hf=spec_from_hf,
)
