"""The texts about jobs, in English."""

from __future__ import annotations

TEXTS = {
    "status.job": "job",
    "job.waits.nothing": "{name}: runs",
    "job.waits.time": "{name}: next {next}",
    "job.waits.idle": "{name}: due since {next}, begins once nobody has asked for anything a while",
    "job.waits.mains": "{name}: due since {next}, waits for mains power",
    "job.waits.retry": "{name}: due since {next}, tried again in a few minutes",
    "job.last": "last {last}",
    "job.problem": "failed: {problem}",
}
