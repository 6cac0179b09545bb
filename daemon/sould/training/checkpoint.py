"""A training between two steps, on disk: written whole, and gone on with exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sould.durable import replace_file
from sould.engine.native.model import NativeModel
from sould.errors import BadRequest, StorageError

STATE = "training_state.json"
MOMENTS = ("exp_avg", "exp_avg_sq")

Point = tuple[int, float, float]  # step, smoothed loss, perplexity of held-out text


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """``step``: steps done. ``checkpoint``: the file beside, with parameters and moments.
    ``begun``: what all steps depend on, by name. ``curve``: at each validation.
    """

    step: int
    loss: float
    date: str
    checkpoint: str
    begun: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Point] = ()


def save_checkpoint(
    folder: Path,
    model: NativeModel,
    optimiser: torch.optim.Optimizer,
    step: int,
    loss: float,
    *,
    begun: Mapping[str, float],
    curve: Sequence[Point] = (),
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
    state = TrainingState(
        step=step, loss=loss, date=date, checkpoint=file, begun=begun, curve=curve
    )
    try:
        replace_file(folder / file, [save(tensors)])
        replace_file(folder / STATE, [msgspec.json.encode(asdict(state))])
    except OSError as e:
        raise StorageError(f"{folder} cannot be written: {e.strerror or e}") from e
    for other in folder.glob("checkpoint-*.safetensors"):
        if other.name != file:
            other.unlink(missing_ok=True)


def load_checkpoint(
    folder: Path,
    model: NativeModel,
    optimiser: torch.optim.Optimizer,
    *,
    begun: Mapping[str, float],
) -> TrainingState | None:
    """Put model and optimiser back to where the training was; None if it has not begun.

    Raises:
        BadRequest: it was ``begun`` otherwise.
        StorageError: what is there cannot be read.
    """
    if not (folder / STATE).exists():
        return None
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=TrainingState)
        _require_same(folder, state.begun, begun)
        tensors = load_file(folder / state.checkpoint)
    except (OSError, msgspec.MsgspecError, SafetensorError) as e:
        raise StorageError(
            f"the training in {folder} cannot be gone on with: {e}",
            f"remove {folder / STATE} to begin anew",
        ) from e
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            optimiser.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                **{m: _like(tensors[f"{m}.{name}"], parameter) for m in MOMENTS},
            }
    return state


def _require_same(folder: Path, was: Mapping[str, float], now: Mapping[str, float]) -> None:
    names = [name for name in now if was.get(name) != now[name]]
    if not names:
        return
    begun = ", ".join(f"{name} {was[name]:g}" if name in was else f"no {name}" for name in names)
    asked = ", ".join(f"{name} {now[name]:g}" for name in names)
    raise BadRequest(
        f"the training in {folder} was begun with {begun}, not {asked}",
        f"go on as it was begun, take another name, or remove {folder / STATE} to begin anew",
    )


def _like(moment: Tensor, parameter: Tensor) -> Tensor:
    return moment.to(parameter.device)
