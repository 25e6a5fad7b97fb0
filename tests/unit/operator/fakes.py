"""A stateful AWS and Kubernetes in memory that keep the rules which the operator relies on, and fail on demand."""

# ruff: noqa: N803, ARG002 - arguments are named as AWS names them, and some are not looked at

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from recall_operator.aws import is_write
from recall_operator.errors import ApiServerError
from recall_operator.kubernetes_api import ObjectKey
from recall_operator.models.base import API_VERSION, KIND
from recall_operator.models.spec import RecallInstanceSpec
from recall_operator.platform import Platform
from recall_operator.reconcile import Outcome, Reconciler
from recall_operator.resources.part import Clients

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "000000000000"
ZONE = "Z1"
POOL = "eu-west-1_pool"


def platform(**changes: Any) -> Platform:
    document: dict[str, Any] = {
        "cluster": {"name": "test"},
        "aws": {"accountId": ACCOUNT, "region": "eu-west-1", "endpointUrls": {"AWS_ENDPOINT_URL": "http://aws:4566"}},
        "dns": {"hostedZoneId": ZONE, "zoneName": "example.org"},
        "identity": {
            "userPoolId": POOL,
            "tokenIssuer": f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}",
            "jwksUrl": "https://keys.example.org/jwks.json",
            "signInUrl": "https://auth.example.org",
        },
        "web": {"distribution": {"dnsName": "d1.cloudfront.net", "hostedZoneId": "Z2FDTNDATAQYW2"}},
        "ingress": {"className": "alb", "loadBalancerZoneId": "Z32O12XQLNTSW2"},
        "workload": {"image": "registry.example.org/recall-api:1.2.3"},
    }
    return Platform.model_validate(document | changes)


class Crashed(BaseException):
    """The operator's process ended here."""


