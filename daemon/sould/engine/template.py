"""From a conversation to the token ids a body expects, by its own chat template.

What people wrote must not become control tokens, however it is spelled. So before a
template sees a message, every place where a control token's text begins is marked with a
character that occurs nowhere else; text with marks is then cut at the unmarked control
tokens, which are the template's own, and everything between is encoded as plain text.
Without marks (nearly always) the rendered text is encoded in one go, exactly as Hugging
Face's ``apply_chat_template`` does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Literal

from soul_client.wire import ChatMessage
from sould.engine.bodyfile import BodyFile
from sould.engine.sandbox import SandboxedTemplate, TemplateFault
from sould.engine.tokenizer import Tokenizer
from sould.errors import BodyInvalid

log = logging.getLogger(__name__)

CHATML = """\
{%- if add_bos %}{{ bos_token }}{% endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
"""
PLAIN = """\
{%- if add_bos %}{{ bos_token }}{% endif -%}
{%- set names = {'system': '', 'user': 'User: ', 'assistant': 'Assistant: '} -%}
{%- for message in messages -%}
{{ names[message.role] + message.content + '\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}Assistant:{% endif -%}
"""
PLAIN_STOPS = ("\nUser:", "\nAssistant:")


class ChatTemplate:
    """Renders conversations for one body.

    ``origin``: whose template it is; "chatml" and "plain" are ours, for bodies without one.
    ``stop``: texts that end a reply besides the end-of-text tokens.
    """

    def __init__(
        self,
        body: BodyFile,
        tokenizer: Tokenizer,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Compile the body's template and try it.

        Raises:
            BodyInvalid: it does not compile, or cannot render a simple conversation.
        """
        self.origin: Literal["body", "chatml", "plain"] = "body"
        source = body.chat_template
        if source is None:
            is_chatml = {"<|im_start|>", "<|im_end|>"} <= tokenizer.control.keys()
            self.origin, source = ("chatml", CHATML) if is_chatml else ("plain", PLAIN)
            log.info("%s has no chat template; using %s", body.path.name, self.origin)
        self.stop = PLAIN_STOPS if self.origin == "plain" else ()
        self._path = body.path
        self._tokenizer = tokenizer
        self._guard = _Guard(tokenizer.control)
        self._variables = {**body.special.texts, "add_bos": body.special.add_bos}
        try:
            self._template = SandboxedTemplate(source, now=now)
        except TemplateFault as e:
            raise self._fault(e) from e
        self.render([ChatMessage(role="user", text="Hello")])

    def render(
        self, messages: Sequence[ChatMessage], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """Return the ids of the conversation, ready for the reply.

        A template that refuses a system message, or roles out of turn, gets them merged:
        messages of one role in a row become one, the system text begins the first message.

        Raises:
            BodyInvalid: the template fails on the merged conversation as well.
        """
        mark = _unused_character(messages)
        text = self._text(self._guard.marked(messages, mark), add_generation_prompt)
        if mark not in text:
            return self._tokenizer.encode(text, special=True)
        ids: list[int] = []
        for part, control in self._guard.cut(text, mark):
            if part:
                ids += self._tokenizer.encode(part.replace(mark, ""))
            if control:
                ids.append(self._tokenizer.control[control])
        return ids

    def _text(self, messages: list[ChatMessage], add_generation_prompt: bool) -> str:
        """Render the first form of the conversation that the template takes."""
        merged = _merged(messages)
        faults: list[TemplateFault] = []
        for form in (messages, merged, _without_system(merged)):
            try:
                text = self._template.render(
                    messages=[{"role": m.role, "content": m.text} for m in form],
                    add_generation_prompt=add_generation_prompt,
                    tools=None,
                    documents=None,
                    **self._variables,
                )
            except TemplateFault as e:
                faults.append(e)
                continue
            if form[0].role != "system" or form[0].text.strip() in text:
                return text  # else: it left the system message out without a word
        if not faults:
            raise self._fault(TemplateFault("leaves out the system message"))
        raise self._fault(faults[0]) from faults[0]

    def _fault(self, fault: TemplateFault) -> BodyInvalid:
        return BodyInvalid(f"{self._path}: its chat template {fault}")


class _Guard:
    """Keeps the texts of control tokens in messages apart from those of the template."""

    def __init__(self, control: dict[str, int]) -> None:
        self._texts = sorted((text for text in control if text), key=len, reverse=True)
        self._any = "|".join(map(re.escape, self._texts)) or r"(?!)"
        self._starts = re.compile(f"(?={self._any})")
        self._longest = max(map(len, self._texts), default=0)

    def marked(self, messages: Sequence[ChatMessage], mark: str) -> list[ChatMessage]:
        """Return the messages with ``mark`` wherever a control token's text begins.

        The template's text around a message might complete what it begins or ends with: a
        beginning at the end is marked too, and an ending at the beginning.
        """
        return [
            ChatMessage(role=message.role, text=self._marked(message.text, mark))
            for message in messages
        ]

    def _marked(self, text: str, mark: str) -> str:
        cut = max(0, len(text) - self._longest + 1)
        positions = {match.start() for match in self._starts.finditer(text)}
        positions |= {i for i in range(cut, len(text)) if self._begins_one(text[i:])}
        if any(self._ends_one(text[:n]) for n in range(1, min(self._longest, len(text) + 1))):
            positions.add(0)
        for position in sorted(positions, reverse=True):
            text = text[:position] + mark + text[position:]
        return text

    def cut(self, text: str, mark: str) -> list[tuple[str, str]]:
        """Return pairs of plain text and the control token's text after it, "" at the end."""
        parts = re.split(f"(?<!{re.escape(mark)})({self._any})", text)
        return list(zip(parts[::2], [*parts[1::2], ""], strict=True))

    def _begins_one(self, end: str) -> bool:
        return any(text.startswith(end) for text in self._texts)

    def _ends_one(self, start: str) -> bool:
        return any(text.endswith(start) for text in self._texts)


def _unused_character(messages: Sequence[ChatMessage]) -> str:
    text = "".join(message.text for message in messages)
    return next(chr(code) for code in range(0x10FFFF, 0, -1) if chr(code) not in text)


def _merged(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Join messages of the same role that follow each other."""
    groups = groupby(messages, key=lambda message: message.role)
    return [ChatMessage(role=role, text="\n\n".join(m.text for m in run)) for role, run in groups]


def _without_system(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Put the system text before the first message's."""
    if len(messages) < 2 or messages[0].role != "system":
        return messages
    system, first, *rest = messages
    return [ChatMessage(role=first.role, text=f"{system.text}\n\n{first.text}"), *rest]
