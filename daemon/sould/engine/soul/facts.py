"""What a user says about themselves: found in a message, and said back to them.

Only the user's own words are ever a source of facts. A sentence counts when it tells
something and its speaker is in it; questions, requests, greetings and thanks do not. Said
back, English is put into the second person ("My cat is Tim." → "Your cat is Tim."); Japanese
is quoted, since it mostly leaves the person out.
"""

from __future__ import annotations

import re

from sould.bridge import Told
from sould.language import is_japanese

LONGEST = 400  # characters of a sentence; what goes on for longer is a paste, not a remark
LEAST_JA = 8  # characters of a sentence that tells something by itself
MOST = 800  # characters of a statement: what comes after them is not gone over

SHORT_MONTHS = "Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec"
_SHORT = (
    rf"\b(?:(?:Mr|Mrs|Ms|Dr|St|Prof|{SHORT_MONTHS})\.|No\.(?=\s\d)|"
    r"(?:a\.m|p\.m|Inc|Ltd|Co|approx)\.(?=\s[a-z]))"
)  # where no sentence ends
_SENTENCE_EN = re.compile(rf"(?:{_SHORT}\s|[^.!?…\n]|[.!?…]+(?![\s\"')\]]))+[.!?…]*")
_SENTENCE_JA = re.compile(r"[^。！？!?\n]+[。！？!?]*")

_CLAUSE_EN = re.compile(r"[,;:](?=\s)|\s[-–—]\s|—|(?<=[!?])\s|(?<=[a-z0-9]\.)\s")
_WHOLE_EN = re.compile(
    rf"{_SHORT}\s|\b(?:[Mm]y|[Oo]ur) [\w' -]{{2,30}}, who [^,]{{1,40}}, (?=[a-z])"
)
"""What is not to be cut."""
_APPOSED_EN = re.compile(
    r"\b((?:[Mm]y|[Oo]ur)(?: (?!is\b|are\b|was\b|were\b)[\w'-]+){1,4}), "
    r"((?!I\b)[A-Z][\w'-]*(?: (?:and )?[A-Z][\w'-]*){0,2}), "
    r"(?=[a-z])(?!(?:and|but|so|or|who|which|my|our)\b)"
)
_HELD = str.maketrans(", ", "\ue000\ue001")  # signs that nobody types
_LET_GO = str.maketrans("\ue000\ue001", ", ")
_JOINT_EN = re.compile(r"^\s*(?:and|but|so|well|oh)\b", re.I)
_RELATIVE_EN = re.compile(
    r"(?:which|who|whose|where|when|because|even though|although)\b|"
    r"(?:before|after|while|since|as|if|until|once) (?:I|we|my|our|he|she|they)\b",
    re.I,
)
_NAME_EN = re.compile(r"\d|(?<=[a-z,] )(?!I\b)[A-Z]")

