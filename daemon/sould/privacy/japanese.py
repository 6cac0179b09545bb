"""Passwords, PINs and numbers that are called so in Japanese: 「パスワードはhunter2です」."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sould.privacy.secret import Secret, SecretKind, found, words

_NAME = (
    r"(?:パスワード|パスフレーズ|パスコード|合い?言葉|秘密の(?:言葉|答え|質問の答え)|"
    r"(?:API|アクセス|シークレット|秘密|暗号化?|リカバリー?|復旧|ライセンス)[ ・]?"
    r"(?:キー|鍵|トークン|コード|フレーズ)|"
    r"(?:Wi-?Fi|ワイファイ|無線LAN)の(?:キー|暗号キー))"
)
_SAYS = r"\s?(?:は|って|が|:|=|→)\s?[、,]?\s?"
_QUOTED = r"[「『\"'“](?P<quoted>[^」』\"'”\n]{2,80})[」』\"'”]"
_ASCII = r"(?P<ascii>[!#-&(-~]{3,80}+)"
_KANA = r"(?P<kana>[ァ-ヴー]{3,16}|[ぁ-ん]{3,16}?)"
_COPULA = (
    r"です|でした|だよ|だった|だから|だけど|だ[。、\s]|だ$|なんだ|なんです|なの|っす|"
    r"にし(?:た|て|まし)|に変え|に変更|に設定|といいます|という"
)
_PASSWORD = re.compile(
    rf"{_NAME}{_SAYS}(?:{_QUOTED}|{_ASCII}(?=\s|$|[。、]|{_COPULA})|{_KANA}(?={_COPULA}))",
    re.IGNORECASE,
)
_SET = re.compile(
    rf"{_NAME}を[、,]?\s?(?:{_QUOTED}|{_ASCII}|{_KANA})\s?(?:に|へ)"
    r"(?:し|変|設定|更新|リセット)",
    re.IGNORECASE,
)
_REVERSED = re.compile(
    rf"(?:{_QUOTED}|(?<![!-~])(?P<ascii>(?=[!-~]{{0,80}}\d)[!#-&(-~]{{4,80}}+))\s?が"
    rf"(?:[^\s。、]{{0,12}}の)?(?:{_NAME}|暗証番号)(?:です|でした|だ|。|$)",
    re.IGNORECASE,
)
_PIN = re.compile(
    r"(?:暗証番号|暗証コード|PIN(?:コード|番号)?|セキュリティ(?:コード|番号)|CV[VC]|"
    r"確認コード|認証コード|認証番号|ロック(?:の)?番号|解除(?:コード|番号)|"
    r"(?:玄関|金庫|ドア|オートロック|スマホ|携帯|ロッカー|アラーム|自転車)の"
    r"(?:番号|コード|ロック|鍵の番号|暗証番号))"
    rf"(?:{_SAYS}|\s)[「『\"']?(?P<code>\d(?:[ -]?\d){{2,11}})(?!\d)"
    r"(?!\s?(?:桁|文字|個|回|年|円|分|秒))",
    re.IGNORECASE,
)
_ID_NUMBER = re.compile(
    r"(?:マイナンバー|個人番号|口座(?:の)?番号|免許証?(?:の)?番号|パスポート(?:の)?番号|"
    r"旅券番号|保険証(?:の)?番号|年金(?:の)?番号)(?:は|が|:|=)\s?[「『]?"
    r"(?P<number>[A-Z]{0,2}\d(?:[ -]?\d){5,13})(?!\d)",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s?(?:文字|桁|年|回|個|か?ヶ?月|日|つ|種類|以上|以下|%|割|分|時間|番目)")
_NO_VALUES = re.compile(
    r"(?:NULL|None|undefined|true|false|OK|NG|MD5|SHA-?\d+|bcrypt|UTF-?8|ASCII|[*.x_•-]+)",
    re.IGNORECASE,
)
_TALK = words(
    """
    シンプル ランダム ユニーク バラバラ デフォルト メモ オフ オン セキュア ダメ ヘン
    ばらばら べつべつ ひみつ ないしょ だめ いつも たぶん まだ もう ちゃんと かんたん たいせつ
    だいじ ひつよう おなじ どこ いつ なに これ それ あれ ここ そこ わからない わすれた
    """
)
_CLAUSE = re.compile(
    r"^(?:どう|どん|どれ|なん|なに|だれ|いくつ)|を|"
    r"(?:い|の|か|ね|よ|けど|から|した|たん|てん|った|ます|ません|ほう|こと|もの|べき|よう|そう)$"
)


def stated(text: str) -> Iterator[Secret]:
    """Find what a Japanese sentence calls a secret."""
    for pattern in (_PASSWORD, _SET, _REVERSED):
        for match in pattern.finditer(text):
            if group := told_group(match):
                yield found(SecretKind.PASSWORD, match, group)
    yield from (found(SecretKind.PIN, match, "code") for match in _PIN.finditer(text))
    yield from (found(SecretKind.ID_NUMBER, m, "number") for m in _ID_NUMBER.finditer(text))


def told_group(match: re.Match[str]) -> str:
    """Return the group that holds a password that is told; "" for talk about passwords. Pure."""
    if match["quoted"]:
        return "" if _NO_VALUES.fullmatch(match["quoted"]) else "quoted"
    if value := match["ascii"]:
        value = value.rstrip(".,!?)")
        is_short_number = value.isdigit() and len(value) < 4
        is_amount = value.isdigit() and _UNIT.match(match.string, match.end("ascii"))
        if len(value) < 3 or is_short_number or is_amount or _NO_VALUES.fullmatch(value):
            return ""
        return "" if re.search(r"[(\[{<$]", value) else "ascii"
    value = match["kana"]
    return "" if value in _TALK or _CLAUSE.search(value) else "kana"