class FakeAws:
    """Tables, app clients, roles, associations and one zone."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.clients: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.associations: dict[str, dict[str, Any]] = {}
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self._ids = itertools.count(1)

    @property
    def writes(self) -> list[str]:
        return [operation for _, operation in self.calls if is_write(operation)]

    def state(self) -> Any:
        return copy.deepcopy([self.tables, self.clients, self.roles, self.associations, self.records])

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.before(operation)
        self.calls.append((service, operation))
        answer = getattr(self, f"_{operation}")(**copy.deepcopy(parameters))
        self.after(operation)
        return copy.deepcopy(answer or {})

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.call(service, operation, **parameters)
        items: list[dict[str, Any]] = answer[key]
        return items

    # --- DynamoDB -----------------------------------------------------------------------------------------------

    def _table(self, name: str) -> dict[str, Any]:
        if name not in self.tables:
            raise refused("ResourceNotFoundException")
        return self.tables[name]

    def _create_table(self, TableName: str, Tags: list[dict[str, str]], **rest: Any) -> None:
        if TableName in self.tables:
            raise refused("ResourceInUseException")
        arn = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{TableName}"
        tags = {tag["Key"]: tag["Value"] for tag in Tags}
        self.tables[TableName] = {
            "TableStatus": "CREATING",
            "TableArn": arn,
            "tags": tags,
            "recovery": False,
            "expiry": None,
            **rest,
        }

    def _restored(self, target: str, summary: dict[str, Any], request: dict[str, Any]) -> None:
        # As on AWS: a restored table has neither tags nor point-in-time recovery nor time to live.
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        paid = {"BillingMode": request["BillingModeOverride"]}
        if "ProvisionedThroughputOverride" in request:
            paid["ProvisionedThroughput"] = request["ProvisionedThroughputOverride"]
        self._create_table(TableName=target, Tags=[], KeySchema=keys, RestoreSummary=summary, **paid)

    def _restore_table_from_backup(self, TargetTableName: str, BackupArn: str, **request: Any) -> None:
        self._restored(TargetTableName, {"SourceBackupArn": BackupArn}, request)

    def _restore_table_to_point_in_time(self, TargetTableName: str, SourceTableName: str, **request: Any) -> None:
        arn = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{SourceTableName}"
        moment = request.get("RestoreDateTime", datetime(2026, 1, 1, tzinfo=UTC))
        self._restored(TargetTableName, {"SourceTableArn": arn, "RestoreDateTime": moment}, request)

    def _describe_table(self, TableName: str) -> dict[str, Any]:
        table = self._table(TableName)
        seen = copy.deepcopy(table)
        seen["BillingModeSummary"] = {"BillingMode": table.get("BillingMode", "PAY_PER_REQUEST")}
        if "SSESpecification" in table:
            seen["SSEDescription"] = {"KMSMasterKeyArn": table["SSESpecification"]["KMSMasterKeyId"]}
        if table["TableStatus"] == "CREATING":
            table["TableStatus"] = "ACTIVE"
        elif table["TableStatus"] == "DELETING":
            del self.tables[TableName]
        return {"Table": seen}

    def _changeable(self, name: str) -> dict[str, Any]:
        table = self._table(name)
        if table["TableStatus"] != "ACTIVE":
            raise refused("ResourceInUseException")
        return table

    def _by_arn(self, arn: str) -> dict[str, Any]:
        return self._table(arn.rsplit("/", 1)[1])

    def _list_tags_of_resource(self, ResourceArn: str) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._by_arn(ResourceArn)["tags"].items()]}

    def _tag_resource(self, **request: Any) -> None:
        if "resourceArn" in request:
            self._association(request["resourceArn"].rsplit("/", 1)[1])["tags"] |= request["tags"]
        else:
            self._by_arn(request["ResourceArn"])["tags"] |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}

    def _untag_resource(self, ResourceArn: str, TagKeys: list[str]) -> None:
        for key in TagKeys:
            self._by_arn(ResourceArn)["tags"].pop(key, None)

    def _describe_continuous_backups(self, TableName: str) -> dict[str, Any]:
        status = "ENABLED" if self._table(TableName)["recovery"] else "DISABLED"
        return {
            "ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
        }

    def _update_continuous_backups(self, TableName: str, PointInTimeRecoverySpecification: dict[str, bool]) -> None:
        wanted = PointInTimeRecoverySpecification["PointInTimeRecoveryEnabled"]
        self._changeable(TableName)["recovery"] = wanted

    def _describe_time_to_live(self, TableName: str) -> dict[str, Any]:
        attribute = self._table(TableName)["expiry"]
        described = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute} if attribute else {}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"} | described}

    def _update_time_to_live(self, TableName: str, TimeToLiveSpecification: dict[str, Any]) -> None:
        if self._changeable(TableName)["expiry"]:
            raise refused("ValidationException")
        self._changeable(TableName)["expiry"] = TimeToLiveSpecification["AttributeName"]

    def _update_table(self, TableName: str, **changes: Any) -> None:
        self._changeable(TableName).update(changes)

    def _delete_table(self, TableName: str) -> None:
        table = self._changeable(TableName)
        if table.get("DeletionProtectionEnabled"):
            raise refused("ValidationException")
        table["TableStatus"] = "DELETING"

    def _get_resources(self, ResourceTypeFilters: list[str], TagFilters: list[dict[str, Any]]) -> dict[str, Any]:
        (wanted,) = TagFilters
        tables = [item for item in self.tables.values() if item["tags"].get(wanted["Key"]) in wanted["Values"]]
        return {
            "ResourceTagMappingList": [
                {"ResourceARN": item["TableArn"], "Tags": [{"Key": k, "Value": v} for k, v in item["tags"].items()]}
                for item in tables
            ]
        }

    # --- Cognito ------------------------------------------------------------------------------------------------

    def _list_user_pool_clients(self, UserPoolId: str) -> dict[str, Any]:
        assert UserPoolId == POOL
        return {"UserPoolClients": [{"ClientId": key, **item} for key, item in self.clients.items()]}

    def _client(self, client_id: str) -> dict[str, Any]:
        if client_id not in self.clients:
            raise refused("ResourceNotFoundException")
        return self.clients[client_id]

    def _describe_user_pool_client(self, UserPoolId: str, ClientId: str) -> dict[str, Any]:
        return {"UserPoolClient": self._client(ClientId)}

    def _create_user_pool_client(self, UserPoolId: str, GenerateSecret: bool, **settings: Any) -> None:
        assert not GenerateSecret
        number = next(self._ids)
        self.clients[f"client{number}"] = {"CreationDate": datetime.fromtimestamp(number, UTC), **settings}

    def _update_user_pool_client(self, UserPoolId: str, ClientId: str, **settings: Any) -> None:
        # As on AWS: what a request leaves out is reset.
        self.clients[ClientId] = {"CreationDate": self._client(ClientId)["CreationDate"], **settings}

    def _delete_user_pool_client(self, UserPoolId: str, ClientId: str) -> None:
        self._client(ClientId)
        del self.clients[ClientId]

    # --- IAM ----------------------------------------------------------------------------------------------------

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
        self._role(RoleName)["policies"][PolicyName] = json.loads(PolicyDocument)

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

    # --- EKS ----------------------------------------------------------------------------------------------------

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

    # --- Route 53 -----------------------------------------------------------------------------------------------

    def _list_resource_record_sets(self, HostedZoneId: str) -> dict[str, Any]:
        assert HostedZoneId == ZONE
        return {"ResourceRecordSets": list(self.records.values())}

    def _change_resource_record_sets(self, HostedZoneId: str, ChangeBatch: dict[str, Any]) -> None:
        after = dict(self.records)
        for change in ChangeBatch["Changes"]:
            record = change["ResourceRecordSet"]
            key = (record["Name"].rstrip("."), record["Type"])
            match change["Action"]:
                case "CREATE" if key in after:
                    raise refused("InvalidChangeBatch")
                case "CREATE" | "UPSERT":
                    assert key[0].endswith("example.org"), "outside the zone"
                    after[key] = record
                case "DELETE":
                    if after.get(key) != record:
                        raise refused("InvalidChangeBatch")
                    del after[key]
        for name, kind in after:
            beside = [other for other in after if other[0] == name and other[1] != kind]
            if kind == "CNAME" and beside:
                raise refused("InvalidChangeBatch")
        self.records = after


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "FakeOperation")


class FakeKubernetes:
    """Objects in memory; Deployments become available and Ingresses get a load balancer at once."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self._ids = itertools.count(1)

    def put_instance(self, spec: dict[str, Any], name: str = "beta") -> ObjectKey:
        """Do what `kubectl apply` of an instance does; the API server fills in defaults."""
        key = ObjectKey(KIND, "default", name)
        full = RecallInstanceSpec.model_validate(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
        found = self.objects.get(key)
        if found is None:
            metadata = {"namespace": "default", "name": name, "uid": f"uid-{next(self._ids)}", "generation": 1}
            self.objects[key] = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": full}
        elif found["spec"] != full:
            found["spec"] = full
            found["metadata"]["generation"] += 1
        return key

    def delete_instance(self, key: ObjectKey) -> None:
        metadata = self.objects[key]["metadata"]
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        if not metadata.get("finalizers"):
            del self.objects[key]

    async def get(self, key: ObjectKey) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return copy.deepcopy(self.objects.get(key))

    async def list_all(self, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        return [copy.deepcopy(item) for key, item in self.objects.items() if key.kind == kind]

    async def apply(self, manifest: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        metadata = manifest["metadata"]
        key = ObjectKey(manifest["kind"], metadata["namespace"], metadata["name"])
        what = f"apply {key.kind} {subresource}".strip()
        self.before(what)
        self.writes.append(what)
        live = self.objects.get(key)
        if key.kind == KIND:
            if live is None:
                # As the API server: a status needs its object, and the uid keeps the finalizer from making one.
                raise ApiServerError(404 if subresource else 409, "NotFound", f"{key.name} is gone")
            self._apply_instance(key, live, manifest, subresource)
        else:
            self._apply_child(key, live, copy.deepcopy(manifest))
        self.after(what)
        return copy.deepcopy(self.objects.get(key, {}))

    def _apply_instance(self, key: ObjectKey, live: dict[str, Any], manifest: dict[str, Any], subresource: str) -> None:
        if subresource == "status":
            live["status"] = copy.deepcopy(manifest["status"])
            return
        if manifest["metadata"]["uid"] != live["metadata"]["uid"]:
            raise ApiServerError(409, "Conflict", f"{key.name} has another uid")
        live["metadata"]["finalizers"] = list(manifest["metadata"]["finalizers"])
        if "deletionTimestamp" in live["metadata"] and not live["metadata"]["finalizers"]:
            del self.objects[key]

    def _apply_child(self, key: ObjectKey, live: dict[str, Any] | None, manifest: dict[str, Any]) -> None:
        uid = live["metadata"]["uid"] if live else f"uid-{next(self._ids)}"
        generation = (live["metadata"]["generation"] if live else 0) + 1
        manifest["metadata"] |= {"uid": uid, "generation": generation}
        if key.kind == "Deployment":
            count = manifest["spec"]["replicas"]
            counts = {"replicas": count, "updatedReplicas": count, "availableReplicas": count}
            manifest["status"] = {"observedGeneration": generation, **counts}
        if key.kind == "Ingress":
            manifest["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.elb.amazonaws.com"}]}}
        self.objects[key] = manifest

    async def delete(self, key: ObjectKey, uid: str) -> None:
        await asyncio.sleep(0)
        self.before(f"delete {key.kind}")
        self.writes.append(f"delete {key.kind}")
        if key in self.objects and self.objects[key]["metadata"]["uid"] == uid:
            del self.objects[key]
        self.after(f"delete {key.kind}")

    def condition(self, key: ObjectKey, kind: str = "Ready") -> dict[str, Any]:
        return next(item for item in self.objects[key]["status"]["conditions"] if item["type"] == kind)


class World:
    """An operator with its two doors in memory."""

    def __init__(self, **platform_changes: Any) -> None:
        self.aws = FakeAws()
        self.kubernetes = FakeKubernetes()
        self.platform = platform(**platform_changes)

    @property
    def clients(self) -> Clients:
        return Clients(self.aws, self.kubernetes)

    async def once(self, key: ObjectKey) -> Outcome:
        """Make one pass, by an operator that remembers nothing."""
        return await Reconciler(self.platform, self.clients).reconcile(f"{key.namespace}/{key.name}")

    async def settle(self, key: ObjectKey, passes: int = 25) -> Outcome:
        """Make passes until nothing is left to do."""
        for _ in range(passes):
            outcome = await self.once(key)
            if outcome in (Outcome.SETTLED, Outcome.GONE):
                return outcome
        raise AssertionError(f"not settled after {passes} passes: {self.kubernetes.objects.get(key, {}).get('status')}")

    def forget_writes(self) -> None:
        self.aws.calls.clear()
        self.kubernetes.writes.clear()

    @property
    def writes(self) -> list[str]:
        return [*self.aws.writes, *self.kubernetes.writes]