_SAME_EN = re.compile(r"(?:he|she|it|they)(?:'\w+)? |(?:his|her|its|their) name", re.I)
_NAMES_SAME_EN = re.compile(
    r"(?:(?:he|she|it|they)(?:'s|'re| is| are) (?:called|named)|(?:his|her|its|their) names? "
    r"(?:is|are))\b",
    re.I,
)
_OVER_EN = re.compile(
    r"\b(?:quit|stopped|gave up|given up|got rid|sold|left|no longer|used to (?!it\b|the\b))\b",
    re.I,
)
_SPEAKER_EN = re.compile(r"\b(I|I'(m|ve|d|ll)|me|my|mine|we|we'(re|ve|d|ll)|us|ours?)\b", re.I)
_REMEMBER_EN = re.compile(
    r"^(?:(?:and|so|but|oh),? )?(?:please,? )?(?:let me introduce myself[:,]? |"
    r"(?:(?:make|be) sure (?:that )?(?:you |to )?)?(?:remember|note|don't forget|keep in mind)"
    r"(?:,? that |: ?| (?=(?:I|I'\w+|we|we'\w+) |(?:my|our) [\w' -]+ (?:is|are|was|were)\b)))",
    re.I,
)
_REMEMBER_JA = re.compile(r"(だ)?(?:と|って)覚えて(?:おいて)?(?:ください|下さい|ね)*[。！!]*$")
_ASKS_EN = re.compile(
    r"\?|^(and |so |but |now |then |oh,? )?(please|tell|give|show|write|explain|help|let|remind|"
    r"teach|find|make|sing|say|remember|suggest|recommend|describe|list)\b(?! is\b)|"
    r"^(i|we)( just)? (wonder|was wondering|want to know|need you|want you|would like you)\b|"
    r"^i'd like you\b",
    re.I,
)
_EMPTY_EN = re.compile(
    r"^((thanks|thank you|ok|okay|sorry|excuse me|i see|i understand|i (do not|don't) know|"
    r"i agree|my mistake|my apologies)\b[ ,]*)+([a-z]+[ ,]*){0,2}[^a-z]*$",
    re.I,
)
_ASKS_JA = re.compile(
    r"[?？]|(か|かな|かしら|ください|下さい|くれる|ちょうだい|頂戴|教えて|ほしい|欲しい|"
    r"お願い(します|いたします)?|頼みます?|でしょう|だろう|て)[ね。！!]*$"
)
_GREETING_JA = re.compile(
    r"^(?:(?:はじめまして|初めまして|こんにちは|こんばんは|おはよう(?:ございます)?|"
    r"ありがとう(?:ございます)?|はい|ええ|うん|いいえ|いや)[、。！!]+)+"
)
_NAMES_SAME_JA = re.compile(r"名前は")
_OVER_JA = re.compile(r"(?:やめ|辞め|引退し|卒業し|別れ|売り|売っ|手放し)(?:まし|た|て)")
_EMPTY_JA = re.compile(
    r"^(はじめまして|初めまして|こんにちは|こんばんは|おはよう(ございます)?|ありがとう(ございます)?|"
    r"すみません|ごめん(なさい)?|よろしく|はい|ええ|うん|いいえ|なるほど|"
    r"そう(です(か|ね)?|なんです)?|了解(です)?|(分|わ)かりました)"
    r"[、。！!ね]*$"
)

_PERSON = {
    "i": "you",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "we": "you",
    "us": "you",
    "our": "your",
    "ours": "yours",
    "ourselves": "yourselves",
    "i'm": "you're",
    "i've": "you've",
    "i'd": "you'd",
    "i'll": "you'll",
    "we're": "you're",
    "we've": "you've",
    "we'd": "you'd",
    "we'll": "you'll",
}
_IDIOM = r"\bI(?:'ll| can| must|'d)? tell you\b"  # to the listener, not about the speaker
_MINE = r"\b(?:an?|the)(?: [a-z]+)? mine\b"  # where coal is dug
_WORD_OR_IDIOM = re.compile(rf"{_IDIOM}|{_MINE}|[A-Za-z]+(?:'[A-Za-z]+)?", re.I)
_WHEN_OR_WHERE = "in|on|at|by|for|during|before|after|since|every|each|most|last|next|these"
_FRONT_EN = re.compile(
    rf"((?:{_WHEN_OR_WHERE})(?: (?!(?:I|we|you)\b)[\w-]+){{1,4}}) ((?:I|we)\b.+)", re.I
)
_VERB = {"am": "are", "was": "were", "wasn't": "weren't"}
_ADVERB = r"(?:also|always|never|often|once|still|really|only|just|already|usually)"
_AGREEMENT = re.compile(
    rf"\b(you(?: {_ADVERB})?) (am|was|wasn't)\b|\b(am|was|wasn't) (you)\b", re.I
)


def language_of(text: str) -> str:
    """Return ``en`` or ``ja``."""
    return "ja" if is_japanese(text) else "en"


def fact(message: str) -> str:
    """Return the sentences of a user's message that tell about the user; "" if none does.

    They stay together: what follows "I've changed jobs!" belongs to it. Of a long message they are
    the first ones, ``MOST`` characters together.
    """
    message = message.replace("’", "'")
    is_ja = is_japanese(message)
    found = (_SENTENCE_JA if is_ja else _SENTENCE_EN).findall(message)
    telling: list[str] = []
    is_same = False  # what was said last tells, and this sentence may go on about it
    for sentence in (_asked_to_remember(one.strip()) for one in found):
        names_it = is_same and not is_ja and _NAMES_SAME_EN.match(sentence)
        is_same = bool(sentence and len(sentence) <= LONGEST and (names_it or _tells(sentence)))
        if is_same:
            if sum(map(len, telling)) + len(sentence) > MOST:
                break
            telling.append(sentence)
    return ("" if is_ja else " ").join(telling)


def _asked_to_remember(sentence: str) -> str:
    """Return what a sentence asks to be remembered; one that asks for nothing such as it is."""
    if is_japanese(sentence):
        return _REMEMBER_JA.sub(lambda match: "です。" if match[1] else "。", sentence)
    found = _REMEMBER_EN.sub("", sentence)
    return f"{found[:1].upper()}{found[1:]}" if found != sentence else sentence


