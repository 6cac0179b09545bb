"""The texts of ``soul body convert``, in English."""

from __future__ import annotations

TEXTS = {
    "command.body.convert": (
        "Make every weight of the body NAME a sum of N ternary ones (-1, 0 or 1, times a scale "
        "that 64 of them share), and show what that costs.\n\n"
        "It is another body with another fingerprint: 'soul reincarnate' takes a soul there."
    ),
    "option.bases": (
        "Ternary weights to a weight, 1 to 4; 3 by default. Given several times, one body each."
    ),
    "option.convert_as": "Its name; NAME-bN by default.",
    "option.convert_text": (
        "A text file, or a folder of .txt and .md files: the body is fitted to two thirds of it "
        "and measured on the rest. By default lists of questions; better is what it will read."
    ),
    "option.distill": (
        "Steps in which the original then teaches it: better, and slow (seconds to a step)."
    ),
    "option.measure_only": "Only measure; write nothing.",
    "stage.converting": "making weights ternary",
    "stage.distilling": "being taught by the original",
    "convert.name": "body",
    "convert.bases": "bases",
    "convert.steps": "taught",
    "convert.bits": "bits a weight",
    "convert.file": "file",
    "convert.memory": "memory",
    "convert.perplexity": "perplexity",
    "convert.original": "original",
    "convert.measured": "Perplexity: of {tokens} tokens of text that no body was fitted to.",
    "convert.done": "{name} is in {path}",
}
