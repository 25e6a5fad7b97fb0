"""What exists once per account, made in the emulated AWS: the local counterpart of the CDK app.

Everything has a fixed name, so that a second run finds it, brings it up to date and makes nothing twice. What belongs
to one RecallInstance (tables, app client, records, the API's role) is the operator's work and not here.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
from botocore.config import Config

from recall_local.aws.conditions import evaluable
from recall_local.aws.corrections import KEY_ID_TAG
from recall_local.aws.emulator import ACCOUNT_ID, ROOT_ACCESS_KEY, ROOT_SECRET_KEY
from recall_local.aws.tier_trigger import function_name, prepare_trigger, rights
from recall_local.aws.web_app import Distribution, prepare_web_app
from recall_local.stack import write_atomically
from recall_operator.platform import (
    CLOUDFRONT_ZONE,
    AliasTarget,
    AwsFacts,
    ClusterFacts,
    DnsFacts,
    IdentityFacts,
    IngressFacts,
    Platform,
    WebFacts,
    WorkloadFacts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    PolicyDocument = Callable[[Platform], Mapping[str, Any]]

REGION: Final = "eu-west-1"
ZONE_NAME: Final = "recall.localhost"
DEMO_EMAIL: Final = "demo@recall.localhost"
OPERATOR_NAMESPACE: Final = "recall-system"
OPERATOR_SERVICE_ACCOUNT: Final = "recall-operator"
OPERATOR_ROLE: Final = "recall-operator"
INGRESS_CLASS: Final = "recall-local"
LOAD_BALANCER_ZONE: Final = "Z32O12XQLNTSW2"
"""Route 53 zone of application load balancers in eu-west-1. Source: AWS General Reference, Elastic Load Balancing."""

USER_KEYS_KEY_ID: Final = "00000000-0000-4000-8000-000000000001"
"""Id of the account's KMS key for users' data keys, as deploy/examples/private.yaml names it."""

_CLUSTER_ROLE: Final = "recall-cluster"
_TIER_ROLE: Final = "recall-tier"
_POLICY_NAME: Final = "recall-operator"
_PASSWORD_LENGTH: Final = 12


@dataclass(frozen=True)
class StackFacts:
    """What the account is made for."""

    name: str
    endpoint: str
    bedrock_endpoint: str
    edge_port: int
    api_image: str


class DemoUser(NamedTuple):
    """Somebody who can sign in."""

    email: str
    password: str


def prepare(
    endpoint: str,
    *,
    bedrock_endpoint: str,
    stack_name: str,
    edge_port: int,
    api_image: str,
    state_folder: Path,
    policy_document: PolicyDocument | None = None,
) -> Platform:
    """Make or update everything, and return the document that tells the operator about it.

    Args:
        endpoint: address of the emulated AWS, as pods and this process reach it.
        bedrock_endpoint: address of the Bedrock Runtime emulator, as pods reach it.
        stack_name: name of the stack, and so of the cluster.
        edge_port: port that browsers use for every host name of the zone.
        api_image: the API's image when an instance names none.
        state_folder: where the demo user's password is kept.
        policy_document: the operator's rights; the operator's own `policy_document` when None.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the emulator does not answer, or refuses.
    """
    facts = StackFacts(stack_name, endpoint, bedrock_endpoint, edge_port, api_image)
    account = Account(facts)
    pool_id = account.user_pool()
    account.tier_trigger(pool_id)
    zone_id = account.hosted_zone()
    distribution = prepare_web_app(
        account.client,
        web_bucket(stack_name),
        apis=f"http://*.{ZONE_NAME}:{edge_port}",
        sign_in=f"http://auth.{ZONE_NAME}:{edge_port}",
    )
    account.cluster()
    account.user_keys_key()
    platform = _platform(facts, pool_id, zone_id, distribution)
    if policy_document is None:
        from recall_operator.permissions.operator_policy import policy_document as operators_own

        policy_document = operators_own
    account.operator_role(evaluable(policy_document(platform)))
    account.demo_user(pool_id, demo_user(state_folder))
    return platform


def web_bucket(stack_name: str) -> str:
    """Return the name of the bucket with the web app's files."""
    return f"recall-{stack_name}-web"


