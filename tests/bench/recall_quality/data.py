"""The labelled set for measuring recall: memories and questions of six invented people, and its evaluation format.

`python tests/bench/recall_quality/data.py > FILE.jsonl` writes the lines that `recall_api.search.evaluate` reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent


class Kind(StrEnum):
    """What a question asks of the search; README.md tells how each kind was written."""

    EXACT = "exact"
    PARAPHRASE = "paraphrase"
    DATE = "date"
    PERSON = "person"
    MULTI = "multi"
    HARD = "hard"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Memory(_Entry):
    """One memory; its id is unique in the whole set."""

    id: str
    text: str
    occurred_at: AwareDatetime


class Question(_Entry):
    """One question with every memory that answers it, and similar memories of the same user that do not."""

    kind: Kind
    text: str
    relevant: tuple[str, ...]
    near_misses: tuple[str, ...]


class Person(_Entry):
    """One user's memories, oldest first, and the questions about them."""

    user: str
    memories: tuple[Memory, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Asked:
    """A question with the user whose memories it is asked of."""

    user: str
    question: Question


def people() -> tuple[Person, ...]:
    """Read the whole set, ordered by user.

    Raises:
        pydantic.ValidationError: a file has a field that is missing, unknown or malformed.
    """
    reader = TypeAdapter(Person)
    return tuple(reader.validate_json(path.read_bytes()) for path in sorted(FOLDER.glob("user-*.json")))


def asked(kind: Kind | None = None) -> Iterator[Asked]:
    """Yield every question, or those of one kind, with its user."""
    for person in people():
        for question in person.questions:
            if kind in {None, question.kind}:
                yield Asked(person.user, question)


def evaluation_lines() -> Iterator[str]:
    """Yield one JSON line a user, in the evaluation format.

    That is `{"user","memories":[{"id","text","occurred_at"}],"questions":[{"text","relevant":[id]}]}`.
    """
    for person in people():
        line = person.model_dump(mode="json")
        line["questions"] = [{"text": question.text, "relevant": question.relevant} for question in person.questions]
        yield json.dumps(line, ensure_ascii=False)


if __name__ == "__main__":
    for line in evaluation_lines():
        print(line)
