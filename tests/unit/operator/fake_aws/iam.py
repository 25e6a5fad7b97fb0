"""Roles with inline policies."""

# ruff: noqa: N803, ARG002 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

import json
from typing import Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, refused


class FakeIam:
    def __init__(self) -> None:
        super().__init__()
        self.roles: dict[str, dict[str, Any]] = {}

    def _role(self, name: str) -> dict[str, Any]:
        if name not in self.roles:
            raise refused("NoSuchEntity")
        return self.roles[name]

    def _create_role(
        self, RoleName: str, AssumeRolePolicyDocument: str, Tags: list[dict[str, str]], **rest: Any
    ) -> None:
        if RoleName in self.roles:
            raise refused("EntityAlreadyExists")
        self.roles[RoleName] = {
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{RoleName}",
            "AssumeRolePolicyDocument": json.loads(AssumeRolePolicyDocument),
            "Tags": Tags,
            "policies": {},
            **(
                {"PermissionsBoundary": {"PermissionsBoundaryArn": b}} if (b := rest.get("PermissionsBoundary")) else {}
            ),
        }

    def _get_role(self, RoleName: str) -> dict[str, Any]:
        return {"Role": self._role(RoleName)}

    def _get_account_authorization_details(self, Filter: list[str]) -> dict[str, Any]:
        return {
            "RoleDetailList": [
                {
                    "RoleName": name,
                    **role,
                    "RolePolicyList": [
                        {"PolicyName": policy, "PolicyDocument": text} for policy, text in role["policies"].items()
                    ],
                }
                for name, role in self.roles.items()
            ]
        }

    def _get_role_policy(self, RoleName: str, PolicyName: str) -> dict[str, Any]:
        if PolicyName not in self._role(RoleName)["policies"]:
            raise refused("NoSuchEntity")
        return {"PolicyDocument": self._role(RoleName)["policies"][PolicyName]}

    def _put_role_policy(self, RoleName: str, PolicyName: str, PolicyDocument: str) -> None:
        policy = json.loads(PolicyDocument)
        if not policy.get("Statement"):
            raise refused("MalformedPolicyDocument")
        self._role(RoleName)["policies"][PolicyName] = policy

    def _tag_role(self, RoleName: str, Tags: list[dict[str, str]]) -> None:
        role = self._role(RoleName)
        new = {tag["Key"] for tag in Tags}
        role["Tags"] = [tag for tag in role["Tags"] if tag["Key"] not in new] + Tags

    def _update_assume_role_policy(self, RoleName: str, PolicyDocument: str) -> None:
        self._role(RoleName)["AssumeRolePolicyDocument"] = json.loads(PolicyDocument)

    def _put_role_permissions_boundary(self, RoleName: str, PermissionsBoundary: str) -> None:
        self._role(RoleName)["PermissionsBoundary"] = {"PermissionsBoundaryArn": PermissionsBoundary}

    def _delete_role_policy(self, RoleName: str, PolicyName: str) -> None:
        self._get_role_policy(RoleName, PolicyName)
        del self._role(RoleName)["policies"][PolicyName]

    def _delete_role(self, RoleName: str) -> None:
        if self._role(RoleName)["policies"]:
            raise refused("DeleteConflict")
        del self.roles[RoleName]
