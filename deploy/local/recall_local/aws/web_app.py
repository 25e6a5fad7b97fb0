"""The web app's files: a private bucket, the distribution that alone may read it, and its security headers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recall_local.aws.emulator import ACCOUNT_ID
from recall_local.web_build import FRONTEND

if TYPE_CHECKING:
    from collections.abc import Callable

_HSTS_SECONDS: Final = 63_072_000
"""Two years. Source: hstspreload.org, submission requirements."""

_CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""Managed cache policy. Source: CloudFront developer guide, managed cache policies."""


@dataclass(frozen=True)
class Distribution:
    """A CloudFront distribution."""

    id: str
    domain_name: str


def prepare_web_app(client: Callable[[str], Any], bucket: str, *, apis: str, sign_in: str) -> Distribution:
    """Make the bucket, its distribution and the policies of both, as far as they are missing.

    Args:
        client: makes a client of a service.
        bucket: its name, and the distribution's.
        apis: source expression for the APIs that pages may call, such as `https://*.example.org`.
        sign_in: origin of the sign-in pages, where pages exchange codes for tokens.
    """
    s3, cloudfront = client("s3"), client("cloudfront")
    if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        region = s3.meta.region_name
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )
    headers = _headers_policy(cloudfront, bucket, apis=apis, sign_in=sign_in)
    distribution = _distribution(cloudfront, bucket, f"{bucket}.s3.{s3.meta.region_name}.amazonaws.com", headers)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(bucket_policy(bucket, distribution.id)))
    return distribution


def bucket_policy(bucket: str, distribution_id: str) -> dict[str, Any]:
    """Let the distribution read files, and list: without List, S3 answers a missing file with 403 instead of 404."""
    reader = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Condition": {
            "StringEquals": {"AWS:SourceArn": f"arn:aws:cloudfront::{ACCOUNT_ID}:distribution/{distribution_id}"}
        },
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**reader, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"},
            {**reader, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        ],
    }


def security_headers(*, apis: str, sign_in: str) -> dict[str, Any]:
    """Return `frontend/security-headers.json` as CloudFront takes it (ResponseHeadersPolicyConfig, without a name)."""
    told = json.loads((FRONTEND / "security-headers.json").read_text())
    policy = "; ".join(told["content-security-policy"]).format(apis=apis, sign_in=sign_in)
    custom = [{"Header": name, "Value": value, "Override": True} for name, value in told["custom"].items()]
    return {
        "SecurityHeadersConfig": {
            "ContentSecurityPolicy": {"Override": True, "ContentSecurityPolicy": policy},
            "ContentTypeOptions": {"Override": True},
            "FrameOptions": {"Override": True, "FrameOption": "DENY"},
            "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "no-referrer"},
            "StrictTransportSecurity": {
                "Override": True,
                "AccessControlMaxAgeSec": _HSTS_SECONDS,
                "IncludeSubdomains": True,
                "Preload": False,
            },
        },
        "CustomHeadersConfig": {"Quantity": len(custom), "Items": custom},
    }


def _headers_policy(cloudfront: Any, name: str, *, apis: str, sign_in: str) -> str:
    wanted = {"Name": name, **security_headers(apis=apis, sign_in=sign_in)}
    listed = cloudfront.list_response_headers_policies(Type="custom")["ResponseHeadersPolicyList"].get("Items", ())
    for policy in (item["ResponseHeadersPolicy"] for item in listed):
        if policy["ResponseHeadersPolicyConfig"]["Name"] == name:
            there = cloudfront.get_response_headers_policy(Id=policy["Id"])
            cloudfront.update_response_headers_policy(
                Id=policy["Id"], IfMatch=there["ETag"], ResponseHeadersPolicyConfig=wanted
            )
            return str(policy["Id"])
    made = cloudfront.create_response_headers_policy(ResponseHeadersPolicyConfig=wanted)
    return str(made["ResponseHeadersPolicy"]["Id"])


def _distribution(cloudfront: Any, name: str, origin: str, headers: str) -> Distribution:
    pages = cloudfront.get_paginator("list_distributions").paginate()
    for found in (item for page in pages for item in page["DistributionList"].get("Items", ())):
        if found["Comment"] == name:
            there = cloudfront.get_distribution_config(Id=found["Id"])
            config = there["DistributionConfig"]
            if config["DefaultCacheBehavior"].get("ResponseHeadersPolicyId") != headers:
                config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = headers
                cloudfront.update_distribution(Id=found["Id"], IfMatch=there["ETag"], DistributionConfig=config)
            return Distribution(found["Id"], found["DomainName"])
    control = cloudfront.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": name,
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]
    made = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": name,
            "Comment": name,
            "Enabled": True,
            "DefaultRootObject": "index.html",
            "Origins": {
                "Quantity": 1,
                "Items": [
                    {
                        "Id": "web",
                        "DomainName": origin,
                        "OriginAccessControlId": control,
                        "S3OriginConfig": {"OriginAccessIdentity": ""},
                    }
                ],
            },
            "DefaultCacheBehavior": {
                "TargetOriginId": "web",
                "ViewerProtocolPolicy": "allow-all",  # the local stack has no TLS; on AWS: redirect-to-https
                "CachePolicyId": _CACHING_OPTIMIZED,
                "ResponseHeadersPolicyId": headers,
                "Compress": True,
            },
            # The app's own addresses are no files: it is one page that reads the address itself. Under our bucket
            # policy S3 answers 404 for what is not there; ministack answers 403.
            "CustomErrorResponses": {
                "Quantity": 2,
                "Items": [
                    {
                        "ErrorCode": code,
                        "ResponsePagePath": "/index.html",
                        "ResponseCode": "200",
                        "ErrorCachingMinTTL": 0,
                    }
                    for code in (403, 404)
                ],
            },
        }
    )["Distribution"]
    return Distribution(made["Id"], made["DomainName"])
