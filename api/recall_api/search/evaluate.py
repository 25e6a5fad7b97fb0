"""Measures recall on any labelled file: `python -m recall_api.search.evaluate FILE.jsonl [--embedder module:factory]`.

A line is one user: `{"user","memories":[{"id","text","occurred_at"}],"questions":[{"text","relevant":[id]}]}`. The
figures (recall@5, recall@10 and mean reciprocal rank, averaged over questions) of words alone, vectors alone and both
are printed as a table on standard error and as JSON on standard output. Times such as "last spring" are resolved
against the user's latest memory. A text that can't be embedded (empty, or refused by the model) is found by its words.
A file that can't be measured is refused with the line and what is wrong with it (exit code 2). The default embedder is
the instance's, on Bedrock: `RECALL_EMBEDDING_MODEL`, `RECALL_EMBEDDING_DIMENSIONS` and AWS's usual variables; a
factory is a function that returns an `Embedder`.
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
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from recall_api.contract import Environment
from recall_api.errors import error_code
from recall_api.identifiers import MemoryId
from recall_api.memories.model import Memory, MemoryContent, Source
from recall_api.search.embedder import REFUSALS, Embedder, EmbeddingRefusedError, titan_body, titan_vector
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


class LabelledFileError(ValueError):
    """A labelled file can't be measured; the message names line, field and what is wrong."""


class _Labelled(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class LabelledMemory(_Labelled):
    """A memory of a labelled file."""

    id: str
    text: str
    occurred_at: datetime | None = None


class LabelledQuestion(_Labelled):
    """A question, and the ids of the memories that answer it."""

    text: str
    relevant: list[str]


class LabelledUser(_Labelled):
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
        try:
            answer = await asyncio.to_thread(
                self._client.invoke_model, modelId=self._model, body=json.dumps(titan_body(text, self.dimensions))
            )
        except ClientError as error:
            if error_code(error) in REFUSALS:
                raise EmbeddingRefusedError(error_code(error)) from None
            raise
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


def index_of(user: LabelledUser, vectors: Sequence[NDArray[np.float32] | None], dimensions: int) -> UserIndex:
    """Return the index that the API would have of a user's memories; ids are their positions."""
    index = UserIndex(dimensions)
    for number, (labelled, vector) in enumerate(zip(user.memories, vectors, strict=True)):
        content = MemoryContent(labelled.text, occurred_at=_moment(labelled))
        moment = datetime.now(UTC)
        memory = Memory(MemoryId(f"{number:026d}"), content, number + 1, moment, moment, Source.TYPED)
        index.put(memory)
        if vector is not None:
            index.put_vector(memory.id, content.content_hash, vector)
    return index


async def embed_all(embedder: Embedder, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
    """Return the vectors of `texts`, in order; none of a text that is empty or refused."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def embed(text: str) -> NDArray[np.float32] | None:
        async with gate:
            try:
                return await embedder.embed(text) if text.strip() else None
            except EmbeddingRefusedError:
                return None

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
    """Return the users of a labelled file; labels that name no memory are left out, and said on standard error.

    Raises:
        LabelledFileError: a line is not as it should be, or the whole file asks nothing.
        OSError: the file can't be read.
    """
    users = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            try:
                users.append(_checked(LabelledUser.model_validate_json(line), f"{path}:{number}"))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                field = ".".join(map(str, first["loc"])) or "line"
                raise LabelledFileError(f"{path}:{number}: {field}: {first['msg']}") from None
    if not any(question.relevant for user in users for question in user.questions):
        raise LabelledFileError(f"{path}: no question with a relevant memory; there is nothing to measure")
    return users


def _checked(user: LabelledUser, place: str) -> LabelledUser:
    """Leave out memories that are there twice, and labels that name none."""
    memories: dict[str, LabelledMemory] = {}
    for memory in user.memories:
        if memories.setdefault(memory.id, memory) != memory:
            raise LabelledFileError(f"{place}: memories: two different ones have the id {memory.id!r}")
    unknown = {one for question in user.questions for one in question.relevant} - memories.keys()
    if unknown:
        names = ", ".join(sorted(unknown)[:3])
        sys.stderr.write(f"{place}: {len(unknown)} relevant ids name no memory and are left out: {names}\n")
    questions = [
        LabelledQuestion(text=question.text, relevant=[one for one in question.relevant if one in memories])
        for question in user.questions
    ]
    return LabelledUser(user=user.user, memories=list(memories.values()), questions=questions)


def embedder_of(name: str | None) -> Embedder:
    """Return the embedder that `module:factory` makes; none is Bedrock's.

    Raises:
        ValueError: the name has no colon, or there is no such function.
    """
    if name is None:
        return BedrockEmbedder()
    module, colon, factory = name.partition(":")
    if not colon:
        raise ValueError(f"--embedder: {name!r} names no function; write module:factory")
    try:
        made = cast("Callable[[], Embedder]", getattr(importlib.import_module(module), factory))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--embedder: {name!r} can't be loaded: {error}") from None
    return made()


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
    try:
        users, embedder = read(arguments.file), embedder_of(arguments.embedder)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    results = asyncio.run(evaluate(users, embedder))
    sys.stderr.write(table(results) + "\n")
    sys.stdout.write(json.dumps({method: vars(one) for method, one in results.items()}) + "\n")


if __name__ == "__main__":
    main()
