"""Model families: one module each; its file name is the family's key. No torch here."""

from __future__ import annotations

from sould.engine.bodies import bit_ttt, bitnet, llama, mistral, qwen2, qwen3
from sould.engine.bodies.common import Family
from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.settings import Settings

FAMILIES: dict[str, Family] = {
    module.FAMILY.key: module.FAMILY for module in (llama, mistral, qwen2, qwen3, bitnet, bit_ttt)
}


def family_of_hf(config: Settings) -> Family:
    """Return the family of a config.json.

    Raises:
        BodyInvalid: none of ours.
    """
    if bit_ttt.is_original(config):
        return bit_ttt.FAMILY
    model_type = config.text("model_type")
    for family in FAMILIES.values():
        if model_type == family.hf_model_type:
            return family
    raise config.fault(f"model type {model_type!r} is not supported; {_known()}")


def family_of_gguf(file: GgufFile) -> Family:
    """Return the family of a GGUF file.

    Raises:
        BodyInvalid: none of ours.
    """
    architecture = file.metadata.text("general.architecture")
    for family in FAMILIES.values():
        if architecture in family.gguf_architectures:
            return family
    raise file.metadata.fault(f"architecture {architecture!r} is not supported; {_known()}")


def _known() -> str:
    return f"these are: {', '.join(FAMILIES)}"
