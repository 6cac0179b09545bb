"""Matrices that are sums of ternary ones, as files have them, and what one takes in memory.

w = Σ s·t over the N bases of a weight: t is -1, 0 or 1, s an f16 scale that GROUP columns of a
row share. No torch here.

In a file a matrix of R rows and C columns is two tensors: U8 (N, R, ⌈C/5⌉), five weights to a
byte as the digits of a number to the base of three, the first one the lowest, each one more
than the weight; and F16 (N, R, ⌈C/GROUP⌉), the scales. The embedding and the head are as in any
body, or U8 with the bytes of Q8_0.
"""

from __future__ import annotations

from dataclasses import replace

from sould.engine.formats.settings import Settings
from sould.engine.formats.stored import StoredTensor
from sould.errors import BodyInvalid

METHOD = "bit_ttt"  # quant_method of config.json
MOST = 4  # bases of a weight
GROUP = 64  # columns
DIGITS = 5  # to a byte
LARGEST_BYTE = 3**DIGITS - 1
PACKED, SCALES = "BASES", "BASES_SCALES"
SCALES_SUFFIX = "_scales"
Q8_0_BLOCK, Q8_0_BYTES = 32, 34

# As it is held in memory (``sould.engine.bases``).
CODE_BYTES = GROUP // 4  # of one base, for one group


def group_bytes(n: int) -> int:
    """Return the bytes in memory of a group of weights of ``n`` bases."""
    return n * (2 + CODE_BYTES)


def row_bytes(n: int, cols: int) -> int:
    """Return the bytes of one row in memory: 2 bits for each weight and base, and the scales."""
    return -(-cols // GROUP) * group_bytes(n)


def packed_shape(n: int, rows: int, cols: int) -> tuple[int, int, int]:
    """Return the shape of a matrix's digits in a file."""
    return n, rows, -(-cols // DIGITS)


def scales_shape(n: int, rows: int, cols: int) -> tuple[int, int, int]:
    """Return the shape of a matrix's scales in a file."""
    return n, rows, -(-cols // GROUP)


def bases_of(quantisation: Settings) -> int:
    """Return how many bases a ``quantization_config`` of ours says.

    Raises:
        BodyInvalid: a number that no kernel has, or groups of another size.
    """
    group = quantisation.integer("group_size", low=1, high=1 << 20)
    if group != GROUP:
        raise quantisation.fault(f"scales for groups of {group} are not supported ({GROUP} is)")
    return quantisation.integer("bases", low=1, high=MOST)


def as_bases(tensor: StoredTensor, n: int, shape: tuple[int, ...]) -> StoredTensor:
    """Return a matrix, or the scales of one, marked as such; ``shape``: what it must come to.

    Raises:
        BodyInvalid: its type or shape is another.
    """
    is_scales = len(shape) == 3
    dtype = "F16" if is_scales else "U8"
    stored = shape if is_scales else packed_shape(n, *shape)
    if tensor.dtype != dtype or tensor.shape != stored:
        raise BodyInvalid(
            f"{tensor.file}: tensor {tensor.name!r} is {tensor.dtype} of shape {tensor.shape}, "
            f"expected {dtype} of shape {stored}"
        )
    return replace(tensor, dtype=SCALES if is_scales else PACKED, shape=shape, bases=n)


def as_q8_0(tensor: StoredTensor, shape: tuple[int, ...]) -> StoredTensor:
    """Return an embedding or a head that is the bytes of Q8_0 marked as such, others unchanged.

    Raises:
        BodyInvalid: bytes of another number.
    """
    if tensor.dtype != "U8":
        return tensor
    rows, cols = shape
    stored = rows, cols // Q8_0_BLOCK * Q8_0_BYTES
    if cols % Q8_0_BLOCK or tensor.shape != stored:
        raise BodyInvalid(
            f"{tensor.file}: tensor {tensor.name!r} is U8 of shape {tensor.shape}, which is no "
            f"Q8_0 of shape {shape}"
        )
    return replace(tensor, dtype="Q8_0", shape=shape)
