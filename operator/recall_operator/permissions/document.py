"""Every right of the operator and of the API in one page: what, where, why.

`python -m recall_operator.permissions.document --chart deploy/chart` prints docs/reference/permissions.md
(`make permissions`).
The reasons are those that stand beside the rights: in `operator_policy`, in the API's contract and in the chart.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from recall_api import contract
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.instance import RecallInstance
from recall_operator.ownership import Owner
from recall_operator.permissions.operator_policy import grants
from recall_operator.platform import CLOUDFRONT_ZONE, Platform
from recall_operator.resources.access_policy import access_policy
from recall_operator.resources.part import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_REGION: Final = "eu-west-1"
_ACCOUNT: Final = "111122223333"
_CLUSTER: Final = "prod"

_EXAMPLE: Final = Platform.model_validate(
    {
        "cluster": {"name": _CLUSTER},
        "aws": {"accountId": _ACCOUNT, "region": _REGION},
        "dns": {"hostedZoneId": "ZONE", "zoneName": "example.org"},
        "identity": {
            "userPoolId": "POOL",
            "tokenIssuer": f"https://cognito-idp.{_REGION}.amazonaws.com/POOL",
            "jwksUrl": f"https://cognito-idp.{_REGION}.amazonaws.com/POOL/.well-known/jwks.json",
            "signInUrl": "https://auth.example.org",
        },
        "web": {"distribution": {"dnsName": "d111111abcdef8.cloudfront.net", "hostedZoneId": CLOUDFRONT_ZONE}},
        "ingress": {"loadBalancerZoneId": "Z32O12XQLNTSW2"},
        "workload": {"image": "recall-api"},
        "access": {"permissionsBoundaryArn": f"arn:aws:iam::{_ACCOUNT}:policy/BOUNDARY", "restores": True},
    }
)
"""A platform that makes every choice, so that every right is there."""

_INSTANCE: Final = RecallInstance.model_validate(
    {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "beta", "namespace": "default", "uid": "u", "generation": 1},
        "spec": {
            "hostname": "beta.example.org",
            "models": {
                "chat": ["amazon.nova-lite-v1:0"],
                "residency": "geo",
                "guardrail": {"id": "abc123", "version": "1"},
            },
            "encryption": {"perUserKeys": {"kmsKeyArn": f"arn:aws:kms:{_REGION}:{_ACCOUNT}:key/USER-KEYS"}},
        },
    }
)

_REASONS: Final[Mapping[str, str]] = {
    **contract.BEDROCK_ACTIONS,
    **contract.BEDROCK_DISCOVERY_ACTIONS,
    **contract.GUARDRAIL_ACTIONS,
    **contract.USER_POOL_ACTIONS,
    **contract.TABLE_KEY_ACTIONS,
}

_INTRODUCTION: Final = f"""# Permissions

Written by `make permissions` from the policies, the API's contract and the chart; a test holds it equal to them. How
each right is proved to be needed, and what is not proved: [least privilege](../explanation/least-privilege.md).

The examples are of cluster `{_CLUSTER}` in account `{_ACCOUNT}`, region `{_REGION}`, RecallInstance `default/beta`.
"""

_OPERATOR: Final = """## The operator on AWS

One IAM policy (`python -m recall_operator.permissions.operator_policy`). The boundary is there only with
`access.permissionsBoundaryArn` of the platform document, TablesRestore and TablesFill only with `access.restores`.
"""

_API: Final = """## The API on AWS

The operator makes a role with this policy for each instance ([access](access.md)).
"""

_KUBERNETES: Final = """## The operator on Kubernetes

A ClusterRole, or with `namespaces` in the chart's values a Role in each of them; and for the Lease a Role in the
operator's own namespace.
"""


def _table(rows: Sequence[tuple[str, str]], heading: tuple[str, str]) -> Iterator[str]:
    yield f"| {heading[0]} | {heading[1]} |"
    yield "|---|---|"
    for left, right in rows:
        yield f"| {left} | {right} |"
    yield ""


def _where(resources: Sequence[str], condition: Mapping[str, Any]) -> Iterator[str]:
    yield "On " + ", ".join(f"`{resource}`" for resource in resources) + "."
    for operator, keys in condition.items():
        for key, expected in keys.items():
            values = [expected] if isinstance(expected, str) else expected
            yield f"Only if `{operator}` `{key}`: " + ", ".join(f"`{value}`" for value in values) + "."
    yield ""


def _operator() -> Iterator[str]:
    yield _OPERATOR
    for grant in grants(_EXAMPLE):
        yield f"### {grant.sid}\n"
        yield from _where(grant.resources, grant.condition)
        yield from _table([(f"`{action}`", why) for action, why in grant.actions.items()], ("action", "why"))


def _api() -> Iterator[str]:
    yield _API
    metadata = _INSTANCE.metadata
    owner = Owner(_CLUSTER, metadata.namespace, metadata.name, metadata.uid)
    of_sid = {
        "Memories": contract.MEMORIES_TABLE_ACTIONS,
        "Users": contract.USERS_TABLE_ACTIONS,
        "Keys": contract.KEYS_TABLE_ACTIONS,
        "UsersWithKeys": contract.KEYED_USERS_ACTIONS,
        "UserKeys": contract.USER_KEYS_ACTIONS,
    }
    for statement in access_policy(Subject(_INSTANCE, _EXAMPLE, owner), {})["Statement"]:
        yield f"### {statement['Sid']}\n"
        yield from _where(statement["Resource"], statement.get("Condition", {}))
        reasons = of_sid.get(statement["Sid"], _REASONS)
        yield from _table([(f"`{action}`", reasons[action]) for action in statement["Action"]], ("action", "why"))


def rules(chart: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the rules of a chart's templates, each with the comment that stands before it.

    Raises:
        OSError: there is no such chart.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    for name in ("_helpers.tpl", "rbac.yaml"):
        text = (chart / "templates" / name).read_text()
        for match in re.finditer(r"((?: *#.*\n)*)( *- apiGroups:.*\n(?: +\w+:.*\n)+)", text):
            why = " ".join(line.strip(" #") for line in match[1].splitlines())
            # Rules that follow one another may share the first one's comment.
            found.append((why or found[-1][0], yaml.safe_load(match[2])[0]))
    return found


def _kubernetes(chart: Path) -> Iterator[str]:
    yield _KUBERNETES
    rows = []
    for why, rule in rules(chart):
        group = rule["apiGroups"][0]
        kinds = ", ".join(f"`{resource}{'.' if group else ''}{group}`" for resource in rule["resources"])
        named = f" named `{', '.join(rule['resourceNames'])}`" if "resourceNames" in rule else ""
        rows.append((f"{', '.join(rule['verbs'])}: {kinds}{named}", why))
    yield from _table(rows, ("verbs", "why"))


def document(chart: Path) -> str:
    """Return the page.

    Raises:
        OSError: there is no such chart.
    """
    return "\n".join([_INTRODUCTION, *_operator(), *_api(), *_kubernetes(chart)]).rstrip() + "\n"


def main() -> int:
    """Print the page; return the process' exit status."""
    parser = argparse.ArgumentParser(description="Print every right of the operator and of the API, with its reason.")
    parser.add_argument("--chart", type=Path, required=True, help="the chart's folder, such as deploy/chart")
    sys.stdout.write(document(parser.parse_args().chart))
    return 0


if __name__ == "__main__":
    sys.exit(main())
