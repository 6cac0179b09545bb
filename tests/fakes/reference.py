"""The models of transformers, which ours are held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

# How far the logits of a tiny ternary body may be off where a number, through an error in its
# last digit, is rounded to int8 the other way. Without any rounding they are off by more.
ROUNDED = 0.1


def reference_model(folder: Path) -> Callable[[list[int]], Tensor]:
    """Return what gives the f32 logits, (T, V), of ids.

    Parts of BitNet are compiled there, which takes a minute and changes no number: here they
    are left as they were written.
    """
    with patch("torch.compile", _as_written):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    @torch.no_grad()
    def logits(ids: list[int]) -> Tensor:
        found: Tensor = model(torch.tensor([ids])).logits[0]
        return found

    return logits


def _as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
