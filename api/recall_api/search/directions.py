"""What a user's memories have in common says little about any one of them, and counts less.

As words that are everywhere do by their idf: vectors of one person's texts share directions (whom they talk to, how
they begin, that they are notes), and plain cosines rank by those. A direction counts the less the more of the
memories' length lies in it: similarity is the cosine under the inverse of their second moment (whitening).

Source: Mu and Viswanath, "All-but-the-Top" (ICLR 2018); Su et al., "Whitening Sentence Representations" (2021). Here
the moment is estimated with a prior that all directions are equal, so that a few memories change next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

AXES: Final = 32
"""Directions that are weighed one by one; the others count alike. More changed nothing that was measured."""
PRIOR: Final = 4
"""Memories for each dimension that the prior is worth."""
SAMPLE: Final = 8_192
"""Memories from which directions are learnt at most."""
_ROUNDS: Final = 12
"""Steps of the subspace iteration; the shares of directions are found well by so many, the last ones too."""


@dataclass(frozen=True)
class Directions:
    """Orthogonal unit vectors, and how much of a squared length along each is not counted (0 to below 1)."""

    axes: NDArray[np.float32]
    discounts: NDArray[np.float32]

    @classmethod
    def common(cls, rows: NDArray[np.float16]) -> Directions:
        """Return the directions that `rows`, unit vectors, have in common; the same for the same rows."""
        dimensions, axes = rows.shape[1], min(AXES, rows.shape[1] - 1)
        sample = (rows[:: -(-len(rows) // SAMPLE)] if len(rows) else rows).astype(np.float32)
        prior = np.eye(dimensions, dtype=np.float32) * PRIOR
        moment = (sample.T @ sample + prior) / (len(sample) + PRIOR * dimensions)
        basis = np.random.default_rng(0).standard_normal((dimensions, axes), np.float32)
        for _ in range(_ROUNDS):
            basis, _triangle = np.linalg.qr(moment @ basis)
        shares, turned = np.linalg.eigh(basis.T @ moment @ basis)
        other = (np.trace(moment) - shares.sum()) / (dimensions - axes)
        return cls(np.asarray(basis @ turned, np.float32), np.maximum(1 - other / shares, 0).astype(np.float32))

    def lengths(self, rows: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return how long each of `rows`, unit vectors, is to be taken."""
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), SAMPLE):  # so that little of them is in single precision at once
            some = slice(start, start + SAMPLE)
            found[some] = np.sqrt(1 - (rows[some].astype(np.float32) @ self.axes) ** 2 @ self.discounts)
        return found

    def weighed(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what, multiplied with a row and divided by its length, is the similarity of unit vector `query`."""
        weighed = query - self.axes @ (self.discounts * (self.axes.T @ query))
        length = float(np.sqrt(query @ weighed))
        return weighed if length == 0 else np.asarray(weighed / length, np.float32)
