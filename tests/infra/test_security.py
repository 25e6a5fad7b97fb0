"""What the templates promise, property by property; cdk-nag has passed already, or there would be none."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

import pytest

from recall_infra.environment import Environment, environment_path
from tests.infra.conftest import FOLDER

if TYPE_CHECKING:
    from tests.infra.conftest import Templates

LASTING = ("cost", "dns", "edge", "identity", "registry", "web")
GOING = ("cluster", "external-dns", "network", "operator-rights")
CONTROL_PLANE_LOGS = {"api", "audit", "authenticator", "controllerManager", "scheduler"}


def knobs(templates: Templates) -> Environment:
    return Environment.load(environment_path(templates.environment))


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_stacks_are_cut_so_that_the_cluster_can_go_alone(templates: Templates) -> None:
    assert set(templates.parts()) >= {*LASTING, *GOING} - {"external-dns"}
    for lasting in LASTING:
        needs = " ".join(templates.settings(lasting)["dependencies"])
        assert not any(f"-{going}" in needs for going in GOING), (
            f"{lasting} would keep the cluster from being destroyed"
        )
        imported = text(templates.template(lasting))
        assert not any(f"recall-{templates.environment}-{going}:" in imported for going in GOING)


def test_what_lasts_is_protected_and_kept(templates: Templates) -> None:
    protected = knobs(templates).protect
    for part in templates.parts():
        wanted = protected and part not in GOING
        assert templates.settings(part)["properties"].get("terminationProtection", False) is wanted, part
    kept = "Retain" if protected else "Delete"
    kinds = ("AWS::Cognito::UserPool", "AWS::ECR::Repository", "AWS::S3::Bucket", "AWS::Route53::HostedZone")
    for part, resource in templates.all():
        if resource.type in kinds:
            assert part in LASTING
            assert resource.body["DeletionPolicy"] == resource.body["UpdateReplacePolicy"] == kept, resource.name


def test_every_resource_that_takes_tags_says_environment_and_part(templates: Templates) -> None:
    for part in templates.parts():
        for resource in templates.resources(part):
            tags = resource.properties.get("Tags") or resource.properties.get("UserPoolTags")
            if isinstance(tags, dict):
                tags = [{"Key": key, "Value": value} for key, value in tags.items()]
            for tag in ("environment", "part") if tags else ():
                value = {"environment": templates.environment, "part": part}[tag]
                assert {"Key": f"recall.kug.la/{tag}", "Value": value} in tags, resource.name


def test_the_network_has_several_zones_private_nodes_and_free_endpoints(templates: Templates) -> None:
    wanted = knobs(templates)
    subnets = templates.resources("network", "AWS::EC2::Subnet")
    zones = {subnet.properties["AvailabilityZone"] for subnet in subnets}
    assert zones == set(wanted.zones)
    assert len(zones) >= 2
    assert not any(subnet.properties["MapPublicIpOnLaunch"] for subnet in subnets)
    assert len(templates.resources("network", "AWS::EC2::NatGateway")) == wanted.network.nat_gateways
    endpoints = [item.properties for item in templates.resources("network", "AWS::EC2::VPCEndpoint")]
    gateways = [item for item in endpoints if item["VpcEndpointType"] == "Gateway"]
    assert len(gateways) == 2
    interfaces = [item for item in endpoints if item["VpcEndpointType"] == "Interface"]
    assert len(interfaces) == len(wanted.network.interface_endpoints)
    assert all(item["PrivateDnsEnabled"] and item["SecurityGroupIds"] for item in interfaces)


def test_flow_logs_are_as_the_knob_says(templates: Templates) -> None:
    wanted = knobs(templates).network.flow_logs
    logged = [item.properties["TrafficType"] for item in templates.resources("network", "AWS::EC2::FlowLog")]
    assert logged == {"all": ["ALL"], "rejected": ["REJECT"], "off": []}[wanted]


def test_the_cluster_is_closed_logged_and_encrypted(templates: Templates) -> None:
    """cdk-nag's rules EKS1 and EKS2 do not see clusters of aws_eks_v2: these stand for them, and for more."""
    wanted = knobs(templates).cluster
    cluster = templates.one("cluster", "AWS::EKS::Cluster").properties
    access = cluster["ResourcesVpcConfig"]
    assert access["EndpointPrivateAccess"] is True
    assert access["EndpointPublicAccess"] is bool(wanted.endpoint_addresses)
    assert access.get("PublicAccessCidrs", []) == wanted.endpoint_addresses
    assert all(ipaddress.ip_network(item).prefixlen > 0 for item in wanted.endpoint_addresses)
    (logging,) = cluster["Logging"].values()
    assert {item["Type"] for item in logging["EnabledTypes"]} == CONTROL_PLANE_LOGS
    (encryption,) = cluster["EncryptionConfig"]
    assert encryption["Resources"] == ["secrets"]
    (key,) = templates.resources("cluster", "AWS::KMS::Key")
    assert encryption["Provider"]["KeyArn"] == {"Fn::GetAtt": [key.name, "Arn"]}
    assert key.properties["EnableKeyRotation"] is True
    assert cluster["Version"] == wanted.version
    assert cluster["UpgradePolicy"] == {"SupportType": "STANDARD"}
    assert cluster["DeletionProtection"] is wanted.deletion_protection


