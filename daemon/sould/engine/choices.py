"""Decide how a body is run, each choice with its reason. Pure: the facts are handed in.

What was asked for by name and is not there is an error; only "auto" chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sould.engine.memory import Dtype
from sould.errors import DeviceUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was chosen, and why, for people."""

    value: T
    reason: str


# Starting the operations of a token takes a GPU 14 ms, measured on an H200; in that time two cores
# of a CPU go through 140 MB (3 to 10 ms for the default body's 98 MB) and more.
LEAST_ON_GPU_BYTES = 200_000_000


def choose_device(asked: str, n_cuda: int, *, replies_from: int | None = None) -> Choice[str]:
    """Return "cpu" or "cuda:N". ``asked``: auto, cpu, cuda or cuda:N. ``replies_from``: the bytes
    that a CPU goes through for a token, if it can do so quickly; "auto" leaves it few.

    Raises:
        DeviceUnavailable: a CUDA device was asked for that is not there.
    """
    if asked == "auto":
        if n_cuda and replies_from is not None and replies_from < LEAST_ON_GPU_BYTES:
            size = f"{replies_from / 1e6:,.0f} MB"
            return Choice("cpu", f"device cpu: a body of {size} replies no slower there")
        if n_cuda:
            return Choice("cuda:0", "device cuda:0: there is one")
        return Choice("cpu", "device cpu: torch sees no CUDA device")
    if asked == "cpu":
        return Choice("cpu", "device cpu: asked for")
    kind, _, number = asked.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal():
        raise DeviceUnavailable(
            f"there is no kind of device {asked!r}", "body.device is auto, cpu, cuda or cuda:N"
        )
    index = int(number or "0")
    if index >= n_cuda:
        raise DeviceUnavailable(
            f"device {asked!r} was asked for, torch sees {n_cuda} CUDA devices",
            "set body.device to auto or cpu, or install a torch built for CUDA",
        )
    return Choice(f"cuda:{index}", f"device cuda:{index}: asked for")


@dataclass(frozen=True)
class Dtypes:
    """``held``: what unquantised matrices are held as; "auto" leaves them as the file has them.

    ``computed``: what activations, keys and values are.
    """

    held: Dtype
    computed: Dtype


def choose_dtypes(asked: Dtype, device: str, *, has_bf16: bool) -> Choice[Dtypes]:
    """Return the dtypes for ``device``. ``has_bf16``: it computes in bfloat16 by itself."""
    if device == "cpu":
        held = "as the file has them" if asked == "auto" else f"{asked}: asked for"
        return Choice(
            Dtypes(asked, "float32"),
            f"dtype float32: what a CPU computes best; unquantised weights {held}",
        )
    if asked != "auto":
        return Choice(Dtypes(asked, asked), f"dtype {asked}: asked for")
    if has_bf16:
        return Choice(Dtypes("bfloat16", "bfloat16"), "dtype bfloat16: the GPU has it")
    return Choice(Dtypes("float16", "float16"), "dtype float16: the GPU has no bfloat16")


def choose_threads(asked: int | None, *, cores: int, allowed: int) -> Choice[int]:
    """Return the number of CPU threads. ``allowed``: CPUs this process may run on."""
    if asked is not None:
        return Choice(asked, f"threads {asked}: asked for")
    if allowed < cores:
        return Choice(allowed, f"threads {allowed}: as many as this process may use")
    return Choice(cores, f"threads {cores}: physical cores")


@dataclass(frozen=True)
class Placement:
    """Which layers run on the GPU: the last ``n_gpu`` of ``n_layers``, and the head with them."""

    n_layers: int
    n_gpu: int
    gpu_bytes: int

    def devices(self, gpu: str) -> list[str]:
        """Return one device per layer."""
        return ["cpu"] * (self.n_layers - self.n_gpu) + [gpu] * self.n_gpu


def place_layers(
    layer_bytes: Sequence[int], *, fixed_bytes: int, embed_bytes: int, budget_bytes: int
) -> Placement:
    """Put as many layers on the GPU as its budget takes, from the last one down.

    ``layer_bytes``: weights, keys and values of each layer; ``fixed_bytes``: what any layer on
    the GPU brings along (head, scratch); ``embed_bytes``: joins when all layers are there.
    """
    n_layers = len(layer_bytes)
    used, n_gpu = fixed_bytes, 0
    for size in reversed(layer_bytes):
        extra = size + (embed_bytes if n_gpu == n_layers - 1 else 0)
        if used + extra > budget_bytes:
            break
        used, n_gpu = used + extra, n_gpu + 1
    return Placement(n_layers, n_gpu, used if n_gpu else 0)
