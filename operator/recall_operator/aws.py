"""The one door to AWS: boto3 clients built once, called on threads of their own, within each service's rate.

Every request of the operator goes through `Aws.call`, so rates, timeouts, metrics and logs are decided here, and a
test can stand in for AWS (or fail any single call) at one place.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recall_operator.errors import THROTTLED, aws_code
from recall_operator.metrics import AWS_RATE, AWS_REQUESTS, AWS_SECONDS
from recall_operator.rate import TokenBucket

_log = structlog.get_logger(__name__)

THREADS: Final = 32
"""boto3 blocks; the event loop's own pool would have only six threads on two processors."""

RATES: Final[dict[str, tuple[float, int]]] = {
    "dynamodb": (200.0, 400),
    "cognito-idp": (15.0, 15),
    "iam": (15.0, 30),
    "eks": (15.0, 30),
    "resourcegroupstaggingapi": (5.0, 10),
    "route53": (5.0, 10),
}
"""Reads a second and burst that the operator allows itself for each service, below the account's quotas.

Sources: Service Quotas of DynamoDB (control plane: 2,500 a second), Cognito (UserPoolClientRead: 15 a second),
Resource Groups Tagging (GetResources: 15 a second), Route 53 (5 a second and account). IAM and EKS publish no figures.
All of them shrink while AWS throttles (`TokenBucket.throttled`).
"""
WRITE_RATES: Final[dict[str, tuple[float, int]]] = {"dynamodb": (50.0, 100), "cognito-idp": (5.0, 15), "eks": (5.0, 20)}
"""The same for writes, where they have a bucket of their own: Cognito's UserPoolClientUpdate is 5 a second and pool."""

THROTTLED_TRIES: Final = 4
"""How often one request is sent when AWS throttles it; then the pass backs off."""

_PAGING: Final[dict[str, dict[str, str]]] = {
    "list_user_pool_clients": {"NextToken": "NextToken"},
    "list_tags_of_resource": {"NextToken": "NextToken"},
    "list_pod_identity_associations": {"nextToken": "nextToken"},
    "get_resources": {"PaginationToken": "PaginationToken"},
    "get_account_authorization_details": {"Marker": "Marker"},
    "list_resource_record_sets": {
        "NextRecordName": "StartRecordName",
        "NextRecordType": "StartRecordType",
        "NextRecordIdentifier": "StartRecordIdentifier",
    },
}
"""For each paged operation, what an answer says of the next page and how the next request says it.

boto3's own paginators can't be slowed down or counted between their pages.
"""

_READ = re.compile(r"^(describe|get|list)_")


def is_write(operation: str) -> bool:
    """Whether a boto3 `operation` such as `create_table` changes anything."""
    return _READ.match(operation) is None


class AwsCaller(Protocol):
    """What parts need of AWS."""

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation and return its answer."""
        ...

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """Call a paged operation to its end and return all items under `key`."""
        ...


class Aws:
    """boto3 behind asyncio. Endpoints and credentials are boto3's own business (environment, Pod Identity)."""

    def __init__(self, region: str, rates: dict[str, tuple[float, int]] = RATES) -> None:
        session = boto3.session.Session(region_name=region)
        config = Config(
            connect_timeout=3,
            read_timeout=10,
            max_pool_connections=THREADS,
            # Throttling is answered below, where all requests to a service slow down together and are counted.
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="recall-operator",
        )
        self._clients: dict[str, Any] = {name: session.client(name, config=config) for name in rates}  # type: ignore[call-overload]
        self._buckets = {name: TokenBucket(*pace) for name, pace in rates.items()}
        self._write_buckets = {name: TokenBucket(*pace) for name, pace in WRITE_RATES.items() if name in rates}
        for name, bucket in self._buckets.items():
            AWS_RATE.labels(name).set_function(lambda bucket=bucket: bucket.rate)  # type: ignore[misc]
        self._executor = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="aws")

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation of a service and return its answer.

        Args:
            service: boto3's name of the service, such as `dynamodb`.
            operation: boto3's name of the method, such as `describe_table`.
            parameters: the method's own.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        bucket = self._buckets[service]
        if is_write(operation):
            bucket = self._write_buckets.get(service, bucket)
        for remaining in reversed(range(THROTTLED_TRIES)):
            await bucket.take()
            try:
                answer = await self._once(service, operation, parameters)
            except ClientError as error:
                if aws_code(error) not in THROTTLED:
                    raise
                bucket.throttled()
                if not remaining:
                    raise
            else:
                bucket.succeeded()
                return answer
        raise AssertionError("the last try returns or raises")

    async def _once(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self._clients[service], operation)
        outcome, began = "ok", time.monotonic()
        try:
            answer: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(
                self._executor, lambda: method(**parameters)
            )
        except (ClientError, BotoCoreError) as error:
            outcome = aws_code(error) or type(error).__name__
            raise
        finally:
            AWS_REQUESTS.labels(service, operation, outcome).inc()
            AWS_SECONDS.labels(service).observe(time.monotonic() - began)
            if is_write(operation):
                _log.info("aws write", service=service, operation=operation, outcome=outcome)
        return answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """Call a paged operation to its end and return all items under `key`.

        Raises:
            botocore.exceptions.ClientError: AWS refused it.
            botocore.exceptions.BotoCoreError: no answer came.
        """
        items: list[dict[str, Any]] = []
        following: dict[str, Any] = {}
        while True:
            answer = await self.call(service, operation, **parameters, **following)
            items += answer.get(key, [])
            following = {given: answer[told] for told, given in _PAGING[operation].items() if answer.get(told)}
            if not following:
                return items

    def close(self) -> None:
        """Stop the threads; calls under way are waited for."""
        self._executor.shutdown()
