"""Frames to structs and back: msgpack carries, msgspec checks, limits hold.

A frame is ``[b"S1", msgpack(header), msgpack(body), optional binary...]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgpack
import msgspec

from soul_client.errors import WireError
from soul_client.wire import MAGIC, ErrorCode, Header, Limits

T = TypeVar("T")

DEFAULT_LIMITS = Limits()


def pack(header: Header, body: Any = None, *blobs: bytes) -> list[bytes]:
    """Encode one frame. ``body`` is a wire struct, or None for an empty one."""
    return [
        MAGIC,
        msgpack.packb(msgspec.to_builtins(header)),
        msgpack.packb(msgspec.to_builtins(body) if body is not None else {}),
        *blobs,
    ]


def unpack(frames: Sequence[bytes], limits: Limits = DEFAULT_LIMITS) -> tuple[Header, Any]:
    """Decode the header and the raw body (builtins, not yet a struct) of one frame.

    Raises:
        WireError: wrong magic, malformed msgpack, over a limit, or not a header.
            ``request_id`` is set once it is known, so that the answer finds its asker.
    """
    size_bytes = sum(len(part) for part in frames)
    if size_bytes > limits.max_frame_bytes:
        raise WireError(
            ErrorCode.TOO_LARGE,
            f"frame of {size_bytes} bytes is over the limit of {limits.max_frame_bytes}",
        )
    if not frames or frames[0] != MAGIC:
        found = bytes(frames[0][:8]) if frames else b""
        raise WireError(
            ErrorCode.PROTOCOL_MISMATCH, f"frame starts with {found!r}, expected {MAGIC!r}"
        )
    if len(frames) < 3:
        raise WireError(ErrorCode.BAD_REQUEST, f"frame has {len(frames)} parts, expected 3 or more")
    header = convert(_unpackb(frames[1], limits, ""), Header)
    return header, _unpackb(frames[2], limits, header.id)


def convert(raw: Any, type_: type[T], request_id: str = "") -> T:
    """Check a raw body against a struct type.

    Raises:
        WireError: ``bad_request``, naming the field.
    """
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as e:
        raise WireError(ErrorCode.BAD_REQUEST, str(e), request_id=request_id) from e


def _unpackb(data: bytes, limits: Limits, request_id: str) -> Any:
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_ext,
            max_str_len=limits.max_frame_bytes,
            max_bin_len=limits.max_frame_bytes,
            max_array_len=limits.max_items,
            max_map_len=limits.max_items,
        )
    except UnicodeDecodeError as e:
        raise WireError(
            ErrorCode.BAD_REQUEST, f"text is not valid UTF-8: {e.reason}", request_id=request_id
        ) from e
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as e:
        code = ErrorCode.TOO_LARGE if "exceeds max" in str(e) else ErrorCode.BAD_REQUEST
        raise WireError(code, f"not msgpack: {e or type(e).__name__}", request_id=request_id) from e
    if _is_deeper_than(value, limits.max_depth):
        raise WireError(
            ErrorCode.TOO_LARGE, f"nested deeper than {limits.max_depth}", request_id=request_id
        )
    return value


def _refuse_ext(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not used on this wire")


def _is_deeper_than(value: Any, max_depth: int) -> bool:
    level = [value]
    for _ in range(max_depth):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True
