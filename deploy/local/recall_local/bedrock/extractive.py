"""How the built-in model chooses what to quote: pure functions.

It looks for the memories nearest to the question by meaning (cosine of sentence vectors) and by words in common, and
says nothing that is not in them. It is meant to make the whole stack work without a language model, not to be one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recall_local.bedrock.conversation import Memory

LABEL = "(built-in model: it quotes your memories and does not reason) "

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_WORD = 3
_COMMON = frozenset(
    """
    about all and any are been but can did does for from had has have her him his how into its just like may more most
    not our out own she should some than that the their them then there these they this those was were what when where
    which who whom whose why will with would you your know tell remember recall please again ever
    always get give keep long make made many much must need never really take thing use used using want write
    """.split()  # noqa: SIM905 - sixty words in quotes of their own would be harder to read
)
_MOST_QUOTES = 3
_WORDS_WEIGHT = 0.6
_LEAST_SCORE = 0.17
_SHARE_OF_BEST = 0.75


@dataclass(frozen=True)
class Quote:
    """A part of a memory worth quoting."""

    memory: Memory
    block: int
    text: str


def words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, lower case, a plural's s removed."""
    found = (word.lower() for word in _WORD.findall(text))
    return frozenset(
        word[:-1] if word.endswith("s") and not word.endswith("ss") else word
        for word in found
        if len(word) >= _SHORTEST_WORD and word not in _COMMON
    )


def score(question: frozenset[str], text: frozenset[str], cosine: float) -> float:
    """Return how well a text fits a question: its cosine, and the share of the question's words that it has."""
    shared = len(question & text) / len(question) if question else 0.0
    return max(cosine, 0.0) + _WORDS_WEIGHT * shared


def choose(question: str, candidates: Sequence[Quote], cosines: Sequence[float]) -> list[Quote]:
    """Return the quotes that answer `question`, best first: at most three, none when none fits.

    Args:
        question: the user's words.
        candidates: every text that was given.
        cosines: similarity of each candidate to the question, -1 to 1.
    """
    asked = words(question)
    scored = [
        (score(asked, words(candidate.text), cosine), place)
        for place, (candidate, cosine) in enumerate(zip(candidates, cosines, strict=True))
    ]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    if not scored or scored[0][0] < _LEAST_SCORE:
        return []
    least = max(_LEAST_SCORE, scored[0][0] * _SHARE_OF_BEST)
    return [candidates[place] for value, place in scored[:_MOST_QUOTES] if value >= least]


def candidates(memories: Sequence[Memory]) -> list[Quote]:
    """Return every text block of every memory, without blank ones."""
    return [
        Quote(memory, block, text.strip())
        for memory in memories
        for block, text in enumerate(memory.texts)
        if text.strip()
    ]


def introduction(memories: int, quotes: int) -> str:
    """Return the words before the quotes, or instead of them."""
    if quotes:
        return LABEL + ("This memory fits your question:" if quotes == 1 else "These memories fit your question:")
    if memories:
        number = "The one memory" if memories == 1 else f"None of the {memories} memories"
        return LABEL + (
            f"{number} that I was given does not answer this."
            if memories == 1
            else f"{number} that I was given answers this."
        )
    return LABEL + "I was given no memory with this question, so I have nothing to quote."


def quotation(quote: Quote) -> str:
    """Return the quote as it stands in an answer; one that came as text keeps its marker."""
    marker = f" [{quote.memory.marker}]" if quote.memory.marker else ""
    return f"\n\u201c{quote.text}\u201d{marker}"
