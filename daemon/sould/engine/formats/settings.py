"""Values out of a model file (config.json, GGUF metadata), each checked as it is taken."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sould.errors import BodyInvalid

MAX_JSON_BYTES = 128 * 1024 * 1024


class Settings:
    """A mapping nobody vouches for. Takers raise ``BodyInvalid`` naming file, key and value.

    ``prefix`` is put before every key: the architecture of GGUF metadata ("llama."), the
    outer keys of a nested object ("rope_scaling.").
    """

    def __init__(self, values: Mapping[str, Any], source: Path, prefix: str = "") -> None:
        self.values = values
        self.source = source
        self.prefix = prefix

    def __contains__(self, key: str) -> bool:
        return self.values.get(self.prefix + key) is not None

    def fault(self, message: str) -> BodyInvalid:
        """Return (not raise) the error that says ``message`` about this file."""
        return BodyInvalid(f"{self.source}: {message}")

    def integer(self, key: str, *, default: int | None = None, low: int = 0, high: int) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._refusal(key, value, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, *, default: float | None = None, low: float, high: float) -> float:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(key, value, "a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise self._refusal(key, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._refusal(key, value, "true or false")
        return value

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._refusal(key, value, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._refusal(key, value, "a list of texts")
        return value

    def numbers(self, key: str, count: int, *, default: float) -> list[Any]:
        """Return ``count`` numbers, all ``default`` where there are none."""
        value = self.values.get(self.prefix + key)
        if value is None:
            return [default] * count
        if not isinstance(value, np.ndarray) or len(value) != count:
            raise self._refusal(key, value, f"a list of {count} numbers")
        return list(value.tolist())

    def section(self, key: str) -> Settings:
        """Return the object under ``key``, an empty one where there is none."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise self._refusal(key, value, "an object")
        prefix = f"{self.prefix}{key}."
        return Settings({prefix + name: item for name, item in value.items()}, self.source, prefix)

    def under(self, prefix: str) -> Settings:
        """Return the same values, keys taken after ``prefix``."""
        return Settings(self.values, self.source, prefix)

    def _take(self, key: str, default: Any) -> Any:
        value = self.values.get(self.prefix + key)
        if value is not None:
            return value
        if default is None:
            raise self.fault(f"{self.prefix + key!r} is missing")
        return default

    def _refusal(self, key: str, value: object, expected: str) -> BodyInvalid:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return self.fault(f"{self.prefix + key!r} is {shown}, expected {expected}")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        BodyInvalid: missing, too big, not UTF-8, not JSON, nested too deep, not an object.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise BodyInvalid(f"{path}: {size} bytes of JSON, at most {MAX_JSON_BYTES} are read")
        value = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError as e:
        raise BodyInvalid(f"{path}: is missing") from e
    except OSError as e:
        raise BodyInvalid(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise BodyInvalid(f"{path}: is not UTF-8 ({e.reason} at byte {e.start})") from e
    except json.JSONDecodeError as e:
        raise BodyInvalid(f"{path}: is not JSON ({e})") from e
    except (RecursionError, ValueError) as e:
        raise BodyInvalid(f"{path}: is not sensible JSON ({type(e).__name__})") from e
    if not isinstance(value, dict):
        raise BodyInvalid(f"{path}: holds a JSON {type(value).__name__}, expected an object")
    return value
