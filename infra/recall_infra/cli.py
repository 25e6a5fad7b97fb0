"""`recall-infra`: synthesise, compare, tell the bill, print the operator's Helm values."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from recall_infra.environment import Environment, KnobError, environment_path
from recall_infra.names import parameter_names
from recall_operator.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parents[1]
CDK: Final = FOLDER / "node_modules" / "aws-cdk" / "bin" / "cdk"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process' exit status: 2 for a value that can't be used."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KnobError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recall-infra", description="The AWS account of a Recall.")
    commands = parser.add_subparsers(required=True)
    synth = commands.add_parser("synth", help="write the templates of environments; needs no account")
    synth.add_argument("environments", nargs="+", help="names in infra/environments, or files")
    synth.add_argument("--out", type=Path, default=FOLDER / "cdk.out", help="folder; each environment gets one in it")
    synth.set_defaults(run=_synth)
    diff = commands.add_parser("diff", help="show what a deployment would change")
    diff.add_argument("environment")
    diff.add_argument("--saved", type=Path, help="compare with the templates in this folder instead of the account")
    diff.add_argument("--out", type=Path, default=FOLDER / "cdk.out")
    diff.set_defaults(run=_diff)
    platform = commands.add_parser("platform", help="print the operator's Helm values from what was deployed")
    platform.add_argument("environment")
    platform.add_argument(
        "--document", type=Path, help="the document as a file, instead of the account's SSM parameter"
    )
    platform.set_defaults(run=_platform)
    cost = commands.add_parser("cost", help="print the monthly bill by part before anything is deployed")
    cost.add_argument("environment")
    cost.add_argument("--prices", type=Path, help="a table of your own instead of the release's")
    cost.add_argument("--output", choices=("text", "json"), default="text")
    cost.set_defaults(run=_cost)
    return parser


def _synth(options: argparse.Namespace) -> int:
    read = [Environment.load(environment_path(name)) for name in options.environments]
    # CDK's packages take seconds to load, and the other commands don't need them.
    from recall_infra.app import synthesise

    for environment in read:
        folder: Path = options.out / environment.name
        try:
            synthesise(environment, folder)
        except RuntimeError as error:
            sys.stderr.write(f"{environment.name}: {error}\n")
            return 1
        sys.stdout.write(f"{environment.name}: {len(list(folder.glob('*.template.json')))} stacks in {folder}\n")
    return 0


def _diff(options: argparse.Namespace) -> int:
    """Let the CDK command line compare; it exits with 1 when something differs."""
    if not CDK.exists():
        sys.stderr.write(
            f"The CDK command line is not in {FOLDER}/node_modules: run `make infra-diff`, or `npm ci` there.\n"
        )
        return 2
    from recall_infra.app import synthesise

    environment = Environment.load(environment_path(options.environment))
    folder: Path = options.out / environment.name
    synthesise(environment, folder)
    base = ["node", str(CDK), "diff", "--app", str(folder), "--fail", "--no-notices"]
    if options.saved is None:
        return subprocess.run([*base, "--all"], check=False).returncode  # noqa: S603 - our own program and folder
    status = 0
    for template in sorted(folder.glob("*.template.json")):
        stack = template.name.removesuffix(".template.json")
        saved: Path = options.saved / template.name
        if not saved.exists():
            sys.stdout.write(f"Stack {stack}\nnew: it is not in {options.saved}\n")
            status = 1
            continue
        if saved.read_bytes() == template.read_bytes():  # the CDK command line takes seconds to find that out
            sys.stdout.write(f"Stack {stack}\nThere were no differences\n")
            continue
        command = [*base, "--exclusively", stack, "--template", str(saved)]
        status = max(status, subprocess.run(command, check=False).returncode)  # noqa: S603
    return status


def helm_values(found: Platform, certificate_arn: str | None) -> dict[str, Any]:
    """Return the values of the operator's chart for a platform, with EKS Auto Mode's class of load balancers."""
    repository, _, _tag = found.workload.image.rpartition(":")
    return {
        "image": {"repository": repository.removesuffix("recall-api") + "recall-operator"},
        "ingressClass": {"create": True, "certificateArns": [certificate_arn] if certificate_arn else []},
        "platform": found.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


class _Quoting(yaml.SafeDumper):
    """Quotes what begins like a number: to YAML 1.1, and so to PyYAML, 012345678901 is text, to Helm it is a number."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if text[:1].isdigit() else None)


_Quoting.add_representer(str, _text_node)


def values_text(values: dict[str, Any]) -> str:
    """Return values of a chart as YAML that Helm reads as it was meant."""
    return yaml.dump(values, Dumper=_Quoting, sort_keys=False)


def _platform(options: argparse.Namespace) -> int:
    environment = Environment.load(environment_path(options.environment))
    certificate: str | None = None
    if options.document:
        try:
            text = options.document.read_text()
        except OSError as error:
            raise KnobError(f"--document {options.document} can't be read: {error.strerror}") from error
    else:
        text, certificate = _parameters(environment)
    try:
        found = Platform.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise KnobError(f"the Platform document can't be used; was it written by another release? {error}") from error
    sys.stdout.write(values_text(helm_values(found, certificate)))
    return 0


def _parameters(environment: Environment) -> tuple[str, str]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    names = parameter_names(environment)
    where = f"SSM parameters {' and '.join(names)} in {environment.region}"
    try:
        answer = boto3.client("ssm", region_name=environment.region).get_parameters(Names=list(names))
    except (BotoCoreError, ClientError) as error:
        raise KnobError(f"{where} can't be read: {error}") from error
    found = {item["Name"]: str(item["Value"]) for item in answer["Parameters"]}
    if set(found) != set(names):
        raise KnobError(f"{where} are not all there; deploy the stack recall-{environment.name}-operator-rights first")
    document, certificate = names
    return found[document], found[certificate]


def _cost(options: argparse.Namespace) -> int:
    from recall_infra import bill

    environment = Environment.load(environment_path(options.environment))
    found = bill.document(environment, bill.load_prices(options.prices), datetime.now(UTC).date())
    text = json.dumps(found, indent=2) if options.output == "json" else bill.text(found)
    sys.stdout.write(text + "\n")
    return 0
