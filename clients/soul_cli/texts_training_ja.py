"""The texts of ``soul body train``, ``evaluate`` and ``export``, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.body.train": (
        "TEXTS（テキストファイル、または .txt・.md のフォルダー）、あなたの発言（--diary）、または"
        "その両方で NAME という新しいボディを訓練します。\n\n"
        "Ctrl-C や 'soul stop' で止めても途中までの結果は残り、同じコマンドで続きから始まります。"
    ),
    "command.body.evaluate": (
        "ボディ NAME が TEXTS（テキストファイル、または .txt と .md のフォルダー）をどれだけ"
        "予測できるかを測ります。\n\n"
        "使用中のボディとは別に読み込みます。読みながら状態が学ぶボディは、状態を固定した場合も測ります。"
    ),
    "command.body.export": (
        "TTT 層のボディ NAME を TARGET（.bitt ファイル、またはフォルダー）に書き出します。\n\n"
        "どちらも同じボディとして読み込まれるので、ソウルもそのまま使えます。"
    ),
    "option.diary": "あなたの発言と、読み込ませた文書も使います。返事は使いません。",
    "option.preset": (
        "大きさ（パラメータ数と、訓練に使うメモリーの目安）: nano (0.61M, 0.52 GB)、"
        "tiny (4.5M, 1.9 GB)、small (15M, 7.1 GB)、medium (29M, 11 GB)。"
    ),
    "option.is_original": "元のエンジンが読める形式で書き出します（その種類のボディのみ）。",
    "option.steps": "訓練のステップ数。指定がなければプリセットの値。",
    "option.train_seed": "最初の重みとテキストの順番を決める数。",
    "option.window": "一度に読むトークン数。",
    "option.body_format": "bitt: 1 つのファイル、safetensors: 付属ファイル付きのフォルダー。",
    "stage.tokenizer": "単語を学習中",
    "stage.tokens": "テキストをトークンに分割中",
    "stage.training": "訓練中",
    "stage.evaluating": "測定中",
    "stage.exporting": "ボディを書き出し中",
    "train.stopped": "止めました。学んだところまでは残り、同じコマンドで続きから始まります",
    "train.nothing": "学ぶものがありません: TEXTS か --diary を指定してください",
    "train.name": "ボディ",
    "train.parameters": "パラメータ数",
    "train.steps": "ステップ数",
    "train.tokens": "テキストのトークン数",
    "train.loss": "損失",
    "train.perplexity": "訓練に使わない文のパープレキシティ",
    "train.still": "同じく、状態を固定した場合",
    "train.bits": "1 バイトあたりのビット数",
    "train.speed": "トークン/秒",
    "train.path": "場所",
    "evaluate.perplexity": "パープレキシティ",
    "evaluate.positions": "{window} トークンの八分の一ごと",
    "evaluate.first": "予測の正答率（初めて読む文）",
    "evaluate.recall": "予測の正答率（一度読んだ文）",
    "export.done": "{path}: {size}、形式 {format}",
}
