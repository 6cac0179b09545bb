"""The shape of a body: everything the forward pass needs to know besides the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "relu2"]
TernaryForm = Literal["master", "scale", "inverse_scale", "blocks"]


@dataclass(frozen=True, kw_only=True)
class TttSpec:
    """How the layers of a body learn that has states in place of attention.

    ``inner_lr``: of a token, at most. ``mini_batch``: tokens whose gradients are taken together.
    """

    rule: Literal["reconstruct", "ttt_linear"]
    inner_lr: float
    mini_batch: int = 1


@dataclass(frozen=True, kw_only=True)
class BodySpec:
    """A decoder-only transformer of the Llama line.

    ``inv_freq`` holds the rotary frequencies, head_dim/2 of them, scaling already applied;
    ``rope_scale`` multiplies cos and sin (YaRN's attention factor, else 1).
    ``windows`` holds one attention window per layer in tokens, 0 for all of the context.
    Rotary pairs are (i, i + head_dim/2): loaders reorder rows of files that pair (2i, 2i+1).
    With ``ttt`` it has no attention: each head has a state of (head_dim, head_dim).
    ``activation``: of the gate; ``relu2`` is max(0, x)². ``sub_norms``: what goes into o and down
    is normed first. ``ternary``: the layers' matrices are ternary and what goes into them is
    rounded to int8. It says what the file has: weights to be rounded ("master"), packed ones with
    a scale to multiply or to divide by, or blocks of GGUF that carry theirs. ``bases``: the layers'
    matrices are sums of so many ternary ones (``formats.bases``), and nothing is rounded; 0: they
    are not.
    """

    family: str
    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    norm_eps: float
    inv_freq: tuple[float, ...]
    context_max: int
    rope_scale: float = 1.0
    windows: tuple[int, ...] = ()
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    activation: Activation = "silu"
    sub_norms: bool = False
    ternary: TernaryForm | None = None
    bases: int = 0
    ttt: TttSpec | None = None

    @property
    def d_q(self) -> int:
        return self.n_heads * self.head_dim

    @property
    def d_kv(self) -> int:
        return self.n_kv_heads * self.head_dim

    @property
    def state_floats(self) -> int:
        """Numbers in the states of all layers."""
        return self.n_layers * self.n_heads * self.head_dim**2
