"""Tensors kept in a file of the cache: made again if they are missing, damaged or out of date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

log = logging.getLogger(__name__)

T = TypeVar("T")


def keep_tensors(path: Path, tensors: dict[str, Tensor], key: str) -> None:
    """Write them, all or nothing. ``key`` says what they were made of.

    Raises:
        OSError: they could not be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    save_file(tensors, draft, metadata={"key": key})
    draft.replace(path)


def kept_tensors(path: Path, key: str, read: Callable[[Mapping[str, Tensor]], T]) -> T | None:
    """Return what ``read`` makes of the tensors kept under ``key``.

    None without such, and, with a warning, if the file is damaged or ``read`` finds what is in
    it wrong: a ValueError, KeyError, IndexError or RuntimeError.
    """
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return read({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError, IndexError) as e:
        log.warning("%s is damaged and made anew: %s", path.name, e)
        return None
