"""What a TTT layer takes from one token to the next.

Legend of the shape suffixes of this package:

=  ===========================    =  ===========================
B  sequences side by side         D  d_model
T  tokens of this call            E  width of a head
H  heads                          N  tokens of one mini-batch
=  ===========================    =  ===========================
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Carry:
    """A layer between two tokens; nothing in it is ever written to.

    ``now_BHEE``: the state, the ``w_state`` of a soul. ``base_BHEE``: the one that gradients are
    taken at, as it was when the open mini-batch began, ``phase`` tokens ago. ``tail_BCD``: the
    last inputs, which a short convolution still looks at; None where there is none.
    """

    now_BHEE: Tensor
    base_BHEE: Tensor
    phase: int = 0
    tail_BCD: Tensor | None = None

    @classmethod
    def begun(cls, state_BHEE: Tensor) -> Carry:
        """Return the beginning of a text, with a state from before."""
        return cls(now_BHEE=state_BHEE, base_BHEE=state_BHEE)
