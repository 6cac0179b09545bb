"""Train a native body and its controls, and compare: ``python -m tests.bench.native_body``.

What is trained already is not trained again, and what was stopped is gone on with. Exit status 1
when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from sould.engine.bodyfile import open_body
from sould.engine.native.model import NativeModel
from sould.engine.native.weights import read_model
from sould.training.presets import PRESETS, Preset
from sould.training.tokens import Data
from tests.bench.native_body.attention import attention_body, count
from tests.bench.native_body.pace import clock_here, paces, spec_of
from tests.bench.native_body.plain import PlainLoop, train_plainly
from tests.bench.native_body.report import compare, rows_of
from tests.bench.native_body.text import fetch
from tests.bench.table import ROOT, Env, describe_machine, save, show

WORK = ROOT / "workspace" / "native-body"
CONFIG = "bit_ttt: 1\nworkspace: .\nmodels: models\nruntime_dir: run\n"
CONTROLS = {"attention": False, "attention-conv": True}  # with a short convolution or without
PACE_STEPS = 40
FAR, FAR_WINDOWS = 4, 16  # windows of a training, read at a stretch
TOLD_EVERY = 50  # steps


def main() -> int:
    args = parse_args()
    preset = PRESETS[args.preset]
    steps = args.steps or preset.steps
    name = f"{args.preset}-{steps}"
    folder = args.folder.resolve()
    train(folder, name, fetch(folder), args.preset, steps)
    data = Data(folder / "training" / name)
    controls = {
        label: trained_control(folder / "training" / f"{name}-{label}", label, data, preset, steps)
        for label in CONTROLS
    }
    place = folder / "models" / name
    models = {"native": read_model(open_body(place)), **controls}
    sizes = {label: count(model) for label, model in models.items()}
    native = models.pop("native").freeze()
    for model in controls.values():
        model.freeze()
    tell("measuring")
    found = compare(native, controls, data, preset.window)
    far = compare(native, controls, data, FAR * preset.window, most=FAR_WINDOWS)
    pace = paces(data, preset, steps=PACE_STEPS, clock=clock_here())
    env = replace(Env(), body=place / "model.safetensors", threads=torch.get_num_threads())
    about = {
        **describe_machine(env),
        "trained": f"{args.preset}: {steps} steps of {preset.batch} × {preset.window} tokens",
        "text": f"{data.note.train_tokens:,} tokens, {data.note.valid_tokens:,} held out",
    }
    rows = rows_of(found, far, pace, data, sizes)
    show(about, rows)
    print(save(ROOT / "bench-results", about, rows))
    return int(any(row.ok is False for row in rows))


def train(folder: Path, name: str, texts: Path, preset: str, steps: int) -> None:
    """Train the native body as a user does, into ``models/``.

    Raises:
        SystemExit: it was stopped, or could not be trained.
    """
    config = folder / "config.yaml"
    config.write_text(CONFIG, "utf-8")
    order = [name, str(texts), "--preset", preset, "--steps", str(steps), "--config", str(config)]
    child = [sys.executable, "-m", "sould", "train", *order]
    with subprocess.Popen(child, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "error" in said:
                sys.exit(f"{name}: {said['error']['message']}")
            at = said.get("progress", {})
            if at.get("stage") == "training" and at["done"] % TOLD_EVERY == 0:
                tell(f"{name}: step {at['done']} of {at['total']}, {at['note']}")


def trained_control(
    folder: Path, label: str, data: Data, preset: Preset, steps: int
) -> NativeModel:
    """Return a body with attention, trained by a plain loop."""
    model = attention_body(spec_of(data, preset), seed=0, has_conv=CONTROLS[label])

    def told(step: int, total: int, loss: float) -> None:
        if step % TOLD_EVERY == 0:
            tell(f"{folder.name}: step {step} of {total}, loss {loss:.3f}")

    train_plainly(PlainLoop(model, data, preset, steps=steps), folder, told)
    return model.cpu()


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench.native_body")
    parser.add_argument("--preset", choices=PRESETS, default="nano")
    parser.add_argument("--steps", type=int, default=0, help="0: those of the preset")
    parser.add_argument("--folder", type=Path, default=WORK, help="where all of it goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
