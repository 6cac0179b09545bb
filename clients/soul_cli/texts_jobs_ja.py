"""The texts about jobs, in Japanese."""

from __future__ import annotations

TEXTS = {
    "status.job": "ジョブ",
    "job.waits.nothing": "{name}: 実行中",
    "job.waits.time": "{name}: 次は {next}",
    "job.waits.idle": "{name}: {next} から待機中。しばらく誰も使わなければ始めます",
    "job.waits.mains": "{name}: {next} から待機中。電源につなぐと始めます",
    "job.waits.retry": "{name}: {next} の分を、数分後にもう一度試します",
    "job.last": "前回 {last}",
    "job.problem": "失敗: {problem}",
}
