"""What AWS holds of an instance, by its name: read from every service the operator writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recall_local.aws.account import client_factory

if TYPE_CHECKING:
    from collections.abc import Iterator


def resources_of(endpoint: str, name: str) -> list[str]:
    """Return the resources on the AWS at `endpoint` whose names carry the instance's `name`, as `service: name`.

    It reads as the account's root, so that nothing can hide behind a missing right.
    """
    return sorted(resource for resource in _all_resources(endpoint) if name in resource)


def _all_resources(endpoint: str) -> Iterator[str]:
    client = client_factory(endpoint)
    for page in client("dynamodb").get_paginator("list_tables").paginate():
        yield from (f"dynamodb: {table}" for table in page["TableNames"])
    cognito = client("cognito-idp")
    for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]:
        for page in cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool["Id"]):
            yield from (f"cognito-idp: {item['ClientName']}" for item in page["UserPoolClients"])
    for page in client("iam").get_paginator("list_roles").paginate():
        yield from (f"iam: {role['RoleName']}" for role in page["Roles"])
    eks = client("eks")
    for cluster in eks.list_clusters()["clusters"]:
        for item in eks.list_pod_identity_associations(clusterName=cluster)["associations"]:
            yield f"eks: {item['namespace']}/{item['serviceAccount']}"
    route53 = client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        for page in route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"]):
            yield from (f"route53: {item['Type']} {item['Name']}" for item in page["ResourceRecordSets"])