def told(record: Told) -> str:
    """Return what a record tells: a document's statement as it stands, of what the user said the
    sentences about the user; "" if none is.
    """
    return record.text if record.source else fact(record.text)


def gist(statement: str) -> str:
    """Return the clause of a statement that tells the most of it, without what trails behind.

    The first one in which the speaker stands beside a name or a number, else the first of four
    words or more, else the first with the speaker in it. What is over tells less than what the
    speaker says beside it. If only the next clause has a name, of the same one, both are taken: "We
    got a puppy, she's called Biscuit". What is said of when or where before "I" comes last: an
    answer begins with what it is about. Of Japanese it is the first sentence, without a greeting,
    that tells more than what is over, and the next if it names what the first is about.
    """
    if is_japanese(statement):
        return _gist_ja(statement)
    clauses = clauses_of(statement)
    spoken = [clause for clause in clauses if _SPEAKER_EN.search(clause)]
    named = [clause for clause in spoken if _NAME_EN.search(clause)]
    long = [clause for clause in clauses if len(clause.split()) >= 4]
    named.sort(key=lambda clause: bool(_OVER_EN.search(clause)))
    if any(map(_OVER_EN.search, long)):
        long.sort(key=lambda clause: clause not in spoken or bool(_OVER_EN.search(clause)))
    found = next(iter([*named, *long, *spoken]), "")
    if not found:
        return statement
    after = clauses[clauses.index(found) + 1 :][:1]
    if not named and after and _SAME_EN.match(after[0]) and _NAME_EN.search(after[0]):
        found = f"{found}, {after[0][0].lower()}{after[0][1:]}"
    elif front := _FRONT_EN.fullmatch(found):
        found = f"{front[2]} {front[1][0].lower()}{front[1][1:]}"
    return f"{found[0].upper()}{found[1:]}."


def _gist_ja(statement: str) -> str:
    said = _SENTENCE_JA.findall(_GREETING_JA.sub("", statement))
    sentences = [_GREETING_JA.sub("", one.strip()) for one in said]
    long = [one for one in sentences if len(one) >= LEAST_JA]
    found = next(iter(sorted(long, key=lambda one: bool(_OVER_JA.search(one)))), statement)
    after = sentences[sentences.index(found) + 1 :][:1] if found in sentences else []
    return "".join([found, *(one for one in after if _NAMES_SAME_JA.match(one))])


def clauses_of(statement: str, *, with_relative: bool = False) -> list[str]:
    """Return the main clauses of an English statement, or all; Japanese stays whole."""
    if is_japanese(statement):
        return [statement]
    named = _APPOSED_EN.sub(r"\1 \2 ", statement)
    whole = _WHOLE_EN.sub(lambda match: match[0].translate(_HELD), named)
    parts = [part.translate(_LET_GO) for part in _CLAUSE_EN.split(whole)]
    parts = [_JOINT_EN.sub("", part).strip(" .!") for part in parts]
    return [part for part in parts if with_relative or not _RELATIVE_EN.match(part)]


def said_back(statement: str) -> str:
    """Return a user's statement as one says it back to them."""
    if is_japanese(statement):
        return f"「{statement}」と言っていました。"
    return second_person(statement)


def second_person(statement: str) -> str:
    """Turn an English first person into the second: "I was", "my" → "You were", "your"."""
    turned = _WORD_OR_IDIOM.sub(lambda match: _turned(match[0]), statement)
    turned = _AGREEMENT.sub(_agreed, turned)
    return re.sub(r"(?:^|[.!?] +)you", lambda m: m[0][:-3] + "You", turned)


def _tells(sentence: str) -> bool:
    if is_japanese(sentence):
        return not (_ASKS_JA.search(sentence) or _EMPTY_JA.search(sentence))
    if _ASKS_EN.search(sentence) or _EMPTY_EN.search(sentence):
        return False
    return bool(_SPEAKER_EN.search(sentence))


def _turned(word: str) -> str:
    person = _PERSON.get(word.lower())
    if person is None or word in ("US", "ME"):  # a country, a state
        return word
    is_capital = word[0].isupper() and not word.lower().startswith("i")
    return person.capitalize() if is_capital else person


def _agreed(match: re.Match[str]) -> str:
    if match[1]:
        return f"{match[1]} {_VERB[match[2].lower()]}"
    return f"{_VERB[match[3].lower()]} {match[4]}"
