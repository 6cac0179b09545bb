"""Ternary matrices as files have them, and what one takes in memory. No torch here."""

from __future__ import annotations

from dataclasses import replace

from sould.engine.formats.stored import StoredTensor
from sould.engine.spec import TernaryForm
from sould.errors import BodyInvalid

MATRICES = ("q", "k", "v", "o", "gate", "up", "down")  # the embedding and the head never are
PACKED = "TERNARY"  # four weights to a byte, as transformers packs them
VALUES_PER_BYTE = 4
GGUF_TYPES = frozenset(("TQ1_0", "TQ2_0"))

# As it is held in memory (``sould.engine.ternary``).
CHUNK, CHUNK_BYTES, SCALE_BYTES = 128, 32, 4


def row_bytes(cols: int) -> int:
    """Return the bytes of one row in memory: its scale and 2 bits for each column, in chunks."""
    return SCALE_BYTES + -(-cols // CHUNK) * CHUNK_BYTES


def as_ternary(tensor: StoredTensor, form: TernaryForm) -> StoredTensor:
    """Return a matrix of a ternary body marked as one, with the shape of its weights.

    Other types of GGUF are returned as they are: they are read as in any body.

    Raises:
        BodyInvalid: it should be packed and is not.
    """
    if form in ("scale", "inverse_scale"):
        if tensor.dtype != "U8" or len(tensor.shape) != 2:
            raise BodyInvalid(
                f"{tensor.file}: tensor {tensor.name!r} is {tensor.dtype} of shape {tensor.shape}, "
                "expected packed weights: a U8 matrix"
            )
        shape = (VALUES_PER_BYTE * tensor.shape[0], tensor.shape[1])
        return replace(tensor, dtype=PACKED, shape=shape, is_ternary=True)
    if form == "blocks" and tensor.dtype not in GGUF_TYPES:
        return tensor
    return replace(tensor, is_ternary=len(tensor.shape) == 2)
