"""The users: the part that can't be made again. It outlives everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53

from recall_infra.rights import explain
from recall_infra.stacks.base import Part, RecallStack
from recall_operator.platform import CLOUDFRONT_ZONE

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment, SocialProviderKnobs
    from recall_infra.stacks.dns import Dns
    from recall_infra.stacks.edge import Edge

PART: Final = Part("identity", lasting=True)
FUNCTIONS: Final = Path(__file__).parents[1] / "functions"
RUNTIME: Final = lambda_.Runtime.PYTHON_3_14
_TRIGGER_SECONDS: Final = 4
"""Cognito waits 5 s for a trigger. Source: Cognito Developer Guide, "Using Lambda triggers"."""
_MFA: Final = {"off": cognito.Mfa.OFF, "optional": cognito.Mfa.OPTIONAL, "required": cognito.Mfa.REQUIRED}
_SOCIAL_SCOPES: Final = {
    "Google": "openid email profile",
    "LoginWithAmazon": "profile",
    "Facebook": "email,public_profile",
    "SignInWithApple": "name email",
    "OIDC": "openid email profile",
}


class Identity(RecallStack):
    """User pool, its sign-in pages, its providers, and the triggers that decide who signs up and tell the tier."""

    def __init__(self, app: Construct, environment: Environment, dns: Dns, edge: Edge) -> None:
        """Make it."""
        super().__init__(app, environment, PART, "Recall: users. Kept when the cluster is destroyed.")
        knobs = environment.identity
        self.pool = cognito.UserPool(
            self,
            "Users",
            user_pool_name=f"recall-{environment.name}",
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            # Only what can't be done without: required attributes can never be changed.
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True)
            ),
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            keep_original=cognito.KeepOriginalAttrs(email=True),
            self_sign_up_enabled=knobs.self_sign_up,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=_MFA[knobs.mfa],
            mfa_second_factor=None if knobs.mfa == "off" else cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=knobs.password_length,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=cdk.Duration.days(3),
            ),
            deletion_protection=environment.protect,
            removal_policy=self.kept,
        )
        self._tier_trigger(environment)
        if knobs.allowed_domains:
            domains = json.dumps([domain.lower() for domain in knobs.allowed_domains])
            guard = self._function("SignUp", "sign_up", {"RECALL_ALLOWED_DOMAINS": domains})
            self.pool.add_trigger(cognito.UserPoolOperation.PRE_SIGN_UP, guard)
        self.sign_in_url = self._domain(environment, dns, edge)
        self._providers(environment)
        pool_id = self.pool.user_pool_id
        self.issuer = f"https://cognito-idp.{environment.region}.amazonaws.com/{pool_id}"
        cdk.CfnOutput(self, "UserPoolId", value=pool_id)
        cdk.CfnOutput(self, "SignInUrl", value=self.sign_in_url)

    def _function(self, construct_id: str, folder: str, variables: dict[str, str]) -> lambda_.Function:
        return lambda_.Function(
            self,
            construct_id,
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(FUNCTIONS / folder), exclude=["__pycache__"]),
            handler="handler.handler",
            memory_size=256,
            timeout=cdk.Duration.seconds(_TRIGGER_SECONDS),
            environment=variables,
            role=self._function_role(construct_id),
            log_group=self.log_group(f"{construct_id}Logs"),
        )

    def _function_role(self, construct_id: str) -> iam.Role:
        return iam.Role(
            self,
            f"{construct_id}Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Recall: {construct_id} trigger",
        )

    def _tier_trigger(self, environment: Environment) -> None:
        tables = json.dumps(environment.identity.users_tables, sort_keys=True)
        trigger = self._function("Tier", "tier", {"RECALL_USERS_TABLES": tables})
        self.pool.add_trigger(
            cognito.UserPoolOperation.PRE_TOKEN_GENERATION_CONFIG, trigger, cognito.LambdaVersion.V2_0
        )
        role = trigger.role
        assert role is not None  # noqa: S101 - it was given
        # Not the role's default policy: it would wait for the pool, which waits for the function, which waits for it.
        statements = [iam.PolicyStatement.from_json(statement) for statement in self._tier_rights(environment)]
        policy = iam.Policy(self, "TierRights", roles=[role], statements=statements)
        explain(policy, [statement.to_statement_json() for statement in statements])

    def _tier_rights(self, environment: Environment) -> list[dict[str, Any]]:
        """Return the trigger's rights, and those on tables with names of their own."""
        text = (FUNCTIONS / "tier-rights.json").read_text()
        values = {
            "region": environment.region,
            "account": environment.account_id,
            "cluster": environment.cluster.name,
            "pool": self.pool.user_pool_id,
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        statements: list[dict[str, Any]] = json.loads(text)
        tables = f"arn:aws:dynamodb:{environment.region}:{environment.account_id}:table"
        own = [f"{tables}/{name}" for name in sorted(set(environment.identity.users_tables.values()))]
        return [
            statement | {"Resource": statement["Resource"] + own} if statement["Sid"] == "Tier" else statement
            for statement in statements
        ]

    def _domain(self, environment: Environment, dns: Dns, edge: Edge) -> str:
        prefix = environment.identity.domain_prefix
        if prefix:
            self.pool.add_domain(
                "SignIn",
                cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix),
                managed_login_version=cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN,
            )
            return f"https://{prefix}.auth.{environment.region}.amazoncognito.com"
        name = f"auth.{environment.dns.zone_name}"
        certificate: acm.ICertificate = edge.certificate
        domain = self.pool.add_domain(
            "SignIn",
            custom_domain=cognito.CustomDomainOptions(domain_name=name, certificate=certificate),
            managed_login_version=cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN,
        )
        low = domain.node.default_child
        assert isinstance(low, cognito.CfnUserPoolDomain)  # noqa: S101 - a change of CDK must stop the build here
        # CDK's own alias target asks for the name by a Lambda function with rights on everything.
        route53.CfnRecordSet(
            self,
            "SignInName",
            hosted_zone_id=dns.zone.hosted_zone_id,
            name=f"{name}.",
            type="A",
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=low.attr_cloud_front_distribution, hosted_zone_id=CLOUDFRONT_ZONE
            ),
        )
        return f"https://{name}"

    def _providers(self, environment: Environment) -> None:
        for number, social in enumerate(environment.identity.social):
            cognito.CfnUserPoolIdentityProvider(
                self,
                f"Social{number}",
                user_pool_id=self.pool.user_pool_id,
                provider_name=social.name,
                provider_type=social.kind,
                provider_details=_social_details(social),
                attribute_mapping={"email": "email", "email_verified": "email_verified"}
                if social.kind in {"Google", "OIDC", "SignInWithApple"}
                else {"email": "email"},
            )
        for number, saml in enumerate(environment.identity.saml):
            cognito.UserPoolIdentityProviderSaml(
                self,
                f"Saml{number}",
                user_pool=self.pool,
                name=saml.name,
                metadata=cognito.UserPoolIdentityProviderSamlMetadata.url(saml.metadata_url),
                attribute_mapping=cognito.AttributeMapping(email=cognito.ProviderAttribute.other(saml.email_attribute)),
                idp_signout=True,
            )


def _social_details(provider: SocialProviderKnobs) -> dict[str, Any]:
    """Return what Cognito wants to know of a provider. Source: Cognito API reference, CreateIdentityProvider."""
    # A dynamic reference: the secret stands in Secrets Manager alone, never in a template.
    secret = f"{{{{resolve:secretsmanager:{provider.secret_arn}}}}}"
    details: dict[str, Any] = {"client_id": provider.client_id, "authorize_scopes": _SOCIAL_SCOPES[provider.kind]}
    if provider.kind == "SignInWithApple":
        return details | {"team_id": provider.apple_team, "key_id": provider.apple_key, "private_key": secret}
    if provider.kind == "OIDC":
        details |= {"oidc_issuer": provider.issuer, "attributes_request_method": "GET"}
    return details | {"client_secret": secret}
