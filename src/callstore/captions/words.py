"""What a text is found by: its words, folded. Pure; the same for what is kept and what is asked.

A word is a run of letters, marks and digits in lower case, in NFKC. Of Latin, Greek, Cyrillic,
Hebrew and Arabic letters the accents are dropped. Scripts that write no spaces are found by their
characters and pairs of characters.
"""

import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

LONGEST = 64  # characters of a word that count
SHORTEST_PREFIX = 3  # letters
MOST_TERMS = 50  # of a query; pairs of characters count

_ACCENTED = ("LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC")
_UNSPACED = (
    "CJK",
    "IDEOGRAPHIC",
    "HIRAGANA",
    "KATAKANA",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
)
_TATWEEL = "\N{ARABIC TATWEEL}"  # stretches a word, and is none of its letters


class Term(NamedTuple):
    """What a text must have: the word, or one that begins so."""

    word: str
    prefix: bool = False


def words(texts: Iterable[str]) -> list[str]:
    """The words of all texts, each once, in the order of their first coming."""
    found: dict[str, None] = {}
    for text in texts:
        for run in _runs(text):
            if _is_unspaced(run[0]):
                found |= dict.fromkeys([*run, *_pairs(run)])
            else:
                found[run[:LONGEST]] = None
    return list(found)


def terms(query: str) -> list[Term]:
    """What a query asks for: all of it. A word that ends in `*` stands for all that begin so.

    ValueError where it asks for nothing or too much, or for a prefix of less than three letters."""
    found: dict[Term, None] = {}
    for part in query.split():
        runs = [*_runs(part)]
        for number, run in enumerate(runs, 1):
            if _is_unspaced(run[0]):
                found |= dict.fromkeys(map(Term, _pairs(run) or run))
                continue
            prefix = number == len(runs) and part.endswith("*")
            if prefix and len(run) < SHORTEST_PREFIX:
                raise ValueError(f"a prefix needs at least {SHORTEST_PREFIX} letters")
            found[Term(run[:LONGEST], prefix)] = None
    if not 1 <= len(found) <= MOST_TERMS:
        raise ValueError(
            "must have a word" if not found else f"must have at most {MOST_TERMS} words"
        )
    return list(found)


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _runs(text: str) -> Iterator[str]:
    """Words, and what stands together in a script that writes no spaces."""
    for part in _fold(text).translate(_SEPARATED).split():
        if part.isascii():
            yield part
        else:
            yield from ("".join(run) for _, run in itertools.groupby(part, _is_unspaced))


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded: list[str] = []
    accented = False  # whether what a mark stands on is a letter that drops it
    folding = unicodedata.normalize("NFKC", text).casefold()
    for char in unicodedata.normalize("NFKD", folding):
        if not unicodedata.combining(char):
            accented = _begins(char, _ACCENTED)
        elif accented:
            continue
        folded.append(char)
    return unicodedata.normalize("NFC", "".join(folded))


class _Separated(dict[int, Any]):
    """For str.translate: what is in no word is a space. Filled as characters are seen."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if char == _TATWEEL or kind in ("Cf", "Me") or _begins(char, ("VARIATION SELECTOR",)):
            made = ""  # says how its neighbours look or break, and is none of the letters
        else:
            made = char if kind[0] in "LMN" else " "
        self[code] = made
        return made


_SEPARATED = _Separated()


@cache
def _is_unspaced(char: str) -> bool:
    return _begins(char, _UNSPACED)


@cache
def _begins(char: str, scripts: tuple[str, ...]) -> bool:
    return unicodedata.name(char, "").startswith(scripts)
