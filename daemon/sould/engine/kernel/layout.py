"""The structs and functions of ``kernel.h`` for ctypes, and the checks that make them safe.

C trusts what it is given, so everything is checked on the way in: device, dtype, shape,
contiguity, presence. A pointer is only as good as the tensor behind it: whoever builds a
struct keeps the tensors.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p

import torch
from torch import Tensor

from sould.engine.formats import bases
from sould.engine.formats.ternary import row_bytes
from sould.engine.soul.weights import MATRICES as SOUL_MATRICES
from sould.engine.soul.weights import Soul, matrix_sizes
from sould.engine.spec import Activation, BodySpec
from sould.engine.weights import (
    BASES,
    BLOCK,
    BLOCK_BYTES,
    BodyWeights,
    LayerWeights,
    Weight,
    count_bases,
)

FORMATS = {"q4_1": 0, "q8_0": 1, "bf16": 2, "f16": 3, "f32": 4, "ternary": 5} | {
    format: 6 + i for i, format in enumerate(BASES)
}
ACTIVATIONS: dict[Activation, int] = {"silu": 0, "relu2": 1}
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
VECTORS = (
    ("attn_norm", "d_model"),
    ("mlp_norm", "d_model"),
    ("q_bias", "d_q"),
    ("k_bias", "d_kv"),
    ("v_bias", "d_kv"),
    ("o_bias", "d_model"),
    ("gate_bias", "d_ff"),
    ("up_bias", "d_ff"),
    ("down_bias", "d_model"),
    ("q_norm", "head_dim"),
    ("k_norm", "head_dim"),
    ("attn_sub_norm", "d_q"),
    ("mlp_sub_norm", "d_ff"),
)
REQUIRED = ("attn_norm", "mlp_norm")
MATRICES = (
    ("q", "d_q", "d_model"),
    ("k", "d_kv", "d_model"),
    ("v", "d_kv", "d_model"),
    ("o", "d_model", "d_q"),
    ("gate", "d_ff", "d_model"),
    ("up", "d_ff", "d_model"),
    ("down", "d_model", "d_ff"),
)


class CMatrix(Structure):
    _fields_ = (("data", c_void_p), ("rows", c_int64), ("cols", c_int64), ("format", c_int64))


class CLayer(Structure):
    _fields_ = (
        *((name, c_void_p) for name, _ in VECTORS),
        *((name, CMatrix) for name, _, _ in MATRICES),
        ("window", c_int64),
    )


class CBody(Structure):
    _fields_ = (
        *((n, c_int64) for n in ("d_model", "n_layers", "n_heads", "n_kv_heads")),
        *((n, c_int64) for n in ("head_dim", "d_ff", "activation")),
        *((n, c_double) for n in ("norm_eps", "rope_scale")),
        *((n, c_void_p) for n in ("inv_freq", "final_norm")),
        *((n, CMatrix) for n in ("embed", "head")),
        ("layers", POINTER(CLayer)),
    )


class CSoulLayer(Structure):
    _fields_ = (("a", c_void_p * 3), ("b", c_void_p * 3))


class CSoul(Structure):
    _fields_ = (
        ("rank", c_int64),
        ("scope_layer", c_int64),
        ("first", c_int64),
        ("scope", c_void_p),
        ("layers", POINTER(CSoulLayer)),
    )


class CCall(Structure):
    _fields_ = (
        ("tokens", c_void_p),
        ("n_tokens", c_int64),
        ("position", c_int64),
        ("k", c_void_p),
        ("v", c_void_p),
        ("capacity", c_int64),
        ("soul", POINTER(CSoul)),
        ("logits", c_void_p),
        ("scratch", c_void_p),
    )


class CGemmCall(Structure):
    _fields_ = (
        ("a", c_void_p),
        *((n, c_int64) for n in ("rows", "a_row", "a_col")),
        ("matrix", POINTER(CMatrix)),
        ("c", c_void_p),
        *((n, c_int64) for n in ("c_row", "is_forward", "add")),
    )


def declare(library: ctypes.CDLL) -> None:
    """Tell ctypes the signatures of what the library exports."""
    matrix, body = POINTER(CMatrix), POINTER(CBody)
    signatures: dict[str, tuple[object, list[object]]] = {
        "team_new": (c_void_p, [c_int, c_void_p, c_void_p]),
        "team_free": (None, [c_void_p]),
        "rounding_bytes": (c_int64, [matrix, c_int64]),
        "matmul": (None, [c_void_p, matrix, c_void_p, c_void_p, c_int64, c_void_p]),
        "gemm": (None, [c_void_p, POINTER(CGemmCall)]),
        "dense": (None, [c_void_p, matrix, c_void_p]),
        "scratch_bytes": (c_int64, [body, c_int64, c_int64, c_int64]),
        "step": (c_char_p, [c_void_p, body, POINTER(CCall)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def matrix_struct(name: str, weight: Weight) -> CMatrix:
    """Describe ``weight``, after checking that its data are where and what it says."""
    rows, cols, data = weight.rows, weight.cols, weight.data
    if weight.format in BLOCK_BYTES:
        if cols % BLOCK:
            raise ValueError(f"{name}: {cols} columns are not a multiple of {BLOCK}")
        dtype, shape = torch.uint8, (rows, cols // BLOCK * BLOCK_BYTES[weight.format])
    elif weight.format == "ternary":
        dtype, shape = torch.uint8, (rows, row_bytes(cols))
    elif weight.format in BASES:
        dtype, shape = torch.uint8, (rows, bases.row_bytes(count_bases(weight.format), cols))
    else:
        dtype, shape = DTYPES[weight.format], (rows, cols)
    if rows < 1 or cols < 1:
        raise ValueError(f"{name}: {rows} x {cols} is no matrix")
    _check(name, data, dtype, shape)
    return CMatrix(data.data_ptr(), rows, cols, FORMATS[weight.format])


def vector_pointer(name: str, vector: Tensor | None, size: int) -> int | None:
    """Return where an f32 vector of ``size`` lies; None stays None."""
    if vector is None:
        return None
    _check(name, vector, torch.float32, (size,))
    return vector.data_ptr()


def body_struct(spec: BodySpec, weights: BodyWeights, inv_freq: Tensor) -> CBody:
    """Describe a body. ``inv_freq``: the spec's, (head_dim / 2,) f64.

    Raises:
        ValueError: a part of ``weights`` is not what ``spec`` says, or not in CPU memory.
    """
    _check_spec(spec, len(weights.layers))
    _check("inv_freq", inv_freq, torch.float64, (spec.head_dim // 2,))
    windows = spec.windows or (0,) * spec.n_layers
    pairs = zip(weights.layers, windows, strict=True)
    layers = [_layer_struct(f"layer {i}", spec, *pair) for i, pair in enumerate(pairs)]
    body = CBody(
        **{n: getattr(spec, n) for n in ("d_model", "n_layers", "n_heads", "n_kv_heads")},
        **{n: getattr(spec, n) for n in ("head_dim", "d_ff", "norm_eps", "rope_scale")},
        activation=ACTIVATIONS[spec.activation],
        inv_freq=inv_freq.data_ptr(),
        final_norm=vector_pointer("final norm", weights.final_norm, spec.d_model),
        embed=matrix_struct("embedding", weights.embed),
        head=matrix_struct("head", weights.head),
        layers=(CLayer * spec.n_layers)(*layers),
    )
    for name, weight in (("embedding", weights.embed), ("head", weights.head)):
        _check_shape(name, weight, spec.vocab_size, spec.d_model)
    return body


def soul_struct(spec: BodySpec, soul: Soul) -> CSoul | None:
    """Describe the ranks of ``soul`` that are in use; None if it is empty.

    Raises:
        ValueError: its weights are not what ``spec`` says, or not in CPU memory.
    """
    used = soul.used
    if used is None:
        return None
    layers = (CSoulLayer * spec.n_layers)()
    for j, name in enumerate(SOUL_MATRICES):
        for side, all_NRX, size in zip(
            ("a", "b"), (soul.a[name], soul.b[name]), matrix_sizes(spec)[name], strict=True
        ):
            shape = (spec.n_layers, sum(soul.ranks.values()), size)
            _check(f"soul: {name}.{side}", all_NRX, torch.float32, shape)
            for layer, part_RX in zip(layers, all_NRX.detach()[:, used], strict=True):
                getattr(layer, side)[j] = part_RX.data_ptr()
    _check("soul: scope", soul.scope, torch.float32, (sum(soul.ranks.values()), spec.d_model + 1))
    scope = soul.scope[used].data_ptr()
    return CSoul(used.stop - used.start, soul.reads, soul.first, scope, layers)


def check_operands(x_TK: Tensor, n_in: int, y_TN: Tensor, n_out: int) -> None:
    """Refuse operands of a product that C would read or write beyond."""
    found = (x_TK.device.type, x_TK.dtype, tuple(x_TK.shape))
    if found != ("cpu", torch.float32, (len(x_TK), n_in)):
        raise ValueError(f"x: found {found}; needs f32 of {n_in} columns on cpu")
    found = (y_TN.device.type, y_TN.dtype, tuple(y_TN.shape))
    is_whole_rows = y_TN.dim() == 2 and y_TN.stride(1) == 1 and y_TN.stride(0) >= n_out
    if found != ("cpu", torch.float32, (len(x_TK), n_out)) or not is_whole_rows:
        raise ValueError(
            f"result: found {found}, strides {y_TN.stride()}; needs f32 rows of {n_out}"
        )


def pointers(
    name: str, tensors: Iterable[Tensor], shape: tuple[int, ...]
) -> ctypes.Array[c_void_p]:
    """Return the addresses of one f32 tensor of ``shape`` per layer."""
    checked = list(tensors)
    for i, tensor in enumerate(checked):
        _check(f"{name} of layer {i}", tensor, torch.float32, shape)
    return (c_void_p * len(checked))(*(t.data_ptr() for t in checked))


def _layer_struct(name: str, spec: BodySpec, layer: LayerWeights, window: int) -> CLayer:
    struct = CLayer(window=window)
    for part, size in VECTORS:
        vector: Tensor | None = getattr(layer, part)
        if vector is None and part in REQUIRED:
            raise ValueError(f"{name}: {part} is missing")
        setattr(struct, part, vector_pointer(f"{name}: {part}", vector, getattr(spec, size)))
    for part, rows, cols in MATRICES:
        weight: Weight = getattr(layer, part)
        _check_shape(f"{name}: {part}", weight, getattr(spec, rows), getattr(spec, cols))
        setattr(struct, part, matrix_struct(f"{name}: {part}", weight))
    return struct


def _check_spec(spec: BodySpec, layers: int) -> None:
    if min(spec.d_model, spec.n_heads, spec.n_kv_heads, spec.d_ff, spec.n_layers) < 1:
        raise ValueError(f"a size of {spec} is not positive")
    if spec.n_heads % spec.n_kv_heads or spec.head_dim % 2 or spec.head_dim < 2:
        raise ValueError(
            f"{spec.n_heads} heads of {spec.head_dim} do not share {spec.n_kv_heads} key heads"
        )
    if layers != spec.n_layers:
        raise ValueError(f"{layers} layers, the spec says {spec.n_layers}")
    if min(spec.windows, default=0) < 0:
        raise ValueError(f"windows {spec.windows} hold a negative one")


def _check_shape(name: str, weight: Weight, rows: int, cols: int) -> None:
    if (weight.rows, weight.cols) != (rows, cols):
        raise ValueError(f"{name} is {weight.rows} x {weight.cols}, not {rows} x {cols}")


def _check(name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    found = (tensor.device.type, tensor.dtype, tuple(tensor.shape), tensor.is_contiguous())
    if found != ("cpu", dtype, shape, True):
        raise ValueError(
            f"{name}: found {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
            f"{'' if tensor.is_contiguous() else ', not contiguous'}; needs {dtype} {shape} on cpu"
        )
