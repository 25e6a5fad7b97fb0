"""Pod Identity associations of one cluster."""

# ruff: noqa: N803, ARG002 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

from typing import Any

from tests.unit.operator.fake_aws.answers import ACCOUNT, Numbered, refused


class FakeEks(Numbered):
    def __init__(self) -> None:
        super().__init__()
        self.associations: dict[str, dict[str, Any]] = {}

    def _association(self, association_id: str) -> dict[str, Any]:
        if association_id not in self.associations:
            raise refused("ResourceNotFoundException")
        return self.associations[association_id]

    def _list_pod_identity_associations(
        self, clusterName: str, namespace: str | None = None, serviceAccount: str | None = None
    ) -> dict[str, Any]:
        found = [
            item
            for item in self.associations.values()
            if namespace in (None, item["namespace"]) and serviceAccount in (None, item["serviceAccount"])
        ]
        return {"associations": found}

    def _describe_pod_identity_association(self, clusterName: str, associationId: str) -> dict[str, Any]:
        return {"association": self._association(associationId)}

    def _create_pod_identity_association(self, **association: Any) -> None:
        where = {key: association[key] for key in ("clusterName", "namespace", "serviceAccount")}
        if self._list_pod_identity_associations(**where)["associations"]:
            raise refused("ResourceInUseException")
        name = f"a-{next(self._ids)}"
        arn = f"arn:aws:eks:eu-west-1:{ACCOUNT}:podidentityassociation/test/{name}"
        self.associations[name] = {"associationId": name, "associationArn": arn, **association}

    def _update_pod_identity_association(self, clusterName: str, associationId: str, roleArn: str) -> None:
        self._association(associationId)["roleArn"] = roleArn

    def _delete_pod_identity_association(self, clusterName: str, associationId: str) -> None:
        self._association(associationId)
        del self.associations[associationId]

    def _eks_tag_resource(self, resourceArn: str, tags: dict[str, str]) -> None:
        self._association(resourceArn.rsplit("/", 1)[1])["tags"] |= tags
