"""mem0's `Memory` behind the two routes of its REST server that store and search; runs in the peers' environment.

mem0's server is not on PyPI; its routes hand the request to `Memory.add` and `Memory.search`, and so do these. The
embedder is mem0's own for Bedrock, the store mem0's default, Qdrant in process. `infer` is false: no language model
rewrites what is stored, as none does in Recall.

    python -P mem0_server.py PORT FOLDER
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

FOLDER = sys.argv[2]
os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": FOLDER, "OPENAI_API_KEY": "not-used"}

import uvicorn  # noqa: E402 - mem0 reads its environment when it is imported
from fastapi import FastAPI  # noqa: E402
from mem0 import Memory  # noqa: E402
from pydantic import BaseModel  # noqa: E402

MODEL = "amazon.titan-embed-text-v2:0"


class Stored(BaseModel):
    """A memory to store."""

    messages: list[dict[str, str]]
    user_id: str
    infer: bool = False


class Search(BaseModel):
    """What to look for."""

    query: str
    user_id: str
    limit: int = 10


memory = Memory.from_config(
    {
        "embedder": {
            "provider": "aws_bedrock",
            "config": {"model": MODEL, "embedding_dims": 256, "aws_region": os.environ["AWS_REGION"]},
        },
        "vector_store": {"provider": "qdrant", "config": {"path": f"{FOLDER}/qdrant", "embedding_model_dims": 256}},
        "history_db_path": f"{FOLDER}/history.db",
    }
)
app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    """Say that it answers."""
    return {"status": "ok"}


@app.post("/memories")
def add(body: Stored) -> Any:
    """Store."""
    return memory.add(body.messages, user_id=body.user_id, infer=body.infer)


@app.post("/search")
def search(body: Search) -> Any:
    """Search."""
    return memory.search(body.query, filters={"user_id": body.user_id}, top_k=body.limit)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
