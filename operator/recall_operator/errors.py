"""Which errors are worth trying again, and what a user should read about each.

Recoverable errors (throttling, missing rights, eventual consistency, something that is still changing) back off and
are tried again. Terminal errors (a value that AWS or Kubernetes refuses) are the same at every try: they wait for a
new generation of the spec, or for the slow resync, and show as `Stalled`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)


@dataclass(frozen=True)
class Failure:
    """One error as the status shows it."""

    reason: str
    message: str
    terminal: bool = False
    broken: bool = True
    """Whether something is wrong that people should look at; not so while AWS only asks to wait."""


class ApiServerError(Exception):
    """The Kubernetes API refused a request.

    Attributes:
        status: HTTP status code; 0 when no answer came.
        reason: Kubernetes' machine-readable reason, such as `Conflict`.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class LeaseLostError(Exception):
    """Somebody else holds the Lease, or may before long: write nothing more, and stop."""


NOT_FOUND: Final = frozenset(
    {
        "ResourceNotFoundException",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotFoundException",
        "TableNotFoundException",
    }
)

THROTTLED: Final = frozenset(
    {
        # The names differ by service; botocore's own retry list is the source.
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
    }
)

_WAIT: Final = THROTTLED | frozenset(
    {
        # Something is still changing, or another request was first: the next look at it will tell.
        "ConcurrentModification",
        "ConcurrentModificationException",
        "ConflictException",
        "ManagedLoginBrandingExistsException",
        "ResourceInUseException",
        "EntityAlreadyExists",
        "TableInUseException",
        "BackupInUseException",
        "ContinuousBackupsUnavailableException",
        # Too many table operations at once, rather than a value (DynamoDB: 500 at a time); but see `_COUNTED`.
        "LimitExceededException",
    }
)

_TERMINAL: Final = frozenset(
    {
        "ValidationException",
        "ValidationError",
        "InvalidParameterException",
        "InvalidParameter",
        "InvalidParameterValue",
        "InvalidInput",
        "InvalidOAuthFlowException",
        "ScopeDoesNotExistException",
        "MalformedPolicyDocument",
        "MalformedPolicyDocumentException",
        "InvalidTagException",
    }
)

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorizedException"})


_MISSING: Final = NOT_FOUND | {"NoSuchHostedZone"}
"""Of what parts look for themselves they expect that it may be missing; what is left here, the platform names."""

_QUOTA: Final = frozenset(
    {
        "ServiceQuotaExceededException",
        "TooManyTagsException",
        "LimitExceeded",  # IAM
        "ResourceLimitExceededException",  # EKS
    }
)

_COUNTED: Final = frozenset({"RequestCertificate", "CreateUserPoolClient", "CreateManagedLoginBranding"})
"""Operations whose LimitExceededException speaks of how many there may be, and not of how many at a time.

Sources: API References of ACM and of Cognito user pools.
"""

_NOT_SEEN_YET: Final = re.compile(r"role provided in the request does not exist", re.IGNORECASE)
"""What EKS says, as of a wrong value, of a role that IAM made a moment ago: its copies of IAM's data lag behind.

The association names a role that is made just before it, so it is never anything else.
"""

_IN_THE_WAY: Final = frozenset({"DeleteConflict", "DeleteConflictException"})


_FORBIDDEN_BY_POLICY: Final = re.compile(r"exceeded quota|admission webhook .* denied the request", re.IGNORECASE)
"""What Kubernetes answers with 403, as to a missing right, where a right would not help.

Sources: Kubernetes' plugin ResourceQuota and its webhooks' `ToStatusErr`.
"""

_BEING_TERMINATED: Final = "because it is being terminated"
"""Of a namespace, in a 403 too: its instances are about to go. Source: Kubernetes' plugin NamespaceLifecycle."""


def aws_code(error: BaseException) -> str | None:
    """Return AWS's code of `error`, such as `ResourceNotFoundException`; None when it is no answer of AWS."""
    if isinstance(error, ClientError):
        code: str = error.response.get("Error", {}).get("Code", "Unknown")
        return code
    return None


def is_not_found(error: BaseException) -> bool:
    """Whether `error` says that the thing does not exist."""
    return aws_code(error) in NOT_FOUND or (isinstance(error, ApiServerError) and error.status == 404)


def _classify_aws(error: ClientError) -> Failure:
    code = aws_code(error) or "Unknown"
    operation = error.operation_name
    message = f"{operation}: {error.response.get('Error', {}).get('Message') or code}"
    quota = code in _QUOTA or (code == "LimitExceededException" and operation in _COUNTED)
    if (code in _WAIT and not quota) or _NOT_SEEN_YET.search(message):
        return Failure("Waiting", f"{message} ({code}); it is tried again.", broken=False)
    if code in _TERMINAL:
        return Failure(
            "RefusedByAWS", f"{message} ({code}). Correct the spec; it is tried again when it changes.", True
        )
    if code in _DENIED:
        return Failure("AccessDenied", f"{message}. Give the operator's IAM role the right to {operation}.")
    if code in _MISSING:
        remedy = "Make what the platform document names, or correct the document; it is tried again."
        return Failure("Missing", f"{message} ({code}). {remedy}")
    if quota:
        remedy = "Delete what is not needed any more, or ask AWS for a higher quota (Service Quotas)"
        return Failure("QuotaExceeded", f"{message} ({code}). {remedy}; it is tried again.")
    if code in _IN_THE_WAY:
        remedy = "Take off what others put on it, or set the part's field in spec.deletionPolicy to Retain"
        return Failure("InTheWay", f"{message} ({code}). {remedy}; it is tried again.")
    return Failure("AWSError", f"{message} ({code}); it is tried again.")


def _classify_kubernetes(error: ApiServerError) -> Failure:
    match error.status:
        case 400 | 422:
            return Failure(
                "RefusedByKubernetes", f"{error}. Correct the spec; it is tried again when it changes.", True
            )
        case 403 if _BEING_TERMINATED in str(error):
            return Failure("Waiting", f"{error}; it is tried again.", broken=False)
        case 403 if _FORBIDDEN_BY_POLICY.search(str(error)):
            remedy = "Change the quota or the policy, or what it forbids in the spec"
            return Failure("RefusedByKubernetes", f"{error}. {remedy}; it is tried again.")
        case 401 | 403:
            return Failure("AccessDenied", f"{error}. Give the operator's service account the right.")
        case 404 | 409 | 429:
            return Failure("Waiting", f"{error}; it is tried again.", broken=False)
        case _:
            return Failure("KubernetesUnavailable", f"{error}; it is tried again.", broken=False)


def classify(error: BaseException) -> Failure:
    """Return what the status shows for `error`, and whether trying again can help."""
    if isinstance(error, ClientError):
        return _classify_aws(error)
    if isinstance(error, ApiServerError):
        return _classify_kubernetes(error)
    if isinstance(error, LeaseLostError):
        return Failure("Waiting", f"{error}; another replica goes on.", broken=False)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        # A pod is given its role when it starts.
        remedy = "Give the operator's service account its IAM role (EKS Pod Identity), and restart its pods"
        return Failure("AccessDenied", f"{error}. {remedy}.")
    if isinstance(error, ParamValidationError):
        # botocore knows AWS's own bounds and does not even send what breaks them.
        return Failure("RefusedByAWS", f"{error}. Correct the spec; it is tried again when it changes.", True)
    if isinstance(error, BotoCoreError):
        return Failure("AWSUnreachable", f"{type(error).__name__}: {error}; it is tried again.", broken=False)
    return Failure("InternalError", f"{type(error).__name__}: {error}. Please report it; it is tried again.")
