"""Users' data keys: made and unwrapped by KMS, kept in memory for minutes, forgotten when their user leaves.

A key is made at a user's first write. Of several pods that make one at the same moment, the one that stores its key
first wins, and the others take that. A pod that can't get a key from KMS answers 503; what is stored stays as it is.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from botocore.exceptions import ClientError

from recall_api.contract import CONTEXT_TABLE, CONTEXT_USER
from recall_api.encryption.cipher import DATA_KEY_BYTES, UserCipher
from recall_api.encryption.repository import Added
from recall_api.errors import ProblemError, error_code, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from recall_api.aws import Aws
    from recall_api.encryption.repository import WrappedKeyRepository
    from recall_api.identifiers import UserId
    from recall_api.telemetry import Metrics

MOST_KEPT: Final = 10_000
"""Users whose key one pod keeps, about 10 MB; the least recently used goes first."""
ATTEMPTS: Final = 4
"""How often making a key is tried against other pods."""
RETRY_AFTER_SECONDS: Final = 5


def keys_unavailable(reason: str) -> ProblemError:
    """Return the error for a data key that KMS does not give out now; `reason` is its code, or what happened."""
    return ProblemError(
        503,
        "key-unavailable",
        "Data key unavailable",
        f"The key service (AWS KMS) does not give out this user's data key: {reason}. Nothing is lost; try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


class UnreadableError(ProblemError):
    """There is no key (any more) for what is stored: trying again does not help."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "unreadable",
            "Unreadable",
            "What is stored is sealed by a data key that is not in this instance's keys table. Nothing was changed; "
            "the operator of this Recall can bring back the table that holds the key, if it is still there.",
        )


class UserKeys:
    """The users' ciphers, as far as this pod needs them."""

    def __init__(
        self,
        aws: Aws,
        wrapped: WrappedKeyRepository,
        metrics: Metrics,
        *,
        kms_key: str,
        table: str,
        kept_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say how to come by keys and how long to keep them.

        Args:
            aws: Where KMS is.
            wrapped: Where wrapped keys are.
            metrics: Where keys, and refusals, are counted.
            kms_key: ARN of the key that wraps them.
            table: Name of the table that holds them.
            kept_seconds: How long one is kept unwrapped, in s.
            clock: Tells the time in s.
        """
        self._aws = aws
        self._wrapped = wrapped
        self._metrics = metrics
        self._kms_key = kms_key
        self._table = table
        self._kept_seconds = kept_seconds
        self._clock = clock
        self._kept: OrderedDict[UserId, tuple[float, UserCipher]] = OrderedDict()
        self._leaving: frozenset[UserId] = frozenset()
        self._locks: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()
        self._nobodys = UserCipher(os.urandom(DATA_KEY_BYTES))

    async def to_read(self, user_id: UserId) -> UserCipher:
        """Return the cipher that opens what the user stored.

        Raises:
            ProblemError: there is none (any more), or KMS does not unwrap it; 503 either way.
        """
        found = await self._found(user_id)
        if found is None:
            raise UnreadableError
        return found

    async def to_look_up(self, user_id: UserId) -> UserCipher:
        """Return the cipher for fingerprints of what is looked for; anybody's for one who never wrote: none is found.

        Raises:
            ProblemError: KMS does not unwrap the key (503).
        """
        return await self._found(user_id) or self._nobodys

    async def to_write(self, user_id: UserId) -> UserCipher:
        """Return the cipher that seals what the user writes, made now if this is the first.

        Raises:
            ProblemError: KMS does not give a key, the account is being deleted, or its key was lost; 503 each.
        """
        for attempt in range(ATTEMPTS):
            if (found := await self._found(user_id)) is not None:
                return found
            async with self._lock(user_id):
                if (made := await self._made(user_id)) is not None:
                    return made
            await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter
        raise unavailable("Storage")

    def forget(self, leaving: Collection[UserId]) -> None:
        """Let go of the keys of those whose account is being deleted, and of those that are too old.

        `leaving` are all of them, as this pod last read them: it is called every few seconds.
        """
        self._leaving = frozenset(leaving)
        now = self._clock()
        for user_id in [user for user, (until, _) in self._kept.items() if until <= now or user in self._leaving]:
            del self._kept[user_id]
        self._metrics.user_keys.set(len(self._kept))

    def _lock(self, user_id: UserId) -> asyncio.Lock:
        return self._locks.setdefault(user_id, asyncio.Lock())

    def _known(self, user_id: UserId) -> UserCipher | None:
        kept = self._kept.get(user_id)
        if kept is None or kept[0] <= self._clock():
            return None
        self._kept.move_to_end(user_id)
        return kept[1]

    async def _found(self, user_id: UserId) -> UserCipher | None:
        if (known := self._known(user_id)) is not None:
            return known
        async with self._lock(user_id):
            if (known := self._known(user_id)) is not None:
                return known
            wrapped = await self._wrapped.get(user_id)
            if wrapped is None:
                return None
            blob = base64.b64encode(wrapped).decode()
            answer = await self._kms("Decrypt", user_id, CiphertextBlob=blob, KeyId=self._kms_key)
            return self._keep(user_id, answer["Plaintext"])

    async def _made(self, user_id: UserId) -> UserCipher | None:
        """Make the user's key; none when another pod was first."""
        # One who has anything had a key: a new one would open nothing of it, and hide that the old one is lost.
        if await self._wrapped.get(user_id) is not None:
            return None
        if await self._wrapped.has_content(user_id):
            if await self._wrapped.get(user_id) is not None:
                return None  # another pod made it, and wrote, meanwhile
            raise UnreadableError
        answer = await self._kms("GenerateDataKey", user_id, KeyId=self._kms_key, KeySpec="AES_256")
        added = await self._wrapped.add(user_id, base64.b64decode(answer["CiphertextBlob"]))
        if added is Added.LEAVING:
            raise UnreadableError
        return self._keep(user_id, answer["Plaintext"]) if added is Added.STORED else None

    def _keep(self, user_id: UserId, plain: str) -> UserCipher:
        cipher = UserCipher(base64.b64decode(plain))
        if user_id not in self._leaving:
            self._kept[user_id] = self._clock() + self._kept_seconds, cipher
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            self._metrics.user_keys.set(len(self._kept))
        return cipher

    async def _kms(self, operation: str, user_id: UserId, **parameters: Any) -> dict[str, Any]:
        context = {CONTEXT_TABLE: self._table, CONTEXT_USER: user_id}
        try:
            return await self._aws.kms(operation, **parameters, EncryptionContext=context)
        except (ClientError, ProblemError) as error:
            code = error_code(error) if isinstance(error, ClientError) else "it does not answer"
            self._metrics.user_keys_refused.labels(code if isinstance(error, ClientError) else "unreachable").inc()
            raise keys_unavailable(code) from error
