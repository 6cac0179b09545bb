"""The texts of ``soul body convert``, in Japanese."""

from __future__ import annotations

TEXTS = {
    "command.body.convert": (
        "ボディ NAME の重みをそれぞれ N 個の三値（-1・0・1 に、64 個で共有する倍率を掛けたもの）の"
        "和にして、その代償を表で示します。\n\n"
        "指紋の異なる別のボディになります。ソウルは 'soul reincarnate' で移せます。"
    ),
    "option.bases": (
        "1 つの重みを作る三値の数、1 から 4。既定は 3。複数指定すると 1 つずつ作ります。"
    ),
    "option.convert_as": "新しいボディの名前。既定は NAME-bN。",
    "option.convert_text": (
        "テキストファイル、または .txt と .md のフォルダー。三分の二に合わせて変換し、残りで"
        "測ります。既定は質問の一覧ですが、実際に読ませる文章の方が適しています。"
    ),
    "option.distill": (
        "続いて元のボディに教わるステップ数。良くなりますが、1 ステップに数秒かかります。"
    ),
    "option.measure_only": "測るだけで、何も書き込みません。",
    "stage.converting": "重みを三値に変換中",
    "stage.distilling": "元のボディに教わっています",
    "convert.name": "ボディ",
    "convert.bases": "基底",
    "convert.steps": "学習",
    "convert.bits": "ビット/重み",
    "convert.file": "ファイル",
    "convert.memory": "メモリー",
    "convert.perplexity": "パープレキシティ",
    "convert.original": "元のまま",
    "convert.measured": (
        "パープレキシティは、変換に使っていない文章の {tokens} トークンで測りました。"
    ),
    "convert.done": "{name} の場所: {path}",
}
