"""What the engine tells of an error."""

from __future__ import annotations

import pytest
import torch

from soul_client.wire import ErrorCode
from sould.engine.process import describe
from sould.errors import PromptTooLong


def test_our_own_errors_are_told_as_they_are() -> None:
    told = describe(PromptTooLong("9 tokens", "say less"))
    assert (told.code, told.message, told.hint) == (
        ErrorCode.PROMPT_TOO_LONG,
        "9 tokens",
        "say less",
    )


def test_memory_that_ran_out_is_told_as_that() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert describe(caught.value).code is ErrorCode.NO_MEMORY
    assert describe(MemoryError()).code is ErrorCode.NO_MEMORY
    assert describe(torch.OutOfMemoryError("CUDA out of memory")).code is ErrorCode.NO_MEMORY


def test_anything_else_is_internal_and_named() -> None:
    told = describe(RuntimeError("shapes do not match"))
    assert told.code is ErrorCode.INTERNAL
    assert told.message == "RuntimeError: shapes do not match"
