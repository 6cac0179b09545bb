"""Bodies to train, by size, and what memory that takes. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TRAINED_BYTES = 16  # of a parameter: itself, its gradient, two moments of Adam
_RUNTIME_BYTES = 300 << 20


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A body's sizes, and how it is trained. ``window``: tokens of a training text."""

    hidden: int
    layers: int
    heads: int
    d_ff: int
    vocabulary: int
    window: int
    batch: int
    steps: int
    lr: float
    mini_batch: int = 16

    def config(self, vocab_size: int) -> dict[str, Any]:
        """Return the config.json of the body; its tokenizer has ``vocab_size`` tokens."""
        return {
            "model_type": "bit_ttt",
            "rule": "ttt_linear",
            "vocab_size": vocab_size,
            "hidden_dim": self.hidden,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "intermediate_size": self.d_ff,
            "inner_lr": 1.0,
            "mini_batch": self.mini_batch,
            "tie_word_embeddings": True,
        }

    @property
    def parameters(self) -> int:
        """Of the body, with a full vocabulary; norms and rates not counted."""
        head = self.hidden // self.heads
        states = self.heads * head * head
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.d_ff + states
        return self.vocabulary * self.hidden + self.layers * layer

    @property
    def memory_bytes(self) -> int:
        """An estimate of what training takes: parameters, and what a step keeps of its tokens."""
        states = self.heads * (self.hidden // self.heads) ** 2 // self.mini_batch
        layer = 40 * self.hidden + 8 * self.d_ff + 3 * states
        token = self.layers * layer + 3 * self.vocabulary
        return (
            _RUNTIME_BYTES + _TRAINED_BYTES * self.parameters + 4 * self.batch * self.window * token
        )


PRESETS: Mapping[str, Preset] = {
    "nano": Preset(
        hidden=128, layers=2, heads=2, d_ff=256, vocabulary=2048,
        window=256, batch=8, steps=2000, lr=3e-3,
    ),
    "tiny": Preset(
        hidden=256, layers=4, heads=4, d_ff=768, vocabulary=4096,
        window=512, batch=8, steps=5000, lr=2e-3,
    ),
    "small": Preset(
        hidden=384, layers=6, heads=6, d_ff=1152, vocabulary=8192,
        window=512, batch=16, steps=20_000, lr=1.5e-3,
    ),
    "medium": Preset(
        hidden=512, layers=8, heads=8, d_ff=1280, vocabulary=8192,
        window=1024, batch=8, steps=40_000, lr=1e-3,
    ),
}  # fmt: skip