def test_the_cluster_runs_in_auto_mode_in_private_subnets(templates: Templates) -> None:
    cluster = templates.one("cluster", "AWS::EKS::Cluster").properties
    assert cluster["ComputeConfig"]["Enabled"] is True
    assert cluster["KubernetesNetworkConfig"]["ElasticLoadBalancing"] == {"Enabled": True}
    assert cluster["StorageConfig"] == {"BlockStorage": {"Enabled": True}}
    used = text(cluster["ResourcesVpcConfig"]["SubnetIds"])
    assert "private" in used
    assert "public" not in used


def test_only_whom_the_knobs_name_may_use_the_kubernetes_api(templates: Templates) -> None:
    cluster = templates.one("cluster", "AWS::EKS::Cluster").properties
    assert cluster["AccessConfig"] == {
        "AuthenticationMode": "API",
        "BootstrapClusterCreatorAdminPermissions": False,
    }
    entries = [item.properties for item in templates.resources("cluster", "AWS::EKS::AccessEntry")]
    found = {
        (item["PrincipalArn"], text(item["AccessPolicies"][0]["PolicyArn"]).rpartition("/")[2].split('"')[0])
        for item in entries
    }
    wanted = knobs(templates)
    named = {(item.principal, f"AmazonEKS{item.policy}Policy") for item in wanted.cluster.access}
    if wanted.delivery and wanted.delivery.operator:
        role = f"arn:aws:iam::{wanted.account_id}:role/recall-{wanted.name}-delivery"
        named.add((role, "AmazonEKSClusterAdminPolicy"))
    assert found == named


def test_logs_are_forgotten_in_time(templates: Templates) -> None:
    groups = [resource for _, resource in templates.all("AWS::Logs::LogGroup")]
    assert groups
    assert {item.properties["RetentionInDays"] for item in groups} == {knobs(templates).log_days}


def test_images_are_scanned_and_never_change_their_meaning(templates: Templates) -> None:
    repositories = templates.resources("registry", "AWS::ECR::Repository")
    assert len(repositories) == len(knobs(templates).registry.repositories)
    for repository in repositories:
        assert repository.properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository.properties["ImageTagMutability"] == "IMMUTABLE"
        assert len(json.loads(repository.properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]) == 2


