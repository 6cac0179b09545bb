"""The parameters of a native body, read from its file and written again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sould.engine.bodies.bit_ttt import NAMES
from sould.engine.bodies.common import stored_name
from sould.engine.bodyfile import BodyFile
from sould.engine.formats.stored import StoredTensor
from sould.engine.native.model import NativeModel
from sould.engine.native.ternary import BitLinear, Hold
from sould.errors import BodyInvalid

_DTYPES: Mapping[str, torch.dtype] = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def read_model(
    body: BodyFile,
    *,
    hold: Hold | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> NativeModel:
    """Return the body in f32, its ternary weights still as they were trained; with ``hold`` frozen,
    matrix by matrix.

    Raises:
        BodyInvalid: the file was cut since it was opened, or a tensor is not finite.
    """
    with torch.device("meta"):
        model = NativeModel(body.spec)
    total, done = sum(t.nbytes for t in body.tensors.values()), 0
    for role, tensor in body.tensors.items():
        place, _, name = stored_name(NAMES, role).rpartition(".")
        module = model.get_submodule(place)
        setattr(module, name, nn.Parameter(_read(tensor)))
        if hold is not None and isinstance(module, BitLinear):
            module.freeze(hold)
        done += tensor.nbytes
        on_progress(done, total)
    return model if hold is None else model.requires_grad_(False).eval()


def _read(stored: StoredTensor) -> Tensor:
    raw = np.fromfile(stored.file, np.uint8, stored.nbytes, offset=stored.offset)
    if len(raw) < stored.nbytes:
        raise BodyInvalid(f"{stored.file}: was cut short while it was read")
    tensor = torch.from_numpy(raw).view(_DTYPES[stored.dtype]).view(stored.shape).float()
    if not bool(tensor.isfinite().all()):
        raise BodyInvalid(f"{stored.file}: tensor {stored.name!r} is not finite")
    return tensor