def demo_user(state_folder: Path) -> DemoUser:
    """Return the demo user of a stack; its password is made once and kept in a file that only its owner reads."""
    file = state_folder / "demo-user.json"
    if not file.exists():
        state_folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps({"email": DEMO_EMAIL, "password": _password()}))
    return DemoUser(**json.loads(file.read_text()))


def client_factory(endpoint: str) -> Callable[[str], Any]:
    """Return a function that makes boto3 clients of the emulator's root account."""
    session = boto3.session.Session(ROOT_ACCESS_KEY, ROOT_SECRET_KEY, region_name=REGION)
    config = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"})
    return lambda service: session.client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]


def pod_trust() -> dict[str, Any]:
    """Return the trust policy of roles for pods (EKS Pod Identity)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }


class Account:
    """The parts, each found by its name and made when it is not there."""

    def __init__(self, facts: StackFacts) -> None:
        self._facts = facts
        self.client = client_factory(facts.endpoint)

    @cached_property
    def _cognito(self) -> Any:
        return self.client("cognito-idp")

    @cached_property
    def _eks(self) -> Any:
        return self.client("eks")

    @cached_property
    def _iam(self) -> Any:
        return self.client("iam")

    def user_pool(self) -> str:
        """Return the id of the user pool, with its settings and the address of its sign-in pages."""
        name = f"recall-{self._facts.name}"
        pools = self._cognito.get_paginator("list_user_pools").paginate(MaxResults=60)
        found = [pool["Id"] for page in pools for pool in page["UserPools"] if pool["Name"] == name]
        settings: dict[str, Any] = {
            "Policies": {
                "PasswordPolicy": {
                    "MinimumLength": _PASSWORD_LENGTH,
                    "RequireLowercase": True,
                    "RequireNumbers": True,
                    "RequireUppercase": True,
                    "RequireSymbols": False,
                    "TemporaryPasswordValidityDays": 3,
                }
            },
            "AutoVerifiedAttributes": ["email"],
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "DeletionProtection": "ACTIVE",
            "UserPoolTier": "ESSENTIALS",
            "LambdaConfig": {"PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": self._tier_function}},
        }
        if found:
            pool_id = str(found[0])
            self._cognito.update_user_pool(UserPoolId=pool_id, **settings)
        else:
            pool = self._cognito.create_user_pool(
                PoolName=name,
                UsernameAttributes=["email"],
                UsernameConfiguration={"CaseSensitive": False},
                **settings,
            )
            pool_id = pool["UserPool"]["Id"]
        if not self._cognito.describe_user_pool_domain(Domain=name)["DomainDescription"]:
            self._cognito.create_user_pool_domain(Domain=name, UserPoolId=pool_id)
        return pool_id

    @property
    def _tier_function(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function_name(self._facts.name)}"

    def tier_trigger(self, pool_id: str) -> None:
        """Make the function that the pool calls before it makes tokens, with its rights."""
        self._role(_TIER_ROLE, {"Version": "2012-10-17", "Statement": [_service_may_assume("lambda.amazonaws.com")]})
        policy = rights(region=REGION, account_id=ACCOUNT_ID, cluster=self._facts.name, pool_id=pool_id)
        self._iam.put_role_policy(RoleName=_TIER_ROLE, PolicyName=_TIER_ROLE, PolicyDocument=json.dumps(policy))
        name = function_name(self._facts.name)
        prepare_trigger(self.client, name, _role_arn(_TIER_ROLE), self._facts.endpoint)

    def demo_user(self, pool_id: str, user: DemoUser) -> None:
        """Make the demo user, confirmed, with exactly this password."""
        with contextlib.suppress(self._cognito.exceptions.UsernameExistsException):
            self._cognito.admin_create_user(
                UserPoolId=pool_id,
                Username=user.email,
                UserAttributes=[{"Name": "email", "Value": user.email}, {"Name": "email_verified", "Value": "true"}],
                MessageAction="SUPPRESS",
            )
        self._cognito.admin_set_user_password(
            UserPoolId=pool_id, Username=user.email, Password=user.password, Permanent=True
        )

    def hosted_zone(self) -> str:
        """Return the id of the hosted zone."""
        route53 = self.client("route53")
        name = ZONE_NAME + "."
        zones = route53.get_paginator("list_hosted_zones").paginate()
        for zone in (zone for page in zones for zone in page["HostedZones"]):
            if zone["Name"] == name:
                return str(zone["Id"]).rpartition("/")[2]
        made = route53.create_hosted_zone(Name=name, CallerReference=f"recall-{self._facts.name}")
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def user_keys_key(self) -> None:
        """Make the KMS key that wraps users' data keys of instances that want them."""
        kms = self.client("kms")
        try:
            kms.describe_key(KeyId=USER_KEYS_KEY_ID)
        except kms.exceptions.NotFoundException:
            kms.create_key(
                Description="Wraps users' data keys", Tags=[{"TagKey": KEY_ID_TAG, "TagValue": USER_KEYS_KEY_ID}]
            )

    def cluster(self) -> None:
        """Register the cluster with EKS: it is where Pod Identity associations go; nothing runs behind it."""
        self._role(_CLUSTER_ROLE, {"Version": "2012-10-17", "Statement": [_service_may_assume("eks.amazonaws.com")]})
        with contextlib.suppress(self._eks.exceptions.ResourceInUseException):
            self._eks.create_cluster(
                name=self._facts.name,
                roleArn=_role_arn(_CLUSTER_ROLE),
                resourcesVpcConfig={"subnetIds": []},
            )

    def operator_role(self, policy: Mapping[str, Any]) -> None:
        """Make the operator's role with exactly `policy`, and give it to the operator's service account."""
        self._role(OPERATOR_ROLE, pod_trust())
        self._iam.put_role_policy(RoleName=OPERATOR_ROLE, PolicyName=_POLICY_NAME, PolicyDocument=json.dumps(policy))
        wanted = {"namespace": OPERATOR_NAMESPACE, "serviceAccount": OPERATOR_SERVICE_ACCOUNT}
        cluster = self._facts.name
        found = self._eks.list_pod_identity_associations(clusterName=cluster, **wanted)["associations"]
        if found:
            association = found[0]["associationId"]
            self._eks.update_pod_identity_association(
                clusterName=cluster, associationId=association, roleArn=_role_arn(OPERATOR_ROLE)
            )
        else:
            self._eks.create_pod_identity_association(clusterName=cluster, roleArn=_role_arn(OPERATOR_ROLE), **wanted)

    def _role(self, name: str, trust: Mapping[str, Any]) -> None:
        try:
            self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        except self._iam.exceptions.EntityAlreadyExistsException:
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))


