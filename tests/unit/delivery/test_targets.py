"""The targets that publish, with programs in place of Docker, Helm and cosign that write down what they were told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from recall_delivery import packages
from tests.gitops import ROOT

REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/recall-beta"
DIGESTS = ROOT / "build/digests.txt"

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  inspect*) echo "$4@sha256:1111" | sed 's/:[^/:@]*@/@/' ;;
  *"imagetools inspect"*) echo sha256:2222 ;;
  push*oci*) echo "Digest: sha256:3333" ;;
esac
"""


class Told:
    """What the programs were told."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        for name in ("docker", "helm", "cosign"):
            (folder / name).write_text(RECORDER)
            (folder / name).chmod(0o755)
        self.environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(self.calls)}

    def make(self, *words: str) -> list[str]:
        """Run make and return what the programs were told by it."""
        self.calls.write_text("")
        subprocess.run(["make", *words], cwd=ROOT, env=self.environment, check=True, capture_output=True)
        return self.calls.read_text().splitlines()


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_images_are_pushed_and_signed_by_digest_with_their_bills_of_materials(told: Told) -> None:
    calls = told.make("images", f"REGISTRY={REGISTRY}", "TAG=abc")
    assert f"docker build --file operator/Dockerfile --tag {REGISTRY}/recall-operator:abc ." in calls
    assert f"docker push --quiet {REGISTRY}/recall-api:abc" in calls
    assert DIGESTS.read_text().splitlines() == [
        f"{REGISTRY}/recall-operator@sha256:1111",
        f"{REGISTRY}/recall-api@sha256:1111",
    ]
    attest = "cosign attest --yes --type cyclonedx --predicate"
    assert told.make("sign") == [
        f"cosign sign --yes {REGISTRY}/recall-operator@sha256:1111",
        f"{attest} build/sbom/operator.json {REGISTRY}/recall-operator@sha256:1111",
        f"cosign sign --yes {REGISTRY}/recall-api@sha256:1111",
        f"{attest} build/sbom/api.json {REGISTRY}/recall-api@sha256:1111",
    ]


def test_a_release_names_what_was_built_and_brings_its_chart(told: Told) -> None:
    calls = told.make("images-release", f"REGISTRY={REGISTRY}", "FROM=abc", "TAG=1.2.3")
    named = f"docker buildx imagetools create --tag {REGISTRY}/recall-api:1.2.3 {REGISTRY}/recall-api:abc"
    assert named in calls
    assert not [call for call in calls if call.startswith("docker build ")]
    told.make("chart-push", f"REGISTRY={REGISTRY}", "VERSION=1.2.3")
    assert DIGESTS.read_text().splitlines() == [
        f"{REGISTRY}/recall-operator@sha256:2222",
        f"{REGISTRY}/recall-api@sha256:2222",
        f"{REGISTRY}/charts/recall-operator@sha256:3333",
    ]
    assert f"cosign sign --yes {REGISTRY}/charts/recall-operator@sha256:3333" in told.make("sign")


def test_a_refused_push_ends_the_target(told: Told, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text('#!/bin/sh\ncase "$1" in push) exit 1 ;; esac\n')
    with pytest.raises(subprocess.CalledProcessError):
        told.make("images", f"REGISTRY={REGISTRY}", "TAG=abc")
    assert DIGESTS.read_text() == ""


def test_the_operator_is_deployed_with_the_platforms_values_and_ones_own(told: Told, tmp_path: Path) -> None:
    for name, text in {"recall-infra": "echo platform: {}", "kubectl": RECORDER.removeprefix("#!/bin/sh\n")}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    own = ROOT / "deploy/environments/of-a-test.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_text("{}\n")
    try:
        calls = told.make("operator-deploy", "ENVIRONMENT=of-a-test", "TAG=abc", f"BIN={tmp_path}", "INSTALLED=")
    finally:
        own.unlink()
        with suppress(OSError):  # Somebody else's files are in it.
            own.parent.rmdir()
    assert calls[0] == "kubectl apply --server-side --filename crds/"
    assert calls[1].startswith("helm upgrade --install recall-operator deploy/chart --namespace recall-system")
    assert "--values build/values.yaml --values deploy/environments/of-a-test.yaml" in calls[1]
    assert "--set-string image.tag=abc --wait" in calls[1]
    assert (ROOT / "build/values.yaml").read_text() == "platform: {}\n"


def test_every_package_has_an_allowed_licence_and_another_one_would_be_named(tmp_path: Path) -> None:
    subprocess.run(["make", "licences"], cwd=ROOT, check=True, capture_output=True)
    assert len(json.loads((ROOT / "build/licences.json").read_text())) > 100
    command = [Path(sys.executable).with_name("pip-licenses"), "--from=mixed", "--allow-only=MIT"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "not in allow-only licenses" in refused.stderr
    lock = {"": {}, "node_modules/a": {"license": "MIT"}, "node_modules/b": {"license": "SSPL-1.0", "dev": True}}
    assert packages.strange_licences({"packages": lock}) == []
    lock |= {"node_modules/c": {"license": "SSPL-1.0"}, "node_modules/d": {}}
    assert packages.strange_licences({"packages": lock}) == ["c: SSPL-1.0", "d: names no licence"]


SAFE = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'
UNSAFE = '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]}'
SKIPPED = '{"dependencies": [{"name": "a", "skip_reason": "not found on PyPI"}]}'
NODE_SAFE = '{"auditReportVersion": 2, "vulnerabilities": {}}'
NODE_UNSAFE = '{"auditReportVersion": 2, "vulnerabilities": {"b": {"severity": "high"}, "c": {"severity": "low"}}}'
NODE_REFUSED = '{"message": "405 Method Not Allowed", "statusCode": 405}'


@pytest.mark.parametrize(
    ("python", "node", "words", "status"),
    [
        (SAFE, NODE_SAFE, ["Python: no known", "The web app: no known"], 0),
        (UNSAFE, NODE_SAFE, ["Python: a 1: X-1, mended in 2"], packages.VULNERABLE),
        (SAFE, NODE_UNSAFE, ["The web app: b: high"], packages.VULNERABLE),
        (SKIPPED, NODE_SAFE, ["Python: NOT AUDITED", "1 of 1 packages", "not found on PyPI"], packages.UNKNOWN),
        (SAFE, NODE_REFUSED, ["The web app: NOT AUDITED", "405"], packages.UNKNOWN),
        (SKIPPED, NODE_UNSAFE, ["Python: NOT AUDITED", "The web app: b: high"], packages.VULNERABLE),
        ("", "", ["Python: NOT AUDITED", "The web app: NOT AUDITED"], packages.UNKNOWN),
    ],
)
def test_an_audit_says_what_it_found_and_what_it_could_not_ask(
    python: str, node: str, words: list[str], status: int
) -> None:
    text, found = packages.report(
        {"Python": packages.python_findings(python), "The web app": packages.node_findings(node)}
    )
    assert found == status
    for word in words:
        assert word in text
    assert "c: low" not in text
