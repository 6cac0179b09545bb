"""The texts of ``soul body train``, ``evaluate`` and ``export``, in English."""

from __future__ import annotations

TEXTS = {
    "command.body.train": (
        "Train a new body called NAME on TEXTS, a text file or a folder of .txt and .md files, or "
        "on what you said (--diary), or on both.\n\n"
        "Stopped by Ctrl-C or 'soul stop', it keeps what it has; the same command goes on with it."
    ),
    "command.body.evaluate": (
        "Measure how well the body NAME foretells TEXTS, a text file or a folder of .txt and .md "
        "files.\n\n"
        "It is loaded beside the one in use. Of bodies whose states learn while they read, with "
        "the states kept still as well."
    ),
    "command.body.export": (
        "Write the body NAME, one of TTT layers, to TARGET: a .bitt file, or a folder.\n\n"
        "Both load as the same body, so that its souls go with it."
    ),
    "option.diary": "What you said, and what was fed, too; none of the replies.",
    "option.preset": (
        "Its size in parameters, and some estimate of what training it takes in memory: "
        "nano (0.61M, 0.52 GB), tiny (4.5M, 1.9 GB), small (15M, 7.1 GB) or medium (29M, 11 GB)."
    ),
    "option.is_original": "As the original engine reads it; for bodies of its kind.",
    "option.steps": "Steps of training; those of the preset by default.",
    "option.train_seed": "What the first weights are drawn by, and the order of the texts.",
    "option.window": "Tokens that are read at a time.",
    "option.body_format": "bitt: one file; safetensors: a folder with its sidecars.",
    "stage.tokenizer": "learning words",
    "stage.tokens": "cutting the texts into tokens",
    "stage.training": "training",
    "stage.evaluating": "measuring",
    "stage.exporting": "writing the body",
    "train.stopped": "stopped; what was learned is kept, and the same command goes on with it",
    "train.nothing": "nothing to learn from: give TEXTS, or --diary",
    "train.name": "body",
    "train.parameters": "parameters",
    "train.steps": "steps",
    "train.tokens": "tokens of text",
    "train.loss": "loss",
    "train.perplexity": "perplexity of held-out text",
    "train.still": "the same, states still",
    "train.bits": "bits per byte",
    "train.speed": "tokens/s",
    "train.path": "path",
    "evaluate.perplexity": "perplexity",
    "evaluate.positions": "by eighths of {window} tokens",
    "evaluate.first": "foretold right, not read before",
    "evaluate.recall": "foretold right, read once before",
    "export.done": "{path}: {size}, as {format}",
}
