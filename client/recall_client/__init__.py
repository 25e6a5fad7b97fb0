"""A typed Python client for Recall, synchronous (`Recall`) and asynchronous (`AsyncRecall`).

Both send the same calls (`calls`), read the same answers (`models`), repeat by the same rule (`retries`) and raise the
same errors (`errors`); only the waiting differs.
"""

from recall_client.asynchronous import AsyncRecall
from recall_client.errors import (
    ChangedError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotReachedError,
    ProblemError,
    RateLimitedError,
    RecallError,
    TruncatedError,
    UnauthorizedError,
    UnavailableError,
)
from recall_client.models import (
    ChatEvent,
    Citation,
    Delta,
    Done,
    Explanation,
    Found,
    Guardrail,
    Hit,
    ImportReport,
    Memory,
    Proposal,
    Recalled,
    RecalledMemory,
    Started,
    Stored,
)
from recall_client.synchronous import Recall

__all__ = [
    "AsyncRecall",
    "ChangedError",
    "ChatEvent",
    "Citation",
    "Delta",
    "Done",
    "DuplicateError",
    "Explanation",
    "ForbiddenError",
    "Found",
    "Guardrail",
    "Hit",
    "ImportReport",
    "InvalidRequestError",
    "Memory",
    "NotFoundError",
    "NotReachedError",
    "ProblemError",
    "Proposal",
    "RateLimitedError",
    "Recall",
    "RecallError",
    "Recalled",
    "RecalledMemory",
    "Started",
    "Stored",
    "TruncatedError",
    "UnauthorizedError",
    "UnavailableError",
]
