"""What AWS asks of a caller's policies for each request: the actions, on which resources, in which context.

Most operations ask for the action of their own name on the resource that they name. The exceptions are here, each
with its source. `test_authorization` holds all of it against AWS's Service Authorization Reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import botocore.session
from botocore import xform_name

from recall_local.bedrock import models
from tests.privilege.evaluator import Request, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Parameters = dict[str, Any]

KEY_USE: Final = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What who chooses a key for a table must be allowed on it.

Source: DynamoDB Developer Guide, Encryption at rest usage notes, "Key policy for a customer managed key".
"""

RESTORE_DATA: Final = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""What who restores a table must be allowed on it. Source: Service Authorization Reference, DynamoDB."""

_TRANSACTION_PARTS: Final = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
"""A transaction asks for each of its parts. Source: DynamoDB Developer Guide, Using IAM with DynamoDB transactions."""


class State(Protocol):
    """What AWS knows of resources when it decides."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return a resource's tags; none of one that is not there."""
        ...

    def table_key(self, arn: str) -> str | None:
        """Return the ARN of the customer's key that encrypts a table."""
        ...

    def boundary(self, role: str) -> str | None:
        """Return the permissions boundary of a role."""
        ...


@lru_cache
def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


@dataclass(frozen=True)
class Authorization:
    """What is asked in one account and region."""

    region: str
    account: str
    state: State

    def asked(self, service: str, operation: str, parameters: Parameters) -> list[Request]:
        """Return what AWS asks for one call by boto3's names.

        Raises:
            KeyError: the operation, or what AWS asks for it, is not known here.
        """
        name = _operations(service).get(operation, operation)
        if service == "dynamodb":
            return list(self._dynamodb(name, parameters))
        if service not in self._services():
            raise KeyError(
                f"tests/privilege/authorization.py does not say what AWS asks for {service}:{name}. Add it, from the "
                "Service Authorization Reference: the action, the ARNs that it is asked for, and the context."
            )
        return list(self._services()[service](name, parameters))

    def _services(self) -> dict[str, Any]:
        return {
            "acm": self._acm,
            "bedrock": self._bedrock,
            "bedrock-runtime": self._model,
            "cognito-idp": self._cognito,
            "eks": self._eks,
            "iam": self._iam,
            "kms": self._kms,
            "resourcegroupstaggingapi": self._anywhere("tag"),
            "route53": self._route53,
        }

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN of this account; IAM and Route 53 have no regions."""
        region = "" if service in ("iam", "route53") else self.region
        return f"arn:aws:{service}:{region}:{'' if service == 'route53' else self.account}:{resource}"

    def _on(self, action: str, arn: str, context: Mapping[str, Value] | None = None) -> Request:
        tags = {f"aws:ResourceTag/{key}": value for key, value in self.state.tags(arn).items()}
        return Request(action, arn, {**tags, **(context or {})})

    @staticmethod
    def _anywhere(prefix: str) -> Any:
        return lambda name, _parameters: [Request(f"{prefix}:{name}")]

    # --- DynamoDB -------------------------------------------------------------------------------------------------

    def table(self, name: str) -> str:
        """Return the ARN of a table by its name or its ARN."""
        return name if name.startswith("arn:") else self.arn("dynamodb", f"table/{name}")

    def _dynamodb(self, name: str, parameters: Parameters) -> Iterator[Request]:
        if name.startswith("Transact"):
            for item in parameters["TransactItems"]:
                for kind, part in item.items():
                    yield from self._items(_TRANSACTION_PARTS[kind], part["TableName"])
        elif "RequestItems" in parameters:
            for table in parameters["RequestItems"]:
                yield from self._items(name, table)
        elif name.startswith("RestoreTable"):
            yield from self._restore(name, parameters)
        elif name in ("TagResource", "UntagResource", "ListTagsOfResource"):
            yield self._on(f"dynamodb:{name}", parameters["ResourceArn"], tag_context(parameters))
        elif "BackupArn" in parameters:
            yield Request(f"dynamodb:{name}", parameters["BackupArn"])
        elif name == "ListBackups" and "TableName" not in parameters:
            yield Request("dynamodb:ListBackups")
        elif "Key" in parameters or "Item" in parameters or name in ("Query", "Scan"):
            yield from self._items(name, parameters["TableName"])
        else:
            arn = self.table(parameters["TableName"])
            yield self._on(f"dynamodb:{name}", arn, tag_context(parameters))
            if parameters.get("Tags"):
                # Source: DynamoDB Developer Guide, Tagging resources: tags at creation ask for TagResource too.
                yield self._on("dynamodb:TagResource", arn, tag_context(parameters))
            yield from self._key(parameters.get("SSESpecification", {}).get("KMSMasterKeyId"), KEY_USE)

    def _items(self, name: str, table: str) -> Iterator[Request]:
        arn = self.table(table)
        yield self._on(f"dynamodb:{name}", arn)
        # DynamoDB decrypts the table's key on behalf of who reads or writes. Source: as of `KEY_USE`.
        context = {"kms:EncryptionContext:aws:dynamodb:tableName": arn.rpartition("/")[2]}
        yield from self._key(self.state.table_key(arn), ("kms:Decrypt",), context)

    def _restore(self, name: str, parameters: Parameters) -> Iterator[Request]:
        target = self.table(parameters["TargetTableName"])
        yield self._on(f"dynamodb:{name}", target)
        if "BackupArn" in parameters:
            yield Request(f"dynamodb:{name}", parameters["BackupArn"])
        else:
            yield self._on(f"dynamodb:{name}", self.table(parameters["SourceTableName"]))
        for action in RESTORE_DATA:
            yield self._on(f"dynamodb:{action}", target)
        yield from self._key(parameters.get("SSESpecificationOverride", {}).get("KMSMasterKeyId"), KEY_USE)

    def _key(
        self, key: str | None, actions: tuple[str, ...], context: Mapping[str, Value] | None = None
    ) -> Iterator[Request]:
        via = {"kms:ViaService": f"dynamodb.{self.region}.amazonaws.com"}
        for action in actions if key else ():
            yield Request(action, str(key), {**via, **(context or {})})

    # --- Bedrock --------------------------------------------------------------------------------------------------

    def _bedrock(self, name: str, parameters: Parameters) -> Iterator[Request]:
        if name == "ListInferenceProfiles":
            yield Request(f"bedrock:{name}")
            return
        identifier = parameters.get("guardrailIdentifier", "*")
        arn = parameters.get("resourceARN") or self.arn("bedrock", f"guardrail/{identifier}")
        if name == "CreateGuardrail":
            yield Request("bedrock:CreateGuardrail", "*", tag_context(parameters))
            if parameters.get("tags"):
                # The guardrail has no id yet. Source: Bedrock user guide, Tagging Amazon Bedrock resources.
                new = self.arn("bedrock", "guardrail/new")
                yield Request("bedrock:TagResource", new, tag_context(parameters))
            return
        yield self._on(f"bedrock:{name}", arn, tag_context(parameters))

    def _model(self, name: str, parameters: Parameters) -> Iterator[Request]:
        # Converse and ConverseStream have no actions of their own. Source: Bedrock API Reference, Converse.
        action = f"bedrock:InvokeModel{'WithResponseStream' if name.endswith('Stream') else ''}"
        for arn in models.find(parameters["modelId"], self.region).resources(self.region, self.account):
            yield Request(action, arn)
        guardrail = parameters.get("guardrailConfig", {}).get("guardrailIdentifier")
        if guardrail:
            # Source: Bedrock user guide, Set up permissions to use Amazon Bedrock Guardrails.
            yield Request("bedrock:ApplyGuardrail", self.arn("bedrock", f"guardrail/{guardrail}"))

    # --- The others -----------------------------------------------------------------------------------------------

    def _acm(self, name: str, parameters: Parameters) -> Iterator[Request]:
        if "CertificateArn" in parameters:
            yield self._on(f"acm:{name}", parameters["CertificateArn"], tag_context(parameters))
            return
        method = {"acm:ValidationMethod": parameters["ValidationMethod"]} if "ValidationMethod" in parameters else {}
        yield Request(f"acm:{name}", context=tag_context(parameters) | method)
        if name == "RequestCertificate" and parameters.get("Tags"):
            # Source: ACM User Guide, Tagging ACM certificates. It has no ARN yet.
            yield Request("acm:AddTagsToCertificate", self.arn("acm", "certificate/new"), tag_context(parameters))

    def _cognito(self, name: str, parameters: Parameters) -> Iterator[Request]:
        yield self._on(f"cognito-idp:{name}", self.arn("cognito-idp", f"userpool/{parameters['UserPoolId']}"))

    def _iam(self, name: str, parameters: Parameters) -> Iterator[Request]:
        if "RoleName" not in parameters:
            yield Request(f"iam:{name}")
            return
        role = parameters["RoleName"]
        boundary = parameters.get("PermissionsBoundary") or self.state.boundary(role)
        context: dict[str, Value] = {"iam:PermissionsBoundary": boundary} if boundary else {}
        arn = self.arn("iam", f"role/{role}")
        yield self._on(f"iam:{name}", arn, context | tag_context(parameters))
        if name == "CreateRole" and parameters.get("Tags"):
            # Source: IAM user guide, Tagging IAM roles: tags at creation ask for TagRole too.
            yield self._on("iam:TagRole", arn, tag_context(parameters))

    def _eks(self, name: str, parameters: Parameters) -> Iterator[Request]:
        if "resourceArn" in parameters:
            yield self._on(f"eks:{name}", parameters["resourceArn"], tag_context(parameters))
            return
        cluster = parameters["clusterName"]
        if "associationId" in parameters:
            arn = self.arn("eks", f"podidentityassociation/{cluster}/{parameters['associationId']}")
        else:
            arn = self.arn("eks", f"cluster/{cluster}")
        yield self._on(f"eks:{name}", arn, tag_context(parameters))
        if "roleArn" in parameters:
            # Source: EKS user guide, Assign an IAM role to a service account (EKS Pod Identity).
            context = {"iam:PassedToService": "pods.eks.amazonaws.com"}
            yield self._on("iam:PassRole", parameters["roleArn"], context)
        if parameters.get("tags"):
            # The association has no id yet. Source: EKS user guide, Organize resources with tags.
            new = self.arn("eks", f"podidentityassociation/{cluster}/a-new")
            yield Request("eks:TagResource", new, tag_context(parameters))

    @staticmethod
    def _kms(name: str, parameters: Parameters) -> Iterator[Request]:
        context: dict[str, Value] = {
            f"kms:EncryptionContext:{key}": value for key, value in parameters["EncryptionContext"].items()
        }
        keys: dict[str, Value] = {"kms:EncryptionContextKeys": tuple(parameters["EncryptionContext"])}
        yield Request(f"kms:{name}", parameters["KeyId"], context | keys)

    def _route53(self, name: str, parameters: Parameters) -> Iterator[Request]:
        yield Request(f"route53:{name}", self.arn("route53", f"hostedzone/{parameters['HostedZoneId']}"))


def tag_context(parameters: Parameters) -> dict[str, Value]:
    """Return the context that the tags in a request make."""
    tags = parameters.get("Tags") or parameters.get("tags") or {}
    pairs = (
        tags
        if isinstance(tags, dict)
        else {tag.get("Key") or tag["key"]: tag.get("Value", tag.get("value", "")) for tag in tags}
    )
    keys = (*pairs, *parameters.get("TagKeys", ()), *parameters.get("tagKeys", ()))
    if not keys:
        return {}
    return {"aws:TagKeys": tuple(keys), **{f"aws:RequestTag/{key}": value for key, value in pairs.items()}}
