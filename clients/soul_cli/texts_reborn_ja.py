"""生まれ変わりについての文言、日本語。"""

from __future__ import annotations

TEXTS = {
    "command.reincarnate": (
        "ソウル NAME を、日記をもとに別のボディで生まれ変わらせます。\n\n"
        "別のソウルが、NAME に話されたことすべてを一晩ずつ眠って学び、両方に尋ねて比べます。"
        "NAME は元のまま残ります。途中で止めても、もう一度頼めば続きから進みます。"
        "その間の会話には、使用中のソウルとボディが答えます。"
        "--accept を付けると、生まれ変わったソウルがその名前になり、元のものは別の名前で残ります。"
    ),
    "option.body": "生まれ変わる先のボディ。省くと、始めてあるもののボディ。",
    "option.accept": "生まれ変わったソウルにその名前を継がせます。",
    "stage.part": "{parts} 晩のうち {part} 晩目: {stage}",
    "why.reborn": "生まれ変わって名前が変わった",
    "reborn.done": "{name} は {body} で {reborn} に生まれ変わりました (晩: {nights}、{duration})",
    "reborn.records": "話されたこと: {records}、学んだもの: {learned}",
    "reborn.left": "取り消された晩に残り、後で学ぶもの: {count}",
    "reborn.silent": "学ぶことのなかった晩のもの: {count}",
    "reborn.gone": "元のソウルは学んだが、日記にもうないもの: {count}",
    "reborn.old": "元、{body}",
    "reborn.new": "生まれ変わり、{body}",
    "reborn.never": "教わらない場合",
    "reborn.says": "尋ねると答える",
    "reborn.log_p": "1 トークンの ln p",
    "reborn.of": "{facts} 件中 {count} 件",
    "reborn.not_asked": "元のソウルには尋ねられませんでした: {problem}",
    "reborn.no_fact": "話されたことの中に事実はありませんでした",
    "reborn.accept": "「{command}」で名前 {name} を継がせます。それまでは何も変わりません。",
    "reborn.accepted": "{name} は生まれ変わりました。元のものは {kept} に残っています。",
    "reborn.configure": "起動時にもそのボディを使うには、{path} の body.name を {body} にします。",
    "reborn.begun": (
        "{name} は生まれ変わり中です。終わったら「{command}」で比べられます。停止は「/stop」。"
    ),
    "chat.help.reincarnate": "日記をもとに、ソウルを別のボディで生まれ変わらせる",
}
