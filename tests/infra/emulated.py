"""Deploys synthesised stacks to the emulated AWS by the CDK command line, without what the emulator does not know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recall_infra.cli import CDK

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT, REGION = "000000000000", "us-east-1"
ROOT = Path(__file__).parents[2]

NOT_EMULATED = frozenset(
    {
        "AWS::Budgets::Budget",
        "AWS::CE::AnomalyMonitor",
        "AWS::CE::AnomalySubscription",
        "AWS::EC2::EIP",
        "AWS::EC2::FlowLog",
        "AWS::EC2::NatGateway",
        "AWS::EKS::AccessEntry",
        "AWS::EKS::PodIdentityAssociation",
        "AWS::IAM::OIDCProvider",
        "AWS::WAFv2::LoggingConfiguration",
    }
)
"""Kinds of resources that the emulator's CloudFormation refuses."""


def references(value: Any) -> set[str]:
    """The logical ids that a piece of a template refers to."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = {value["Ref"]} if isinstance(value.get("Ref"), str) else set()
    if "Fn::GetAtt" in value:
        attribute = value["Fn::GetAtt"]
        found.add(attribute[0] if isinstance(attribute, list) else attribute.split(".")[0])
    if "DependsOn" in value:
        named = value["DependsOn"]
        found |= {named} if isinstance(named, str) else set(named)
    return found.union(*map(references, value.values()))


def reduced(template: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """A template without what is not emulated and what needs that; and the kinds that were taken out."""
    resources = dict(template["Resources"])
    gone: dict[str, str] = {}
    while True:
        going = {
            name: body["Type"]
            for name, body in resources.items()
            if body["Type"] in NOT_EMULATED or references(body) & gone.keys()
        }
        if not going:
            break
        gone |= going
        resources = {name: body for name, body in resources.items() if name not in going}
    outputs = {name: body for name, body in template.get("Outputs", {}).items() if not references(body) & gone.keys()}
    return template | {"Resources": resources, "Outputs": outputs}, set(gone.values())


def without_what_is_not_emulated(assembly: Path, folder: Path) -> dict[str, set[str]]:
    """Copy a cloud assembly to `folder` with reduced templates; what kinds each stack lost, by its name."""
    shutil.copytree(assembly, folder)
    lost: dict[str, set[str]] = {}
    for path in folder.glob("*.template.json"):
        template, gone = reduced(json.loads(path.read_text()))
        path.write_text(json.dumps(template))
        if gone:
            lost[path.name.removesuffix(".template.json")] = gone
    return lost


@dataclass(frozen=True)
class Account:
    """Stacks in the emulated AWS, kept there by the CDK command line as people use it."""

    client: Callable[[str], Any]
    folder: Path
    """A cloud assembly."""
    endpoint: str
    """Over TLS: the bucket of CDK's files refuses what comes without it."""
    certificate: Path
    """Of that endpoint, PEM, without its key."""
    home: Path
    """CDK keeps what it learnt of accounts there, by their keys; it must not meet what people's own CDK knows."""

    def cdk(self, *words: str) -> str:
        """Run one command and return what it says."""
        if not CDK.exists():
            subprocess.run(["make", "infra/node_modules"], cwd=ROOT, check=True, capture_output=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
        environment = inherited | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.certificate),
            "HOME": str(self.home),
        }
        node = Path(sys.executable).with_name("node")
        command = [str(node), str(CDK), *words, "--no-notices", "--ci"]
        ended = subprocess.run(
            command, cwd=self.home, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def bootstrap(self) -> str:
        """Prepare the account for CDK, as `make infra-bootstrap` does."""
        return self.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self) -> str:
        """Deploy all stacks in their order, as `make infra-deploy` does."""
        return self.cdk("deploy", "--all", f"--app={self.folder}", "--require-approval=never", "--concurrency=4")

    def destroy(self, stack: str) -> str:
        """Destroy a stack and all that need it, as `make infra-destroy` does."""
        return self.cdk("destroy", stack, f"--app={self.folder}", "--force")

    def stacks(self) -> dict[str, str]:
        """The status of each stack that is there."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        return {item["StackName"]: item["StackStatus"] for item in found}

    def outputs(self, stack: str) -> dict[str, str]:
        found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}
