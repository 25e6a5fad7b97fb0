"""A search index as bytes: words (as hashes), vectors, dates, tags and what the memories say."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recall_api.search.bm25 import Postings
from recall_api.search.texts import PackedTexts

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT: Final = 3
"""Goes up when the same words would be packed differently: tokens, hashes, layout. Others are not read."""


@dataclass(frozen=True)
class Snapshot:
    """What an index is made of; the arrays' first axis is the slot."""

    ids: NDArray[np.bytes_]
    """26 characters; empty where the slot is free."""
    hashes: NDArray[np.uint8]
    """SHA-256 of the text."""
    postings: Postings
    lengths: NDArray[np.int32]
    occurred: NDArray[np.float64]
    others: bytes
    vectors: NDArray[np.float16]
    """NaN where there is none."""
    texts: PackedTexts

    def to_bytes(self) -> bytes:
        """Return it as one archive of arrays."""
        archive = io.BytesIO()
        np.savez(
            archive,
            format=np.array(FORMAT),
            ids=self.ids,
            hashes=self.hashes,
            keys=self.postings.keys,
            starts=self.postings.starts,
            slots=self.postings.slots,
            parts=self.postings.parts,
            counts=self.postings.counts,
            lengths=self.lengths,
            occurred=self.occurred,
            others=np.frombuffer(self.others, np.uint8),
            vectors=self.vectors,
            text_starts=self.texts.starts,
            text_rows=np.frombuffer(self.texts.rows, np.uint8),
        )
        return archive.getvalue()

    @classmethod
    def from_bytes(cls, packed: bytes, dimensions: int) -> Snapshot:
        """Read it again.

        Raises:
            ValueError: it is of another format, or damaged.
        """
        try:
            with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
                if int(archive["format"]) != FORMAT or archive["vectors"].shape[1] != dimensions:
                    raise ValueError("a snapshot of another format")
                return cls(
                    archive["ids"],
                    archive["hashes"],
                    Postings(*(archive[name] for name in ("keys", "starts", "slots", "parts", "counts"))),
                    archive["lengths"],
                    archive["occurred"],
                    archive["others"].tobytes(),
                    archive["vectors"],
                    PackedTexts(archive["text_starts"], archive["text_rows"].tobytes()),
                )
        except (OSError, KeyError, EOFError, IndexError) as error:
            raise ValueError("a damaged snapshot") from error
