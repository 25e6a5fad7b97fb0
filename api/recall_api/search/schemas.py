"""Recall as requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from recall_api.memories.schemas import MemoryView, Tags
from recall_api.text import Moment, Schema, Words

if TYPE_CHECKING:
    from recall_api.search.index import Hit
    from recall_api.search.times import Time

MAX_QUERY_LENGTH = 2_000


def known_zone(name: str) -> str:
    """Return `name`.

    Raises:
        pydantic_core.PydanticCustomError: it is no IANA time zone.
    """
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("time_zone", "must be an IANA time zone such as Europe/Berlin") from None


Query = Annotated[Words, Field(max_length=MAX_QUERY_LENGTH, examples=["What can I not eat?"])]
TimeZone = Annotated[
    str,
    Field(
        max_length=64,
        description='IANA time zone in which times of the query, such as "last spring", are meant.',
        examples=["Europe/Berlin"],
    ),
    AfterValidator(known_zone),
]


class RecallRequest(Schema):
    """What to look for."""

    query: Query
    limit: Annotated[int, Field(ge=1, le=50, strict=True)] = 10
    tags: Tags = Field(default_factory=list, description="Only memories with all of these tags.")
    occurred_after: Moment | None = Field(default=None, description="Only memories from this time on.")
    occurred_before: Moment | None = Field(default=None, description="Only memories before this time.")
    time_zone: TimeZone = "UTC"


class Span(Schema):
    """A part of a text, in characters (Unicode code points)."""

    start: int
    end: int = Field(description="The character after the last one.")


class WordsExplanation(Schema):
    """How a memory was found by its words (BM25)."""

    rank: int
    score: float
    terms: dict[str, float] = Field(
        description="What each word of the query adds to the score; in a long text, in its best passage."
    )
    spans: list[Span] = Field(description="Where those words stand in the text, to be highlighted.")


class VectorExplanation(Schema):
    """How a memory was found by its meaning."""

    rank: int
    similarity: float = Field(description="-1 to 1: a cosine that gives less weight to what all memories share.")


class TimeSpan(Schema):
    """A time that the query names."""

    words: str = Field(description="What the query says.")
    start: datetime
    end: datetime = Field(description="The moment after it.")

    @classmethod
    def of(cls, time: Time) -> TimeSpan:
        """Return the schema of `time`."""
        return cls(words=time.words, start=time.start, end=time.end)


class TimeExplanation(TimeSpan):
    """How a memory was found by a time that the query names: it happened then."""

    score: float = Field(description="What that adds to the score.")


class Explanation(Schema):
    """Why a memory was found; null where a ranking does not have it."""

    score: float = Field(
        description="Words (0 to 0.55), vector (0 to 0.45) and time (0.5), each scaled to its best hit."
    )
    words: WordsExplanation | None
    vector: VectorExplanation | None
    time: TimeExplanation | None = None

    @classmethod
    def of(cls, hit: Hit) -> Explanation:
        """Return the explanation of `hit`."""
        words, vector, time = hit.words, hit.vector, hit.time
        spans = [Span(start=start, end=end) for start, end in hit.spans]
        return cls(
            score=hit.score,
            words=WordsExplanation(rank=words.rank, score=words.score, terms=words.terms, spans=spans)
            if words
            else None,
            vector=VectorExplanation(rank=vector.rank, similarity=vector.similarity) if vector else None,
            time=TimeExplanation(**dict(TimeSpan.of(time.time)), score=time.score) if time else None,
        )


class RecallHit(Schema):
    """A memory that was found, and why."""

    memory: MemoryView
    explanation: Explanation


class RecallAnswer(Schema):
    """What was found, the best first."""

    hits: list[RecallHit]
    by_meaning: bool = Field(description="False when the embedding model did not answer: words alone were searched.")
    times: list[TimeSpan] = Field(description="Times that the query names, as they were understood.")
