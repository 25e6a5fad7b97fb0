"""The one door to AWS: boto3 clients built once, called on threads of their own, within each service's rate.

Every request of the operator goes through `Aws.call`, so rates, timeouts, metrics and logs are decided here, and a
test can stand in for AWS (or fail any single call) at one place.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from recall_operator.aws.service_models import lean_session
from recall_operator.errors import THROTTLED, LeaseLostError, aws_code
from recall_operator.requests.asking import asking
from recall_operator.requests.late_writes import CONNECT_SECONDS, READ_SECONDS
from recall_operator.requests.rate import Crowd, TokenBucket, any_chance
from recall_operator.requests.write_gate import WriteGate
from recall_operator.telemetry.metrics import AWS_RATE, AWS_REQUESTS, AWS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = structlog.get_logger(__name__)

THREADS: Final = 32
"""boto3 blocks; the event loop's own pool would have only six threads on two processors."""

RATES: Final[dict[str, tuple[float, int]]] = {
    "dynamodb": (200.0, 400),
    "cognito-idp": (15.0, 15),
    "iam": (15.0, 30),
    "eks": (15.0, 30),
    "acm": (6.0, 8),
    "resourcegroupstaggingapi": (5.0, 10),
    "route53": (5.0, 10),
    "bedrock": (5.0, 10),
}
"""Reads a second and burst that the operator allows itself for each service, below the account's quotas.

Sources: Service Quotas of DynamoDB (control plane: 2,500 a second), Cognito (UserPoolClientRead: 15 a second),
Resource Groups Tagging (GetResources: 15 a second), ACM (ListCertificates: 8 a second, DescribeCertificate and
ListTagsForCertificate: 10), Route 53 (5 a second and account). IAM, EKS and Bedrock's control plane publish no figures.
All of them shrink while AWS throttles (`TokenBucket.throttled`).
"""
WRITE_RATES: Final[dict[str, tuple[float, int]]] = {
    "dynamodb": (50.0, 100),
    "cognito-idp": (5.0, 15),
    "eks": (5.0, 20),
    "bedrock": (2.0, 5),
    "acm": (4.0, 5),
}
"""The same for writes, where they have a bucket of their own: Cognito's UserPoolClientUpdate is 5 a second and pool,
ACM's RequestCertificate and AddTagsToCertificate are 5 a second."""
OPERATION_RATES: Final[dict[str, tuple[float, int]]] = {
    "list_backups": (4.0, 4),
    "describe_backup": (8.0, 8),
    "delete_backup": (8.0, 8),
}
"""The same for operations with a quota of their own, which throttles nothing else of their service.

Source: DynamoDB API Reference: ListBackups 5 a second, DescribeBackup and DeleteBackup 10 (CreateBackup 50, within
what all writes get).
"""

THROTTLED_TRIES: Final = 4
"""How often one request is sent when AWS throttles it; then the pass backs off."""
THROTTLED_SECONDS: Final = 0.2
"""The wait of a throttled request before its second try, on average; each further one is twice as long."""

PAGE_SIZES: Final[dict[str, tuple[str, Any]]] = {
    "list_user_pool_clients": ("MaxResults", 60),
    "list_pod_identity_associations": ("maxResults", 100),
    "get_resources": ("ResourcesPerPage", 100),
    "list_guardrails": ("maxResults", 1000),
    "get_account_authorization_details": ("MaxItems", 100),
    "list_resource_record_sets": ("MaxItems", "300"),
}
"""The page that is asked for: the largest that AWS gives (source: each operation's API reference), and of roles, whose
policies come with them, a hundred: a thousand would be four megabytes of XML at once."""

_PAGING: Final[dict[str, dict[str, str]]] = {
    "list_user_pool_clients": {"NextToken": "NextToken"},
    "list_tags_of_resource": {"NextToken": "NextToken"},
    "list_pod_identity_associations": {"nextToken": "nextToken"},
    "list_backups": {"LastEvaluatedBackupArn": "ExclusiveStartBackupArn"},
    "list_guardrails": {"nextToken": "nextToken"},
    "get_resources": {"PaginationToken": "PaginationToken"},
    "get_account_authorization_details": {"Marker": "Marker"},
    "list_certificates": {"NextToken": "NextToken"},
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

    def __init__(
        self,
        region: str,
        rates: dict[str, tuple[float, int]] = RATES,
        *,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
        gate: WriteGate | None = None,
    ) -> None:
        """Make the clients.

        Args:
            region: where the services are asked.
            rates: requests a second and burst for each service; no other service can be asked.
            elsewhere: the regions of services that are asked in another one, by name.
            gate: what every write passes on the thread that sends it; open when there is none.
        """
        self._gate = gate or WriteGate()
        session = lean_session(region)
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=THREADS,
            # Throttling is answered below, where all requests to a service slow down together and are counted.
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="recall-operator",
        )
        self._clients: dict[str, Any] = {
            name: session.client(name, region_name=elsewhere.get(name, region), config=config)  # type: ignore[call-overload]
            for name in rates
        }
        self._buckets = {name: TokenBucket(*pace) for name, pace in rates.items()}
        self._write_buckets = {name: TokenBucket(*pace) for name, pace in WRITE_RATES.items() if name in rates}
        self._operation_buckets = {name: TokenBucket(*pace) for name, pace in OPERATION_RATES.items()}
        for name, bucket in self._buckets.items():
            AWS_RATE.labels(name).set_function(lambda bucket=bucket: bucket.rate)  # type: ignore[misc]
        self._crowds = {name: Crowd() for name in rates}
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
            LeaseLostError: it was a write, and another replica may have begun to work.
        """
        bucket = self._buckets[service]
        if is_write(operation):
            bucket = self._write_buckets.get(service, bucket)
        bucket = self._operation_buckets.get(operation, bucket)
        asked, crowd = asking(), self._crowds[service]
        for attempt in range(THROTTLED_TRIES):
            await bucket.take(background=asked.background)
            try:
                answer = await self._once(service, operation, parameters)
            except ClientError as error:
                if aws_code(error) not in THROTTLED:
                    raise
                if crowd.throttled(asked.instance):
                    bucket.throttled()
                if attempt == THROTTLED_TRIES - 1:
                    raise
                await asyncio.sleep(2 * any_chance() * THROTTLED_SECONDS * 2**attempt)
            else:
                crowd.served(asked.instance)
                bucket.succeeded()
                return answer
        raise AssertionError("the last try returns or raises")

    async def _once(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self._clients[service], operation)
        outcome, began = "ok", time.monotonic()

        def send() -> dict[str, Any]:
            with self._gate.write() if is_write(operation) else nullcontext():
                answer: dict[str, Any] = method(**parameters)
            return answer

        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._executor, send)
        except (ClientError, BotoCoreError, LeaseLostError) as error:
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
        size = dict([PAGE_SIZES[operation]]) if operation in PAGE_SIZES else {}
        while True:
            answer = await self.call(service, operation, **parameters, **size, **following)
            items += answer.get(key, [])
            following = {given: answer[told] for told, given in _PAGING[operation].items() if answer.get(told)}
            if not following:
                return items

    def close(self) -> None:
        """Stop the threads; calls under way are waited for."""
        self._executor.shutdown()
