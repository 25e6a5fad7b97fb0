"""Text to search terms: Unicode words, stemmed, and dates as words.

Rules: words are runs of letters and digits after NFKC and case folding; words of scripts that are written without
spaces become overlapping pairs of characters; English words are stemmed (Snowball), others are left as they are.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Final

import snowballstemmer

from recall_api.search.stopwords import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Thai, Lao, Burmese, Khmer, Hiragana, Katakana, Han: Unicode Standard Annex 29 has no word breaks for them."""
_WORD: Final = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_APOSTROPHES: Final = re.compile(r"(?<=\w)['\u2019](?=\w)")
_WRITTEN: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
"""A word as it stands in a text, with its apostrophes."""
_UNSPACED_RUN: Final = re.compile(rf"[{_UNSPACED}]")
MAX_TERM_LENGTH: Final = 64

_MONTHS: Final = ("January February March April May June July August September October November December").split()  # noqa: SIM905 - a list of quoted words is harder to read
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905


@functools.lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@functools.cache
def _stemmer() -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer("english")


def _words(text: str) -> list[str]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(_APOSTROPHES.sub("", text.casefold()))


def terms(text: str) -> list[str]:
    """Return the search terms of `text`, in order and with repetitions."""
    return _terms(_words(text))


def query_terms(text: str) -> list[str]:
    """Return the terms to search for: those of the words that say what is asked, or of all when none does."""
    words = _words(text)
    return _terms([word for word in words if word not in STOP_WORDS] or words)


def spans(text: str, wanted: AbstractSet[str]) -> list[tuple[int, int]]:
    """Return where words of `text` stand whose terms are `wanted`: first character and the one after the last."""
    found: list[tuple[int, int]] = []
    for word in _WRITTEN.finditer(text):
        if _UNSPACED_RUN.match(word[0]):
            pairs = range(word.start(), max(word.start() + 1, word.end() - 1))
            found.extend((at, min(at + 2, word.end())) for at in pairs if wanted & set(terms(text[at : at + 2])))
        elif not wanted.isdisjoint(_word_terms(word[0])):
            found.append(word.span())
    return found


def _word_terms(word: str) -> Sequence[str]:
    """Return the terms of a word as it stands in a text; those of long ones, which are no words, are not kept."""
    return _short_word_terms(word) if len(word) <= MAX_TERM_LENGTH else terms(word)


@functools.lru_cache(maxsize=16_384)
def _short_word_terms(word: str) -> tuple[str, ...]:
    return tuple(terms(word))


def _terms(words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        if _UNSPACED_RUN.match(word):
            found.extend(word[start : start + 2] for start in range(max(1, len(word) - 1)))
        elif word.isascii():
            found.append(_stem(word[:MAX_TERM_LENGTH]))
        else:
            found.append(word[:MAX_TERM_LENGTH])
    return found


def date_terms(moment: datetime) -> list[str]:
    """Return the terms by which a date is found: year, month, day, weekday, as people write them in questions."""
    return terms(f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} {moment.year:04d}")
