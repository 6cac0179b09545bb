"""A training between two steps, on disk: written whole, and gone on with exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sould.durable import replace_file
from sould.engine.native.model import NativeModel
from sould.errors import StorageError

STATE = "training_state.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """``step``: steps done. ``checkpoint``: the file beside, with parameters and moments."""

    step: int
    loss: float
    date: str
    checkpoint: str


def save_checkpoint(
    folder: Path, model: NativeModel, optimiser: torch.optim.Optimizer, step: int, loss: float
) -> None:
    """Write a checkpoint; the one before it is removed once this one counts.

    Raises:
        StorageError: the one before is still the one that counts.
    """
    tensors = {f"model.{name}": p.detach().contiguous() for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment]
    file = f"checkpoint-{step:08}.safetensors"
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    state = TrainingState(step=step, loss=loss, date=date, checkpoint=file)
    try:
        replace_file(folder / file, [save(tensors)])
        replace_file(folder / STATE, [msgspec.json.encode(asdict(state))])
    except OSError as e:
        raise StorageError(f"{folder} cannot be written: {e.strerror or e}") from e
    for other in folder.glob("checkpoint-*.safetensors"):
        if other.name != file:
            other.unlink(missing_ok=True)


def load_checkpoint(
    folder: Path, model: NativeModel, optimiser: torch.optim.Optimizer
) -> TrainingState | None:
    """Put model and optimiser back to where the training was; None if it has not begun.

    Raises:
        StorageError: what is there cannot be read.
    """
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=TrainingState)
        tensors = load_file(folder / state.checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, SafetensorError) as e:
        raise StorageError(
            f"the training in {folder} cannot be gone on with: {e}", f"remove {folder / STATE}"
        ) from e
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            optimiser.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                **{m: _like(tensors[f"{m}.{name}"], parameter) for m in MOMENTS},
            }
    return state


def _like(moment: Tensor, parameter: Tensor) -> Tensor:
    return moment.to(parameter.device)