def _service_may_assume(service: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


def _role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"


def _password() -> str:
    """Return a new password that the pool's policy accepts."""
    while True:
        password = secrets.token_urlsafe(_PASSWORD_LENGTH)
        kinds = (str.islower, str.isupper, str.isdigit)
        if all(any(kind(letter) for letter in password) for kind in kinds):
            return password


def _platform(facts: StackFacts, pool_id: str, zone_id: str, distribution: Distribution) -> Platform:
    return Platform(
        cluster=ClusterFacts(name=facts.name),
        aws=AwsFacts(
            account_id=ACCOUNT_ID,
            region=REGION,
            endpoint_urls={
                "AWS_ENDPOINT_URL": facts.endpoint,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": facts.bedrock_endpoint,
            },
        ),
        dns=DnsFacts(hosted_zone_id=zone_id, zone_name=ZONE_NAME),
        identity=IdentityFacts(
            user_pool_id=pool_id,
            token_issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}",
            jwks_url=f"{facts.endpoint}/{pool_id}/.well-known/jwks.json",
            sign_in_url=f"http://auth.{ZONE_NAME}:{facts.edge_port}",
        ),
        web=WebFacts(
            distribution=AliasTarget(dns_name=distribution.domain_name, hosted_zone_id=CLOUDFRONT_ZONE),
            scheme="http",
            port=facts.edge_port,
        ),
        ingress=IngressFacts(class_name=INGRESS_CLASS, load_balancer_zone_id=LOAD_BALANCER_ZONE),
        workload=WorkloadFacts(image=facts.api_image),
    )