def test_the_user_pool_is_as_the_knobs_say(templates: Templates) -> None:
    wanted = knobs(templates)
    pool = templates.one("identity", "AWS::Cognito::UserPool").properties
    assert pool["UserPoolTier"] == "ESSENTIALS"
    assert pool["MfaConfiguration"] == {"off": "OFF", "optional": "OPTIONAL", "required": "ON"}[wanted.identity.mfa]
    assert pool.get("EnabledMfas", []) == ([] if wanted.identity.mfa == "off" else ["SOFTWARE_TOKEN_MFA"])
    password = pool["Policies"]["PasswordPolicy"]
    assert password["MinimumLength"] == wanted.identity.password_length
    assert all(password[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is not wanted.identity.self_sign_up
    assert pool["DeletionProtection"] == ("ACTIVE" if wanted.protect else "INACTIVE")
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["AccountRecoverySetting"]["RecoveryMechanisms"] == [{"Name": "verified_email", "Priority": 1}]
    domain = templates.one("identity", "AWS::Cognito::UserPoolDomain").properties
    assert domain["ManagedLoginVersion"] == 2
    names = {
        item.properties["ProviderName"]
        for item in templates.resources("identity", "AWS::Cognito::UserPoolIdentityProvider")
    }
    assert names == {item.name for item in [*wanted.identity.social, *wanted.identity.saml]}


def test_the_triggers_are_wired_and_callable_by_cognito_alone(templates: Templates) -> None:
    pool = templates.one("identity", "AWS::Cognito::UserPool")
    config = pool.properties["LambdaConfig"]
    assert config["PreTokenGenerationConfig"]["LambdaVersion"] == "V2_0"
    assert ("PreSignUp" in config) is bool(knobs(templates).identity.allowed_domains)
    for permission in templates.resources("identity", "AWS::Lambda::Permission"):
        assert permission.properties["Principal"] == "cognito-idp.amazonaws.com"
        assert permission.properties["SourceArn"] == {"Fn::GetAtt": [pool.name, "Arn"]}
    for function in templates.resources("identity", "AWS::Lambda::Function"):
        if function.properties["Handler"] == "handler.handler":
            assert function.properties["Timeout"] < 5, "Cognito waits five seconds"


def test_no_secret_stands_in_a_template(synthesised: dict[str, Templates]) -> None:
    provider = next(
        item.properties
        for item in synthesised["production"].resources("identity", "AWS::Cognito::UserPoolIdentityProvider")
        if item.properties["ProviderName"] == "Google"
    )
    assert provider["ProviderDetails"]["client_secret"].startswith("{{resolve:secretsmanager:arn:aws:secretsmanager:")


def test_the_buckets_are_private_encrypted_and_reached_by_tls(templates: Templates) -> None:
    buckets = templates.resources("web", "AWS::S3::Bucket")
    assert len(buckets) == 2
    for bucket in buckets:
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert "AES256" in text(bucket.properties["BucketEncryption"])
    policies = templates.resources("web", "AWS::S3::BucketPolicy")
    assert len(policies) == 2
    for policy in policies:
        denied = [item for item in policy.properties["PolicyDocument"]["Statement"] if item["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [item["Condition"] for item in denied]


def test_only_the_distribution_reads_the_site(templates: Templates) -> None:
    distribution = templates.one("web", "AWS::CloudFront::Distribution")
    assert (
        templates.one("web", "AWS::CloudFront::OriginAccessControl").properties["OriginAccessControlConfig"][
            "SigningBehavior"
        ]
        == "always"
    )
    (origin,) = distribution.properties["DistributionConfig"]["Origins"]
    assert origin["OriginAccessControlId"]
    readers = [
        statement
        for policy in templates.resources("web", "AWS::S3::BucketPolicy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    ]
    assert readers
    assert all(
        distribution.name in text(statement["Condition"]["StringEquals"]["AWS:SourceArn"]) for statement in readers
    )


def test_the_distribution_is_modern_and_closed(templates: Templates) -> None:
    wanted = knobs(templates)
    settings = templates.one("web", "AWS::CloudFront::Distribution").properties["DistributionConfig"]
    assert settings["HttpVersion"] == "http2and3"
    assert settings["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert settings["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    assert settings["Logging"]["IncludeCookies"] is False
    assert settings["Aliases"][:2] == [wanted.dns.zone_name, f"*.{wanted.dns.zone_name}"]
    assert "CustomErrorResponses" not in settings, "a page instead of an error would mask what WAF refuses"
    location = settings.get("Restrictions", {}).get("GeoRestriction")
    assert location == (
        {"RestrictionType": "whitelist", "Locations": wanted.web.countries} if wanted.web.countries else None
    )
    assert ("WebACLId" in settings) is wanted.web.firewall.enabled


def test_every_answer_has_security_headers(templates: Templates) -> None:
    wanted = knobs(templates)
    settings = templates.one("web", "AWS::CloudFront::ResponseHeadersPolicy").properties["ResponseHeadersPolicyConfig"]
    headers = settings["SecurityHeadersConfig"]
    assert headers["StrictTransportSecurity"] == {
        "AccessControlMaxAgeSec": 2 * 365 * 24 * 3600, "IncludeSubdomains": True, "Override": True,
    }  # fmt: skip
    assert headers["FrameOptions"]["FrameOption"] == "DENY"
    assert headers["ContentTypeOptions"] == {"Override": True}
    assert headers["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"
    policy = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    # The API answers below the zone, and Cognito at its sign-in pages.
    prefix = wanted.identity.domain_prefix
    cognito = f"https://{prefix}.auth.{wanted.region}.amazoncognito.com" if prefix else None
    pages = cognito or f"https://auth.{wanted.dns.zone_name}"
    assert rules["connect-src"].split() == ["'self'", f"https://*.{wanted.dns.zone_name}", pages]
    told = json.loads((FOLDER.parent / "frontend" / "security-headers.json").read_text())
    sent = {item["Header"]: item["Value"] for item in settings["CustomHeadersConfig"]["Items"]}
    assert sent == told["custom"]
    assert len(rules) == len(told["content-security-policy"])


@pytest.mark.parametrize(("part", "scope"), [("edge", "CLOUDFRONT"), ("cluster", "REGIONAL")])
def test_the_firewall_limits_requests_and_logs_no_secrets(templates: Templates, part: str, scope: str) -> None:
    wanted = knobs(templates).web
    found = templates.resources(part, "AWS::WAFv2::WebACL")
    assert bool(found) is wanted.firewall.enabled
    for acl in found:
        assert acl.properties["Scope"] == scope
        rules = {rule["Name"]: rule for rule in acl.properties["Rules"]}
        limit = rules["RequestLimit"]
        assert limit["Statement"]["RateBasedStatement"]["Limit"] == wanted.firewall.requests_per_five_minutes
        assert limit["Action"] == {"Block": {}}
        assert ("OtherCountries" in rules) is bool(wanted.countries)
        priorities = [rule["Priority"] for rule in acl.properties["Rules"]]
        assert priorities == sorted(set(priorities))
        redacted = text(templates.one(part, "AWS::WAFv2::LoggingConfiguration").properties["RedactedFields"])
        assert "authorization" in redacted
        assert "cookie" in redacted


def test_certificates_are_in_both_regions(templates: Templates) -> None:
    wanted = knobs(templates)
    assert templates.settings("edge")["environment"].endswith("/us-east-1")
    assert templates.settings("dns")["environment"].endswith(f"/{wanted.region}")
    for part in ("dns", "edge"):
        names = templates.one(part, "AWS::CertificateManager::Certificate").properties
        assert names["DomainName"] == wanted.dns.zone_name
        assert f"*.{wanted.dns.zone_name}" in names["SubjectAlternativeNames"]
        assert names["ValidationMethod"] == "DNS"
    below = [f"*.{host}" for host in wanted.dns.hostnames]
    regional = templates.one("dns", "AWS::CertificateManager::Certificate").properties["SubjectAlternativeNames"]
    assert set(below) <= set(regional)


def test_only_one_branch_or_environment_of_one_repository_deploys(templates: Templates) -> None:
    wanted = knobs(templates).delivery
    if wanted is None:
        assert "delivery" not in templates.parts()
        return
    (statement,) = templates.one("delivery", "AWS::IAM::Role").properties["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert statement["Condition"] == {
        "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": wanted.subject}
    }
    assert "*" not in wanted.subject
    provider = templates.one("delivery", "AWS::IAM::OIDCProvider").properties
    assert provider["Url"] == f"https://{issuer}"
    assert provider["ClientIdList"] == ["sts.amazonaws.com"]


def test_the_key_of_users_data_keys_turns_and_stays(templates: Templates) -> None:
    wanted = knobs(templates)
    found = templates.resources("keys", "AWS::KMS::Key") if "keys" in templates.parts() else []
    assert bool(found) is wanted.user_keys
    for key in found:
        assert key.properties["EnableKeyRotation"] is True
        assert key.body["DeletionPolicy"] == ("Retain" if wanted.protect else "Delete")
        principals = [item["Principal"] for item in key.properties["KeyPolicy"]["Statement"]]
        assert all(f":iam::{wanted.account_id}:root" in text(item) for item in principals), "its account alone"


def test_external_dns_has_its_own_mark_and_its_own_zone(templates: Templates) -> None:
    wanted = knobs(templates)
    if not wanted.cluster.external_dns:
        assert "external-dns" not in templates.parts()
        return
    addon = templates.one("external-dns", "AWS::EKS::Addon").properties
    settings = json.loads(addon["ConfigurationValues"])
    assert settings["txtOwnerId"] != wanted.cluster.name
    assert settings["domainFilters"] == [wanted.dns.zone_name]
    assert "--ignore-ingress-rules-spec" in settings["extraArgs"]
    (policy,) = templates.resources("external-dns", "AWS::IAM::Policy")
    changing = policy.properties["PolicyDocument"]["Statement"][0]
    assert set(changing["Action"]) == {"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"}
    assert text(changing["Resource"]) != text("*")


def test_money_is_watched(templates: Templates) -> None:
    wanted = knobs(templates).budget
    budget = templates.one("cost", "AWS::Budgets::Budget").properties
    assert budget["Budget"]["BudgetLimit"] == {"Amount": wanted.monthly_usd, "Unit": "USD"}
    alarms = budget["NotificationsWithSubscribers"]
    kinds = {(item["Notification"]["NotificationType"], item["Notification"]["Threshold"]) for item in alarms}
    assert kinds == {("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
    for alarm in alarms:
        assert [item["Address"] for item in alarm["Subscribers"]] == wanted.emails
    assert bool(templates.resources("cost", "AWS::CE::AnomalyMonitor")) is wanted.anomalies
