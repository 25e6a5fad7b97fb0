"""Every command in the runbooks exists, with the very options that it is shown with; every alert has its section."""

from __future__ import annotations

import importlib.util
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.session import Session

from recall_local import cli
from recall_operator.plugin import arguments
from tests.gitops import ROOT
from tests.unit.delivery.test_workflows import targets

if TYPE_CHECKING:
    from pathlib import Path

RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
PAGES = [
    *RUNBOOKS,
    *(ROOT / f"docs/how-to/{name}.md" for name in ("deliver", "gitops", "external-dns", "hand-over-a-name")),
]
MADE_BY_HAND = re.compile(
    r"^(build/|deploy/environments$|deploy/environments/beta\.yaml$|infra/environments/(mine|beta-us)\.yaml$)"
)
"""Files that a runbook tells its reader to make."""
VARIABLES = frozenset(
    {"ENVIRONMENT", "STACKS", "SAVED", "REGISTRY", "TAG", "FROM", "VERSION", "SITE_BUCKET", "DISTRIBUTION_ID"}
)
KUBECTL = frozenset(
    {"annotate", "apply", "delete", "describe", "get", "logs", "patch", "rollout", "scale", "wait", "recall"}
)
OTHERS = frozenset({"cp", "curl", "dig", "docker", "git", "helm", "npx", "cosign"})
SESSION = Session()
CUSTOM_AWS = frozenset({("eks", "update-kubeconfig"), ("ecr", "get-login-password")})
"""Commands that the AWS command line adds to what the services themselves offer."""
GLOBAL_AWS = frozenset({"region", "query", "output", "profile"})


@dataclass(frozen=True)
class Command:
    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def commands(path: Path) -> list[Command]:
    """Return the command lines of a page: those of its indented blocks, and code that begins like one."""
    programs = ("make", "kubectl", "recall-local", "recall-infra", "aws", "python", *OTHERS)
    lines: list[str] = []
    continued = ""
    for line in path.read_text().splitlines():
        if re.match(r" {4,}\S", line) or continued:
            continued += line.strip()
            if continued.endswith("\\"):
                continued = continued.removesuffix("\\")
                continue
            lines.append(continued)
            continued = ""
    lines += re.findall(r"`([^`\n]+)`", path.read_text())
    parts = [part.strip() for line in lines for part in line.split(" | ")]
    return [Command(path.name, part) for part in parts if part.split(" ")[0] in programs and " " in part]


ALL = [command for path in PAGES for command in commands(path)]


def check_aws(words: list[str]) -> None:
    """Check service, operation and parameters against AWS's own model.

    Raises:
        AssertionError, UnknownServiceError: there is no such thing.
    """
    service, operation, *rest = words
    if (service, operation) in CUSTOM_AWS:
        return
    model = SESSION.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in operations, f"{service} has no {operation}"
    shape = model.operation_model(operations[operation]).input_shape
    known = {xform_name(name, "-") for name in shape.members} if shape else set()
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    assert given - GLOBAL_AWS <= known, f"{service} {operation} has no {given - GLOBAL_AWS - known}"


def check_infra(words: list[str]) -> None:
    from recall_infra.cli import _parser

    _parser().parse_args(words)


def check(words: list[str]) -> None:
    """Check one command line.

    Raises:
        AssertionError, SystemExit: something in it does not exist.
    """
    program, *rest = words
    if program == "make":
        named = [word for word in rest if "=" not in word]
        assert named
        assert set(named) <= targets(), f"no make target {named}"
        assert {word.partition("=")[0] for word in rest if "=" in word} <= VARIABLES
    elif words[:2] == ["kubectl", "recall"]:
        arguments.parse(rest[1:])
    elif program == "kubectl":
        assert rest[0] in KUBECTL
    elif program == "recall-local":
        cli.parser().parse_args(rest)
    elif program == "recall-infra":
        check_infra(rest)
    elif program == "aws":
        check_aws(rest)
    elif program == "python":
        assert rest[0] == "-m"
        assert importlib.util.find_spec(rest[1]) is not None
    for word in words:
        path = word.removeprefix("file://").partition("=")[2] or word.removeprefix("file://")
        if re.match(r"(deploy|docs|crds|infra|operator|api|build|tests)/", path) and not MADE_BY_HAND.match(path):
            assert (ROOT / path).exists(), f"no file {path}"


@pytest.mark.parametrize("command", ALL, ids=str)
def test_a_command_of_a_runbook_exists(command: Command) -> None:
    words = shlex.split(command.text)
    assert not {"NAME", "COMMAND"} & set(words), "write a whole command"
    assert "…" not in command.text, "write a whole command"
    check(words)


def test_there_are_runbooks_with_commands() -> None:
    for path in RUNBOOKS:
        assert path.name == "README.md" or len(commands(path)) >= 8, path.name
    assert len(ALL) >= 120


@pytest.mark.parametrize(
    "wrong",
    [
        "make no-such-target",
        "make infra-deploy ENV=beta",
        "kubectl recall status --no-such-option",
        "kubectl frobnicate pods",
        "recall-local up --fast",
        "aws dynamodb describe-tabel --table-name x",
        "aws dynamodb describe-table --table x",
        "kubectl apply -f deploy/examples/nothing.yaml",
        "python -m recall_operator.nothing",
    ],
)
def test_a_wrong_command_would_be_noticed(wrong: str) -> None:
    with pytest.raises((AssertionError, SystemExit, UnknownServiceError)):
        check(shlex.split(wrong))


def alerts() -> list[dict[str, Any]]:
    found = yaml.safe_load((ROOT / "deploy/chart/monitoring/alerts.yaml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def test_every_alert_has_its_section_and_points_to_it() -> None:
    guide = (ROOT / "docs/runbooks/alerts.md").read_text()
    sections = re.findall(r"^## (Recall\w+)$", guide, re.MULTILINE)
    assert sections == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/alerts.md#{rule['alert'].lower()}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", path.read_text()):
        page = (path.parent / target).resolve() if target else path
        assert page.exists(), f"{path.name}: {target}"
        if anchor and page.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{path.name}: {target}#{anchor}"
