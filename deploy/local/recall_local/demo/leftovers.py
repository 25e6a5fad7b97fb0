"""What AWS holds of an instance, by its name: read from every service the operator writes to."""

from __future__ import annotations

import boto3

REGION = "eu-west-1"


def resources_of(endpoint: str, name: str) -> list[str]:
    """Return the resources on the AWS at `endpoint` whose names carry the instance's `name`, as `service: name`.

    It reads as the account's root, so that nothing can hide behind a missing right.
    """
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    dynamodb, cognito, iam, eks, route53 = (
        session.client(service, endpoint_url=endpoint)
        for service in ("dynamodb", "cognito-idp", "iam", "eks", "route53")
    )
    found = [
        f"dynamodb: {table}"
        for page in dynamodb.get_paginator("list_tables").paginate()
        for table in page["TableNames"]
    ]
    for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]:
        pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool["Id"])
        found += [f"cognito-idp: {client['ClientName']}" for page in pages for client in page["UserPoolClients"]]
    found += [
        f"iam: {role['RoleName']}" for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]
    ]
    for cluster in eks.list_clusters()["clusters"]:
        associations = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
        found += [f"eks: {item['namespace']}/{item['serviceAccount']}" for item in associations]
    for zone in route53.list_hosted_zones()["HostedZones"]:
        pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
        found += [f"route53: {item['Type']} {item['Name']}" for page in pages for item in page["ResourceRecordSets"]]
    return sorted(resource for resource in found if name in resource)
