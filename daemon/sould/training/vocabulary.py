"""A byte-fallback BPE tokenizer, trained: no character is unknown to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, IM_START, IM_END = CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
MOST_CHARACTERS = 2000  # with a token of their own; the rarer ones are spelled in bytes
LEAST_TOKENS = len(CONTROL) + len(BYTES) + 1


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer of up to ``vocabulary`` tokens: control tokens, bytes, then pieces.

    A blank is part of the word behind it; a line feed is a token of its own.
    """
    learner = _new(models.BPE(byte_fallback=True))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*CONTROL, *BYTES],
        limit_alphabet=min(MOST_CHARACTERS, max(1, (vocabulary - LEAST_TOKENS) // 2)),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    learned: dict[str, Any] = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in learned["merges"]]
    found = _new(models.BPE(learned["vocab"], merges, byte_fallback=True, fuse_unk=True))
    found.add_special_tokens([AddedToken(text, special=True) for text in CONTROL])
    return found


def tokenizer_config() -> dict[str, Any]:
    """Return the sidecar that says which control token does what."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": IM_END,
        "clean_up_tokenization_spaces": False,
    }


def _new(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="never"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Metaspace(prepend_scheme="never"),
            decoders.ByteFallback(),
            decoders.Fuse(),
        ]
    )
    return tokenizer
