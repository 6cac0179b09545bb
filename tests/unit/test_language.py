"""In which language a text is written."""

from __future__ import annotations

import pytest

from sould.language import is_japanese


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("わたしはタムシンです。", True),
        ("Visual Studio Codeが好き", True),
        ("I live in Tokyo.", False),
        ("Tokyo (東京) is the capital of Japan.", False),
        ("My favourite ramen shop is 一蘭.", False),
        ("誕生日は5月4日", True),
        ("東京", True),
        ("12 + 3", False),
    ],
)
def test_a_word_of_it_makes_no_text_japanese(text: str, expected: bool) -> None:
    assert is_japanese(text) is expected
