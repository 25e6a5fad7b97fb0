"""The web app's bucket and distribution: they cost by use, and stay when the cluster is destroyed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3

from recall_infra.names import site_bucket_name
from recall_infra.stacks.base import Part, RecallStack
from recall_infra.stacks.edge import web_names

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment
    from recall_infra.stacks.edge import Edge
    from recall_infra.stacks.identity import Identity

PART: Final = Part("web", lasting=True)
ROUTE_FUNCTION: Final = Path(__file__).parents[1] / "functions" / "web" / "route.js"
SECURITY_HEADERS: Final = Path(__file__).parents[3] / "frontend" / "security-headers.json"
_PRICE_CLASSES: Final = {
    "100": cloudfront.PriceClass.PRICE_CLASS_100,
    "200": cloudfront.PriceClass.PRICE_CLASS_200,
    "all": cloudfront.PriceClass.PRICE_CLASS_ALL,
}


def told_headers(zone_name: str, sign_in_url: str) -> tuple[str, dict[str, str]]:
    """Return the content security policy and the further headers that the web app asks for, for its hosts in a zone.

    The app's own file says them, and the stack on one machine sends the same. Its API answers below the zone.
    """
    told = json.loads(SECURITY_HEADERS.read_text())
    policy = "; ".join(told["content-security-policy"]).format(apis=f"https://*.{zone_name}", sign_in=sign_in_url)
    return policy, told["custom"]


class Web(RecallStack):
    """A private bucket, and one distribution for all instances' hosts."""

    def __init__(self, app: Construct, environment: Environment, edge: Edge, identity: Identity) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: web app. Kept when the cluster is destroyed; costs by use.")
        logs_bucket = s3.Bucket(
            self,
            "Logs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            # CloudFront's standard log delivery writes with an ACL.
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(environment.log_days))],
            removal_policy=self.kept,
        )
        self.bucket = s3.Bucket(
            self,
            "Site",
            bucket_name=site_bucket_name(environment),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=logs_bucket,
            server_access_logs_prefix="bucket/",
            lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=cdk.Duration.days(30))],
            removal_policy=self.kept,
        )
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Recall {environment.name}: web app",
            domain_names=web_names(environment),
            certificate=edge.certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_ipv6=True,
            price_class=_PRICE_CLASSES[environment.web.price_class],
            default_root_object="index.html",
            web_acl_id=edge.firewall_arn,
            geo_restriction=cloudfront.GeoRestriction.allowlist(*environment.web.countries)
            if environment.web.countries
            else None,
            enable_logging=True,
            log_bucket=logs_bucket,
            log_file_prefix="distribution/",
            log_includes_cookies=False,
            default_behavior=cloudfront.BehaviorOptions(
                # List, so that S3 answers 404 for what is not there and not the 403 of a refusal.
                origin=origins.S3BucketOrigin.with_origin_access_control(
                    self.bucket,
                    origin_access_levels=[cloudfront.AccessLevel.READ, cloudfront.AccessLevel.LIST],
                ),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                compress=True,
                response_headers_policy=self._headers(environment, identity.sign_in_url),
                function_associations=[
                    cloudfront.FunctionAssociation(
                        event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=self._route()
                    )
                ],
            ),
        )
        cdk.CfnOutput(self, "SiteBucket", value=self.bucket.bucket_name)
        cdk.CfnOutput(self, "DistributionId", value=self.distribution.distribution_id)
        cdk.CfnOutput(self, "DistributionName", value=self.distribution.distribution_domain_name)

    def _route(self) -> cloudfront.Function:
        return cloudfront.Function(
            self,
            "Route",
            code=cloudfront.FunctionCode.from_file(file_path=str(ROUTE_FUNCTION)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="The app's own paths are answered by its one page",
        )

    def _headers(self, environment: Environment, sign_in_url: str) -> cloudfront.ResponseHeadersPolicy:
        policy, custom = told_headers(environment.dns.zone_name, sign_in_url)
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment="Recall: security headers",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=policy, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=cdk.Duration.days(730), include_subdomains=True, override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in custom.items()
                ]
            ),
        )
