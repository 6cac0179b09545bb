"""Chat templates: the ids of transformers, safe from what users write and from their authors."""

from __future__ import annotations

import itertools
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from soul_client.wire import ChatMessage
from sould.engine.bodyfile import open_body
from sould.engine.sandbox import SandboxedTemplate, TemplateFault
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from sould.errors import BodyInvalid
from tests.fakes.tiny_body import CHAT_TEMPLATE, write_tiny_body

TRIMMED = (
    "{%- set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|im_start|>' + message['role'] + '\n\n' + message['content'] | trim"
    " + '<|im_end|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\n' }}"
    "{% endif %}"
)
STRICT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}"
    "{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
BUSY = """\
{%- set ns = namespace(last=0, seen=[]) %}
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages[::-1] %}
    {%- if message.role == 'user' and not message.content.startswith('<tool>') %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
    {%- generation %}{{ '<|im_start|>' ~ message.role ~ '\\n' ~ content }}{% endgeneration %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if tools is not none %}{{ tools | tojson }}{% endif %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}
"""
TEMPLATES = {"chatml": CHAT_TEMPLATE, "trimmed": TRIMMED, "strict": STRICT, "busy": BUSY}

CONVERSATIONS = [
    [("user", "Hello")],
    [("user", "\n\n two\n"), ("assistant", "  yes  "), ("user", "日本語 😀 <b>bold</b> > x <")],
    [("user", "a"), ("assistant", "<think>\nhm\n</think>\n\nb"), ("user", "<tool>c")],
]
WITH_SYSTEM = [("system", "Be kind.\n"), ("user", "Hello"), ("assistant", "Hi"), ("user", "!")]


def messages_of(pairs: list[tuple[str, str]]) -> list[ChatMessage]:
    return [ChatMessage(role=role, text=text) for role, text in pairs]  # type: ignore[arg-type]


def open_template(folder: Path, source: str | None = CHAT_TEMPLATE) -> ChatTemplate:
    body = open_body(write_tiny_body(folder, chat_template=source))
    return ChatTemplate(body, Tokenizer.of(body), now=lambda: datetime(2024, 2, 29))


def spelled(folder: Path, ids: list[int]) -> str:
    """Return the text of ``ids`` with control tokens shown."""
    return str(AutoTokenizer.from_pretrained(folder).decode(ids))


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        *itertools.product(TEMPLATES, CONVERSATIONS),
        *((name, WITH_SYSTEM) for name in TEMPLATES if name != "strict"),
    ],
)
@pytest.mark.parametrize("prompts", [True, False])
def test_ids_equal_those_of_transformers(
    tmp_path: Path, name: str, pairs: list[tuple[str, str]], prompts: bool
) -> None:
    template = open_template(tmp_path, TEMPLATES[name])
    reference = AutoTokenizer.from_pretrained(tmp_path)
    ids = template.render(messages_of(pairs), add_generation_prompt=prompts)
    assert ids == reference.apply_chat_template(
        [{"role": role, "content": text} for role, text in pairs],
        add_generation_prompt=prompts,
        return_dict=False,
    )


def test_the_date_is_the_clocks(tmp_path: Path) -> None:
    source = "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}"
    ids = open_template(tmp_path, source).render(messages_of([("user", "x")]))
    assert spelled(tmp_path, ids) == "29 Feb 2024x"


# What users write

PIECES = {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_", "start|>", "end|>", "im_end"} | {
    *("<", "|", ">", "<|", "|>", "user", "\n", " ", "日", "\U0010ffff", "\U0010fffe")
}
FRAGMENTS = st.lists(st.sampled_from(sorted(PIECES)), max_size=8).map("".join)


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ChatTemplate]:
    folder = tmp_path_factory.mktemp("chatml")
    return folder, open_template(folder)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, min_size=1, max_size=4))
def test_nothing_users_write_becomes_a_control_token(
    chatml: tuple[Path, ChatTemplate], texts: list[str]
) -> None:
    """As many control tokens as the template itself writes, and not a character changed."""
    folder, template = chatml
    roles = ["user", "assistant"] * 2
    ids = template.render(messages_of(list(zip(roles, texts, strict=False))))
    expected = "".join(
        f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in zip(roles, texts, strict=False)
    )
    assert [i for i in ids if i >= 256] == [257, 258] * len(texts) + [257]
    assert spelled(folder, ids) == expected + "<|im_start|>assistant\n"


def test_a_control_token_is_not_completed_across_messages(tmp_path: Path) -> None:
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    template = open_template(tmp_path, source)
    pairs = [("user", "<|im_"), ("assistant", "end|>"), ("user", "x")]
    ids = template.render(messages_of(pairs))
    assert spelled(tmp_path, ids) == "<|im_end|>x"
    assert max(ids) < 256


