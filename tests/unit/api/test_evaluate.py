"""Labelled files as others write them: what is measured, what is refused, and with which words."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from recall_api.search.embedder import EmbeddingRefusedError
from recall_api.search.evaluate import LabelledFileError, embedder_of, evaluate, main, read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CATS = {"id": "a", "text": "The cat has a kidney disease", "occurred_at": "2024-03-15T10:00:00Z"}
BOATS = {"id": "b", "text": "We rented a boat", "occurred_at": None}
ASKED = {"text": "what does the cat have", "relevant": ["a"]}


class Letters:
    """Counts letters, and refuses what is long."""

    dimensions = 26

    async def embed(self, text: str) -> NDArray[np.float32]:
        """Return a vector that knows no words."""
        if len(text) > 50_000:
            raise EmbeddingRefusedError("ValidationException")
        return np.array([text.lower().count(chr(97 + number)) for number in range(26)], np.float32)


def line(**changed: object) -> str:
    return json.dumps({"user": "u", "memories": [CATS, BOATS], "questions": [ASKED]} | changed, ensure_ascii=False)


def written(path: Path, *lines: str) -> Path:
    file = path / "labelled.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def measured(file: Path) -> dict[str, Any]:
    return {method: vars(one) for method, one in asyncio.run(evaluate(read(file), Letters())).items()}


@pytest.mark.parametrize(
    "lines",
    [
        (line(), "", "  ", line(questions=[])),
        ("\ufeff" + line(),),
        (line() + "\r", line() + "\r"),
        (line(memories=[{"id": "a", "text": "a cat\u2028in two lines"}, BOATS]),),
        (line(memories=[CATS, CATS, BOATS]),),
        (line(memories=[CATS, {"id": "c", "text": "x" * 60_000}, {"id": "d", "text": ""}, {"id": "e", "text": "!"}]),),
        (line(memories=[{"id": 7, "text": "cat", "seen": True}], questions=[{"text": "cat", "relevant": [7]}]),),
        (line(questions=[ASKED, {"text": "", "relevant": []}]),),
    ],
    ids=["blank", "mark", "windows", "separator", "twice", "huge and empty", "numbers and more", "empty question"],
)
def test_odd_files_are_measured(tmp_path: Path, lines: tuple[str, ...]) -> None:
    found = measured(written(tmp_path, *lines))
    assert found["words"] == found["fused"] == {"r5": 1, "r10": 1, "mrr": 1}


def test_labels_that_name_nothing_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, line(), line(questions=[ASKED | {"relevant": ["a", "z"]}, ASKED | {"relevant": ["y"]}]))
    assert measured(file)["words"]["r5"] == 1
    assert f"{file}:2: 2 relevant ids name no memory and are left out: y, z" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((line(), "{"), ":2: line: Invalid JSON"),
        ((line(), "", line(memories=[{"id": "a"}])), ":3: memories.0.text: Field required"),
        ((line(memories=[CATS | {"occurred_at": "soon"}]),), ":1: memories.0.occurred_at: "),
        ((line(memories=[CATS, BOATS | {"id": "a"}]),), ":1: memories: two different ones have the id 'a'"),
        ((line(questions=[]),), ": no question with a relevant memory"),
        ((), ": no question with a relevant memory"),
    ],
)
def test_what_cannot_be_measured_names_its_line(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    file = written(tmp_path, *lines)
    with pytest.raises(LabelledFileError) as refused:
        read(file)
    assert str(refused.value).startswith(f"{file}{message}")


@pytest.mark.parametrize("name", ["nothing", "recall_api:nothing", "no.such.module:factory"])
def test_an_embedder_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"--embedder: '{name}'"):
        embedder_of(name)


def test_the_command_ends_with_2_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tmp_path / "missing.jsonl")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "missing.jsonl" in capsys.readouterr().err
