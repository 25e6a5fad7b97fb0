"""Recall as requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from recall_api.memories.schemas import MemoryView, Tags
from recall_api.text import Moment, Schema, Words

if TYPE_CHECKING:
    from recall_api.search.index import Hit

MAX_QUERY_LENGTH = 2_000


class RecallRequest(Schema):
    """What to look for."""

    query: Annotated[Words, Field(max_length=MAX_QUERY_LENGTH, examples=["What can I not eat?"])]
    limit: Annotated[int, Field(ge=1, le=50, strict=True)] = 10
    tags: Tags = Field(default_factory=list, description="Only memories with all of these tags.")
    occurred_after: Moment | None = Field(default=None, description="Only memories from this time on.")
    occurred_before: Moment | None = Field(default=None, description="Only memories before this time.")


class WordsExplanation(Schema):
    """How a memory was found by its words (BM25)."""

    rank: int
    score: float
    terms: dict[str, float] = Field(description="What each word of the query adds to the score.")


class VectorExplanation(Schema):
    """How a memory was found by its meaning."""

    rank: int
    similarity: float = Field(description="Cosine of the angle between query and memory.")


class Explanation(Schema):
    """Why a memory was found; null where a ranking does not have it."""

    score: float = Field(description="Reciprocal ranks of both, fused.")
    words: WordsExplanation | None
    vector: VectorExplanation | None

    @classmethod
    def of(cls, hit: Hit) -> Explanation:
        """Return the explanation of `hit`."""
        words, vector = hit.words, hit.vector
        return cls(
            score=hit.score,
            words=WordsExplanation(rank=words.rank, score=words.score, terms=words.terms) if words else None,
            vector=VectorExplanation(rank=vector.rank, similarity=vector.similarity) if vector else None,
        )


class RecallHit(Schema):
    """A memory that was found, and why."""

    memory: MemoryView
    explanation: Explanation


class RecallAnswer(Schema):
    """What was found, the best first."""

    hits: list[RecallHit]
    by_meaning: bool = Field(description="False when the embedding model did not answer: words alone were searched.")
