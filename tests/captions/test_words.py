"""What a text is found by."""
# ruff: noqa: RUF001 - punctuation of other scripts

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstore.captions.words import LONGEST, Term, terms, words

TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Café à l'Élysée, naïve", ["cafe", "a", "l", "elysee", "naive"]),
        ("Straße GROẞ", ["strasse", "gross"]),
        ("Ελλάδα Ἑλλάς", ["ελλαδα", "ελλασ"]),
        ("Ёлка и йод", ["елка", "и", "иод"]),
        ("שָׁלוֹם", ["שלום"]),
        ("مَرْحَبًا أحمـــد", ["مرحبا", "احمد"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),  # whose marks are vowels
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("你好，世界", ["你", "好", "你好", "世", "界", "世界"]),
        ("ｶﾞﾗｽ", ["ガ", "ラ", "ス", "ガラ", "ラス"]),
        ("iPhone手机", ["iphone", "手", "机", "手机"]),
        ("3.14 x_y don't", ["3", "14", "x", "y", "don", "t"]),
        ("ﬁne ＷＩＤＥ ①", ["fine", "wide", "1"]),
        ("… — 👍🏽 ! ❤️ 1️⃣", ["1"]),
        ("I ❤️you", ["i", "you"]),
        ("葛\U000e0100城", ["葛", "城", "葛城"]),
        ("Straßen\u00adbahn अन्\u200dय", ["strassenbahn", "अन्य"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words([text]) == found


def test_terms() -> None:
    assert terms("Caf* au lait") == [Term("caf", prefix=True), Term("au"), Term("lait")]
    assert terms("世界 界") == [Term("世界"), Term("界")]
    assert terms("東京都*") == [Term("東京"), Term("京都")]
    assert terms("don't*!") == [Term("don"), Term("t")]
    assert terms("aujourd'hui*") == [Term("aujourd"), Term("hui", prefix=True)]


@given(TEXTS)
def test_a_text_has_all_that_it_asks_for(text: str) -> None:
    """Unless it asks for nothing, or for a prefix that is too short."""
    found = words([text])
    try:
        asked = terms(text)
    except ValueError:
        return
    for term in asked:
        assert any(
            word.startswith(term.word) if term.prefix else word == term.word for word in found
        )


@given(TEXTS)
def test_a_word_is_its_own_word(text: str) -> None:
    for word in words([text]):
        assert word in words([word])
        assert 1 <= len(word) <= LONGEST
        assert not word.isspace()


@given(TEXTS, st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
def test_case_does_not_count(text: str, other: object) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()
    assert words([other(ascii_text)]) == words([ascii_text])  # type: ignore[operator]


@given(st.lists(TEXTS, max_size=5))
def test_each_word_comes_once(texts: list[str]) -> None:
    found = words(texts)
    assert len(found) == len(set(found))
    assert set(found) == {word for text in texts for word in words([text])}
