"""忘れることについての文言、日本語。"""

from __future__ import annotations

TEXTS = {
    "command.forget": (
        "TEXT を含む発言、または日記の記録 ID を完全に忘れさせます。\n\n"
        "その会話は日記から取り除かれ、ソウルはそれを学ぶ前に戻ります。その後に学んだことは学び直します。"
        "忘れる前と後に、それについてソウルに尋ねます。以前に書き出したり複製したりしたものには残ります。"
    ),
    "option.wait": "その後に学んだことを学び直すまで待ちます。",
    "usage.forget": "確認できる端末がないときは、忘れさせるのに --yes が要ります。",
    "stage.forgetting": "忘れています",
    "why.forget": "何かを忘れた",
    "forget.found": "{name} が忘れるもの (発言: {count}, 返事: {replies}):",
    "forget.more": "  … ほか {count} 件",
    "forget.generations": "それを含むため消える保存状態: {count}",
    "forget.relearned": "その後に学んだため学び直すもの: {count}",
    "forget.lost": "その後に学んだがこの日記にないため、一緒に忘れるもの: {count}",
    "forget.others": "次のソウルもそれを教わっており、覚えたままです: {names}",
    "forget.confirm": "忘れさせますか? 元には戻せません。",
    "forget.done": "{name} は忘れました (発言: {count}, 返事: {replies})",
    "forget.reborn": "生まれ変わりの途中のソウルも一緒に戻ります: {names}",
    "forget.not_asked": "ソウルに尋ねられなかったため、どれだけ覚えていたかは不明です",
    "forget.no_fact": "その中にソウルが学ぶ事実はありませんでした",
    "forget.not_measured": "どれだけ忘れたかは不明です: ソウルに尋ねられませんでした",
    "forget.of": "{facts} 件中 {count} 件",
    "forget.before": "前",
    "forget.after": "今",
    "forget.never": "教わらない場合",
    "forget.says": "尋ねると答える",
    "forget.log_p": "1 トークンの ln p",
    "forget.relearning": "学び直した、または待っているもの: {count}",
    "chat.forget_confirm": "「/forget yes」で忘れます。元には戻せません。",
    "chat.help.forget": "TEXT を含む発言を完全に忘れさせる",
}
