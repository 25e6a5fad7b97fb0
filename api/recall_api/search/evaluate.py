"""Measures recall on any labelled file: `python -m recall_api.search.evaluate FILE.jsonl [--embedder module:factory]`.

A line is one user: `{"user","memories":[{"id","text","occurred_at"}],"questions":[{"text","relevant":[id]}]}`. The
figures (recall@5, recall@10 and mean reciprocal rank, averaged over questions) of words alone, vectors alone and both
are printed as a table on standard error and as JSON on standard output. Times such as "last spring" are resolved
against the user's latest memory. The default embedder is the instance's, on Bedrock: `RECALL_EMBEDDING_MODEL`,
`RECALL_EMBEDDING_DIMENSIONS` and AWS's usual variables; a factory is a function that returns an `Embedder`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

import boto3
from botocore.config import Config
from pydantic import BaseModel

from recall_api.contract import Environment
from recall_api.identifiers import MemoryId
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.search.embedder import Embedder, titan_body, titan_vector
from recall_api.search.index import UserIndex
from recall_api.search.times import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

DEPTH: Final = 100
"""Hits among which the first relevant one is looked for."""
AT_ONCE: Final = 16
"""Texts that are embedded at once."""
METHODS: Final = ("words", "vectors", "fused")


class LabelledMemory(BaseModel):
    """A memory of a labelled file."""

    id: str
    text: str
    occurred_at: datetime | None = None


class LabelledQuestion(BaseModel):
    """A question, and the ids of the memories that answer it."""

    text: str
    relevant: list[str]


class LabelledUser(BaseModel):
    """A line of a labelled file."""

    user: str
    memories: list[LabelledMemory]
    questions: list[LabelledQuestion]


@dataclass(frozen=True)
class Figures:
    """Means over questions."""

    r5: float
    r10: float
    mrr: float


class BedrockEmbedder:
    """The embedding model that the environment names."""

    def __init__(self) -> None:
        self.dimensions = int(os.environ.get(Environment.EMBEDDING_DIMENSIONS.value) or 256)
        self._model = os.environ.get(Environment.EMBEDDING_MODEL.value) or "amazon.titan-embed-text-v2:0"
        self._client = boto3.client("bedrock-runtime", config=Config(max_pool_connections=AT_ONCE))

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of `text`."""
        answer = await asyncio.to_thread(
            self._client.invoke_model, modelId=self._model, body=titan_body(text, self.dimensions)
        )
        return titan_vector(json.loads(answer["body"].read()), self.dimensions)


def figures(rankings: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Figures:
    """Return the figures of pairs of what was found, best first, and what is relevant; no question without any."""
    r5, r10, mrr = [], [], []
    for found, relevant in rankings:
        wanted = set(relevant)
        if wanted:
            r5.append(len(wanted & set(found[:5])) / len(wanted))
            r10.append(len(wanted & set(found[:10])) / len(wanted))
            mrr.append(next((1 / rank for rank, one in enumerate(found, 1) if one in wanted), 0.0))
    count = max(1, len(mrr))
    return Figures(*(round(sum(values) / count, 4) for values in (r5, r10, mrr)))


def _moment(labelled: LabelledMemory) -> datetime | None:
    at = labelled.occurred_at
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def index_of(user: LabelledUser, vectors: Sequence[NDArray[np.float32]], dimensions: int) -> UserIndex:
    """Return the index that the API would have of a user's memories; ids are their positions."""
    index = UserIndex(dimensions)
    for number, (labelled, vector) in enumerate(zip(user.memories, vectors, strict=True)):
        content = MemoryContent(labelled.text, occurred_at=_moment(labelled))
        moment = datetime.now(UTC)
        memory = Memory(MemoryId(f"{number:026d}"), content, number + 1, moment, moment, Source.TYPED)
        index.put(memory)
        index.put_vector(memory.id, content.content_hash, vector)
    return index


async def embed_all(embedder: Embedder, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    """Return the vectors of `texts`, in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def embed(text: str) -> NDArray[np.float32]:
        async with gate:
            return await embedder.embed(text)

    return await asyncio.gather(*map(embed, texts))


async def evaluate(users: Sequence[LabelledUser], embedder: Embedder) -> dict[str, Figures]:
    """Return the figures of each method over all users' questions."""
    rankings: dict[str, list[tuple[list[str], list[str]]]] = {method: [] for method in METHODS}
    for user in users:
        index = index_of(
            user, await embed_all(embedder, [memory.text for memory in user.memories]), embedder.dimensions
        )
        now = max(filter(None, map(_moment, user.memories)), default=datetime.now(UTC))
        asked = await embed_all(embedder, [question.text for question in user.questions])
        for question, vector in zip(user.questions, asked, strict=True):
            named = times(question.text, now, ZoneInfo("UTC"))
            found = {
                "words": index.rank(question.text, None, limit=DEPTH),
                "vectors": index.rank("", vector, limit=DEPTH),
                "fused": index.rank(question.text, vector, limit=DEPTH, times=named),
            }
            for method, ranked in found.items():
                ids = [user.memories[int(hit.memory_id)].id for hit in ranked]
                rankings[method].append((ids, question.relevant))
    return {method: figures(pairs) for method, pairs in rankings.items()}


def read(path: Path) -> list[LabelledUser]:
    """Return the users of a labelled file.

    Raises:
        pydantic.ValidationError: a line is not as it should be; the message names field and value.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return [LabelledUser.model_validate_json(line) for line in lines if line.strip()]


def embedder_of(name: str | None) -> Embedder:
    """Return the embedder that `module:factory` makes; none is Bedrock's.

    Raises:
        ValueError: the name has no colon.
    """
    if name is None:
        return BedrockEmbedder()
    module, colon, factory = name.partition(":")
    if not colon:
        raise ValueError(f"--embedder: {name!r} names no function; write module:factory")
    return cast("Callable[[], Embedder]", getattr(importlib.import_module(module), factory))()


def table(results: dict[str, Figures]) -> str:
    """Return the figures for people."""
    rows = [f"{method:<10}{one.r5:>8.4f}{one.r10:>8.4f}{one.mrr:>8.4f}" for method, one in results.items()]
    return "\n".join([f"{'':<10}{'r5':>8}{'r10':>8}{'mrr':>8}", *rows])


def main() -> None:
    """Measure one file."""
    parser = argparse.ArgumentParser(prog="recall_api.search.evaluate", description="Measure recall on labelled data.")
    parser.add_argument("file", type=Path, help="JSON lines, one user each")
    parser.add_argument("--embedder", help="module:factory of an embedder instead of Bedrock's")
    arguments = parser.parse_args()
    results = asyncio.run(evaluate(read(arguments.file), embedder_of(arguments.embedder)))
    sys.stderr.write(table(results) + "\n")
    sys.stdout.write(json.dumps({method: vars(one) for method, one in results.items()}) + "\n")


if __name__ == "__main__":
    main()
