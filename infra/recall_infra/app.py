"""The CDK app: all stacks of one environment, in the order in which they need each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from recall_infra import acknowledged
from recall_infra.environment import Environment, KnobError, environment_path
from recall_infra.stacks.all_stacks import Stacks
from recall_infra.stacks.cluster import Cluster
from recall_infra.stacks.cost import Cost
from recall_infra.stacks.delivery import Delivery
from recall_infra.stacks.dns import Dns
from recall_infra.stacks.edge import Edge
from recall_infra.stacks.external_dns import ExternalDns
from recall_infra.stacks.identity import Identity
from recall_infra.stacks.keys import Keys
from recall_infra.stacks.network import Network
from recall_infra.stacks.operator_rights import OperatorRights
from recall_infra.stacks.registry import Registry
from recall_infra.stacks.web import Web

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONTEXT: Final[Mapping[str, Any]] = {
    "aws:cdk:enable-path-metadata": False,
    "aws:cdk:disable-asset-staging": False,
    "@aws-cdk/core:target-partitions": ["aws"],
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:checkSecretUsage": True,
    # What others need can't be destroyed before them.
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
    "@aws-cdk/customresources:installLatestAwsSdkDefault": False,
}
"""CDK's feature flags that change what is made; fixed here, so that every way of synthesising gives the same."""


def build(app: cdk.App, environment: Environment) -> Stacks:
    """Add all stacks of an environment to `app`."""
    registry = Registry(app, environment)
    dns = Dns(app, environment)
    edge = Edge(app, environment, dns)
    identity = Identity(app, environment, dns, edge)
    web = Web(app, environment, edge, identity)
    delivery = Delivery(app, environment, environment.delivery, web) if environment.delivery else None
    network = Network(app, environment)
    cluster = Cluster(app, environment, network, delivery)
    external_dns = ExternalDns(app, environment, cluster, dns) if environment.cluster.external_dns else None
    rights = OperatorRights(app, environment, cluster, dns, identity, web)
    keys = Keys(app, environment) if environment.user_keys else None
    cost = Cost(app, environment)
    stacks = Stacks(network, cluster, external_dns, registry, dns, edge, identity, web, rights, delivery, keys, cost)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    acknowledged.acknowledge(stacks)
    return stacks


def synthesise(environment: Environment, outdir: Path | None = None) -> cdk.App:
    """Return the app of an environment after its templates are written to `outdir` (CDK's own choice when None).

    Raises:
        RuntimeError: a rule of cdk-nag is broken that nobody has acknowledged.
    """
    app = cdk.App(outdir=str(outdir) if outdir else None, context=dict(CONTEXT), analytics_reporting=False)
    build(app, environment)
    app.synth()
    return app


def main() -> int:
    """Synthesise for the CDK command line, which names the environment by the context key `environment`."""
    app = cdk.App(context=dict(CONTEXT), analytics_reporting=False)
    name = app.node.try_get_context("environment")
    if not name:
        sys.stderr.write("environment: name one, such as: cdk synth -c environment=beta\n")
        return 2
    try:
        environment = Environment.load(environment_path(str(name)))
    except KnobError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    build(app, environment)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
