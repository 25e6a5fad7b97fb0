"""Names that more than one stack, or a command, must know; they follow from the knobs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recall_infra.environment import Environment


def registry_host(environment: Environment) -> str:
    """Return the host of the account's registry. Source: ECR User Guide, private registry concepts."""
    return f"{environment.account_id}.dkr.ecr.{environment.region}.amazonaws.com"


def repository_name(environment: Environment, name: str) -> str:
    """Return the name of one of the environment's repositories."""
    return f"recall-{environment.name}/{name}"


def site_bucket_name(environment: Environment) -> str:
    """Return the name of the bucket that holds the web app."""
    return f"recall-{environment.name}-web-{environment.account_id}-{environment.region}"


def delivery_role_name(environment: Environment) -> str:
    """Return the name of the role of GitHub Actions."""
    return f"recall-{environment.name}-delivery"


def boundary_name(environment: Environment) -> str:
    """Return the name of the managed policy that bounds instances' roles."""
    return f"recall-{environment.name}-instances"


def platform_parameter_name(environment: Environment) -> str:
    """Return the name of the SSM parameter that holds the Platform document."""
    return f"/recall/{environment.name}/platform"


def certificate_parameter_name(environment: Environment) -> str:
    """Return the name of the SSM parameter that holds the ARN of the load balancers' certificate."""
    return f"/recall/{environment.name}/certificate"


def parameter_names(environment: Environment) -> tuple[str, str]:
    """Return the names of all parameters that `recall-infra platform` reads."""
    return platform_parameter_name(environment), certificate_parameter_name(environment)
