"""mem0's search on a labelled file, in mem0's own virtual environment: prints what it found for each question.

`python mem0_search.py FILE.jsonl` writes one JSON line a question: `{"found":[id],"relevant":[id]}`. Memories are
added as they are (`infer=False`: no language model rewrites them) and embedded by the same wordllama model that
Recall's figures are made with; the vector store is mem0's default, Qdrant in process. Nothing else is set.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

DEPTH = 100


class Embedder:
    """wordllama's vectors, as mem0 asks for them."""

    def __init__(self) -> None:
        import wordllama

        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, dim=256, disable_download=True)

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Return the unit vector of a text."""
        del memory_action
        return [float(number) for number in self._model.embed([text], norm=True)[0]]

    def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:
        """Return the unit vectors of texts."""
        return [self.embed(text, memory_action) for text in texts]


def new_memory(folder: str, embedder: Embedder) -> Any:
    """Return a mem0 whose data lies in `folder`."""
    from mem0 import Memory

    memory = Memory.from_config(
        {
            "embedder": {"provider": "openai", "config": {"embedding_dims": 256}},
            "vector_store": {"provider": "qdrant", "config": {"path": f"{folder}/qdrant", "embedding_model_dims": 256}},
            "history_db_path": f"{folder}/history.db",
        }
    )
    memory.embedding_model = embedder
    return memory


def main() -> None:
    """Store and search."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": folder, "OPENAI_API_KEY": "not-used"}
        logging.disable(logging.WARNING)
        memory = new_memory(folder, Embedder())
        for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
            user = json.loads(line)
            ids: dict[str, str] = {}
            for one in user["memories"]:
                added = memory.add(
                    one["text"], user_id=user["user"], infer=False, metadata={"occurred_at": one["occurred_at"]}
                )
                ids.update(dict.fromkeys((result["id"] for result in added["results"]), one["id"]))
            for question in user["questions"]:
                found = memory.search(question["text"], filters={"user_id": user["user"]}, top_k=DEPTH)["results"]
                answer = {"found": [ids[hit["id"]] for hit in found], "relevant": question["relevant"]}
                sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
