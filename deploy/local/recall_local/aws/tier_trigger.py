"""The function that tells the tier in tokens, run by the emulated Cognito: the same file and rights as on AWS."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

from recall_local.images import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FUNCTIONS: Final = ROOT / "infra" / "recall_infra" / "functions"
_LIMIT_SECONDS: Final = 10
"""A loaded machine is slower than Lambda; on AWS the function's own limit holds."""
_TIMEOUT_SECONDS: Final = 30


def function_name(stack_name: str) -> str:
    """Return the name of a stack's function."""
    return f"recall-{stack_name}-tier"


def rights(*, region: str, account_id: str, cluster: str, pool_id: str) -> dict[str, Any]:
    """Return the policy of the function's role."""
    text = (_FUNCTIONS / "tier-rights.json").read_text()
    for name, value in {"region": region, "account": account_id, "cluster": cluster, "pool": pool_id}.items():
        text = text.replace(f"{{{name}}}", value)
    return {"Version": "2012-10-17", "Statement": json.loads(text)}


def packed() -> bytes:
    """Return the function's code as Lambda takes it; the same code gives the same bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("handler.py"), (_FUNCTIONS / "tier" / "handler.py").read_bytes())
    return archive.getvalue()


def prepare_trigger(client: Callable[[str], Any], name: str, role_arn: str, endpoint: str) -> str:
    """Make or update the function, and return its ARN.

    Args:
        client: makes boto3 clients.
        name: of the function.
        role_arn: what it runs as.
        endpoint: address of the emulated AWS, as the function reaches it.
    """
    functions = client("lambda")
    settings: Mapping[str, Any] = {
        "Runtime": "python3.14",
        "Handler": "handler.handler",
        "Role": role_arn,
        "Timeout": _TIMEOUT_SECONDS,
        "MemorySize": 256,
        "Environment": {"Variables": {"AWS_ENDPOINT_URL": endpoint, "RECALL_TIER_LIMIT_SECONDS": str(_LIMIT_SECONDS)}},
    }
    try:
        made = functions.create_function(FunctionName=name, Code={"ZipFile": packed()}, **settings)
    except functions.exceptions.ResourceConflictException:
        functions.update_function_code(FunctionName=name, ZipFile=packed())
        made = functions.update_function_configuration(FunctionName=name, **settings)
    return str(made["FunctionArn"])
