"""BitNet b1.58 (arXiv:2402.17764, 2504.12285): ternary matrices, int8 into them, sub-layer norms.

The layers' matrices have one scale each; embedding and head are as in any body. GGUF files of
this architecture are those of llama.cpp, which computes it with SiLU.
"""

from __future__ import annotations

from typing import cast

from sould.engine.bodies import common
from sould.engine.bodies.common import GGUF_NAMES, HF_NAMES, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import Activation, BodySpec

ACTIVATIONS = ("relu2", "silu")


def spec_from_hf(config: Settings) -> BodySpec:
    """Read config.json; without a ``quantization_config`` the matrices are taken as they are."""
    activation = config.text("hidden_act", default="relu2")
    if activation not in ACTIVATIONS:
        known = " and ".join(ACTIVATIONS)
        raise config.fault(f"activation {activation!r} is not supported ({known} are)")
    biased = config.flag("attention_bias", default=False)
    parts = common.Parts(
        qkv_bias=biased,
        o_bias=biased,
        activation=cast(Activation, activation),
        sub_norms=True,
    )
    return common.spec_from_hf(config, "bitnet", parts)


FAMILY = Family(
    key="bitnet",
    hf_model_type="bitnet",
    gguf_architectures=("bitnet",),
    gguf_rows_interleaved=False,
    hf_names=HF_NAMES,
    gguf_names=GGUF_NAMES,
    spec_from_hf=spec_from_hf,
    gguf_is_ternary=True,
)