def test_a_control_token_is_not_completed_by_the_template(tmp_path: Path) -> None:
    template = open_template(tmp_path, "{{ messages[0].content }}im_end|>")
    ids = template.render(messages_of([("user", "<|")]))
    assert spelled(tmp_path, ids) == "<|im_end|>"
    assert max(ids) < 256


# Conversations a template does not take as they are


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (WITH_SYSTEM, "[INST] Be kind.\n\n\nHello [/INST]Hi<|im_end|>[INST] ! [/INST]"),
        ([("user", "a"), ("user", "b")], "[INST] a\n\nb [/INST]"),
        (
            [("system", "s"), ("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")],
            "[INST] s\n\na\n\nb [/INST]c<|im_end|>[INST] d [/INST]",
        ),
    ],
)
def test_roles_a_template_refuses_are_merged(
    tmp_path: Path, pairs: list[tuple[str, str]], expected: str
) -> None:
    ids = open_template(tmp_path, STRICT).render(messages_of(pairs))
    assert spelled(tmp_path, ids) == "<|im_start|>" + expected


def test_a_system_message_that_a_template_drops_is_kept(tmp_path: Path) -> None:
    source = "{% for m in messages if m.role != 'system' %}{{ m.role ~ m.content }}{% endfor %}"
    ids = open_template(tmp_path, source).render(messages_of(WITH_SYSTEM[:2]))
    assert spelled(tmp_path, ids) == "userBe kind.\n\n\nHello"


def test_a_conversation_no_form_of_which_is_taken_is_an_error(tmp_path: Path) -> None:
    source = "{% if messages|length > 1 %}{{ raise_exception('one only') }}{% endif %}ok"
    template = open_template(tmp_path, source)
    with pytest.raises(BodyInvalid, match="chat template refuses: one only"):
        template.render(messages_of(CONVERSATIONS[1]))


# Bodies without a template


def test_chatml_is_used_where_the_vocabulary_has_it(tmp_path: Path) -> None:
    template = open_template(tmp_path, None)
    assert (template.origin, template.stop) == ("chatml", ())
    with_one = open_template(tmp_path / "with", CHAT_TEMPLATE)
    assert with_one.origin == "body"
    assert template.render(messages_of(WITH_SYSTEM)) == with_one.render(messages_of(WITH_SYSTEM))


def test_plain_names_are_used_where_it_has_not(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path, chat_template=None)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / file).read_text()
        (folder / file).write_text(
            text.replace("<|im_start|>", "<s>").replace("<|im_end|>", "</s>")
        )
    body = open_body(folder)
    template = ChatTemplate(body, Tokenizer.of(body))
    assert template.origin == "plain"
    assert template.stop == ("\nUser:", "\nAssistant:")
    ids = template.render(messages_of(WITH_SYSTEM))
    expected = "Be kind.\n\nUser: Hello\nAssistant: Hi\nUser: !\nAssistant:"
    assert spelled(folder, ids) == expected


# What authors of templates write

HOSTILE = {
    "syntax": ("{% if", "does not compile"),
    "nesting": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "does not compile"),
    "too long": ("x" * 2_000_000, "is 2000000 characters"),
    "classes": ("{{ ''.__class__.__mro__ }}", "unsafe"),
    "internals": ("{{ self.__init__.__globals__ }}", "unsafe"),
    "changes": ("{{ messages.append(1) }}", "unsafe|fails"),
    "recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
    "power": ("{% set x = 9 %}{{ x ** x ** x ** x ** x }}", "too large"),
    "product": ("{% set x = 2 ** 4000 %}{{ x * x }}", "too large"),
    "repetition": ("{{ 'a' * 999999999 }}", "too large"),
    "range": ("{% for i in range(999999999) %}{% endfor %}", "fails"),
    "output": ("{% for i in range(99999) %}{{ 'a' * 999 }}{% endfor %}", "puts out more than"),
    "refusal": ("{{ raise_exception('never') }}", "refuses: never"),
    "type error": ("{{ messages + 1 }}", "fails"),
    "import": ("{% import 'os' as os %}", "fails"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused_when_it_is_opened(tmp_path: Path, name: str) -> None:
    source, message = HOSTILE[name]
    with pytest.raises(BodyInvalid, match=message) as caught:
        open_template(tmp_path, source)
    assert str(tmp_path) in str(caught.value)


def test_a_template_that_takes_for_ever_is_stopped() -> None:
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    before, started = sys.gettrace(), time.monotonic()
    with pytest.raises(TemplateFault, match=r"takes longer than 0\.2 s"):
        SandboxedTemplate(loops, limit_s=0.2).render()
    assert time.monotonic() - started < 2
    assert sys.gettrace() is before
