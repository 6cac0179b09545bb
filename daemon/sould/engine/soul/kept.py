"""What is kept in files of the cache: made again if they are missing, damaged or out of date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sould.durable import replace_file

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


@contextmanager
def not_kept(path: Path) -> Iterator[None]:
    """Let what cannot be written inside be made again next time."""
    try:
        yield
    except OSError as e:
        log.warning("%s is not kept: %s", path.name, e.strerror or e)


def keep_json(path: Path, value: object) -> None:
    """Write a value, all or nothing; a warning if that cannot be done."""
    with not_kept(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, [msgspec.json.encode(value)])


def kept_json(path: Path, type_: type[T]) -> T:
    """Return what was kept, an empty value if there is none or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return type_()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        log.warning("%s is damaged and made anew: %s", path.name, e)
        path.unlink(missing_ok=True)
        return type_()
