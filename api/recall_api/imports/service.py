"""Imports: what is in a file and not yet among the memories is stored, or only told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recall_api.identifiers import MemoryId, new_memory_id
from recall_api.imports.formats import Candidate, Rejected
from recall_api.imports.schemas import ImportFormat, ImportReport, Proposal, RejectedLine
from recall_api.memories.model import Draft, MemoryContent, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recall_api.identifiers import UserId
    from recall_api.imports.reader import Reader
    from recall_api.memories.service import MemoryService

MAX_MEMORIES: Final = 20_000
"""Memories that one import may hold."""
AT_ONCE: Final = 100
REJECTS_SHOWN: Final = 100
SAMPLES_SHOWN: Final = 5
PROPOSALS_SHOWN: Final = 500


@dataclass
class _Tally:
    """What was found so far."""

    read: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejects: list[RejectedLine] = field(default_factory=list)
    samples: list[Proposal] = field(default_factory=list)
    complete: bool = True


def draft_of(candidate: Candidate, kind: ImportFormat) -> Draft:
    """Return the memory to store; what Recall exported keeps its id, times and provenance."""
    line = candidate.memory
    content = MemoryContent(
        text=line.text,
        tags=tuple(line.tags),
        occurred_at=line.occurred_at,
        pinned=line.pinned,
        never_send_to=tuple(line.never_send_to),
    )
    return Draft(
        id=MemoryId(line.id) if line.id else new_memory_id(),
        content=content,
        source=line.source or Source.IMPORTED,
        origin=line.origin or ("" if line.source else kind.value),
        created_at=line.created_at,
        updated_at=line.updated_at,
    )


class ImportService:
    """Imports of one user at a time."""

    def __init__(self, memories: MemoryService, reader: Reader) -> None:
        self._memories = memories
        self._reader = reader

    async def run(
        self, user_id: UserId, kind: ImportFormat, body: AsyncIterator[bytes], *, dry_run: bool
    ) -> ImportReport:
        """Read a file to its end, or to the limit, and store what is new unless it is a dry run.

        It can be done again at any time: what is there already is a duplicate.
        """
        tally, seen = _Tally(), set[bytes]()
        waiting: list[Draft] = []
        async for found in self._reader.candidates(kind, body):
            if isinstance(found, Rejected):
                tally.rejected += 1
                if len(tally.rejects) < REJECTS_SHOWN:
                    tally.rejects.append(RejectedLine(line=found.line, field=found.field, message=found.message))
                continue
            if tally.read == MAX_MEMORIES:
                tally.complete = False
                break
            tally.read += 1
            draft = draft_of(found, kind)
            name = bytes.fromhex(draft.content.content_hash)
            if name in seen:
                tally.duplicates += 1
                continue
            seen.add(name)
            waiting.append(draft)
            if len(waiting) == AT_ONCE:
                await self._store(user_id, kind, waiting, tally, dry_run=dry_run)
                waiting = []
        await self._store(user_id, kind, waiting, tally, dry_run=dry_run)
        return ImportReport(format=kind, dry_run=dry_run, **vars(tally))

    async def _store(
        self, user_id: UserId, kind: ImportFormat, drafts: list[Draft], tally: _Tally, *, dry_run: bool
    ) -> None:
        if dry_run:
            known = await self._memories.known(user_id, [draft.content.content_hash for draft in drafts])
            new = [draft for draft in drafts if draft.content.content_hash not in known]
        else:
            results = await self._memories.create_many(user_id, drafts)
            new = [draft for draft, (_, is_new) in zip(drafts, results, strict=True) if is_new]
        tally.stored += len(new)
        tally.duplicates += len(drafts) - len(new)
        room = (PROPOSALS_SHOWN if kind.is_chat else SAMPLES_SHOWN) - len(tally.samples)
        for draft in new[: max(room, 0)]:
            content = draft.content
            tally.samples.append(Proposal(text=content.text, tags=list(content.tags), occurred_at=content.occurred_at))
