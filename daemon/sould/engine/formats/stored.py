"""Where a tensor lies in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file, checked to lie inside of it.

    ``dtype``: the GGML type's name ("F32", "BF16", "Q4_1", …), for safetensors too.
    ``shape``: rows first, as torch has it; of weights, not of packed bytes.
    ``is_ternary``: a matrix that is held as ternary once it is read. ``bases``: of one that is held
    as a sum of so many, and of its scales.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    nbytes: int
    is_ternary: bool = False
    bases: int = 0
