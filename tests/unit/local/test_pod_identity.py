"""What the Pod Identity webhook does to pods, and whom the agent believes."""

from __future__ import annotations

import base64
import copy
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_local import pod_identity, webhook_certificate
from recall_local.pod_identity import CredentialError

if TYPE_CHECKING:
    from pathlib import Path

names = st.sampled_from(["AWS_REGION", "OWN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("c")},
        optional={"env": st.lists(st.builds(lambda name: {"name": name, "value": "own"}, names), unique_by=str)},
    ),
    min_size=1,
    max_size=3,
)
pods = st.fixed_dictionaries(
    {"spec": st.fixed_dictionaries({"containers": containers}, optional={"initContainers": containers})}
)


def apply(pod: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a patch that only adds members of objects."""
    patched = copy.deepcopy(pod)
    for change in patch:
        assert change["op"] == "add"
        *parents, last = change["path"].split("/")[1:]
        place: Any = patched
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = change["value"]
    return patched


@given(pods)
def test_every_container_learns_where_its_keys_are_and_keeps_what_it_set(pod: dict[str, Any]) -> None:
    spec = apply(pod, pod_identity.patch(pod, "eu-west-1"))["spec"]
    volume = next(volume for volume in spec["volumes"] if volume["name"] == "eks-pod-identity-token")
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    assert token == {
        "audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token",
    }  # fmt: skip
    for before, after in zip(
        pod["spec"]["containers"] + pod["spec"].get("initContainers", []),
        spec["containers"] + spec.get("initContainers", []),
        strict=True,
    ):
        variables = {variable["name"]: variable["value"] for variable in after["env"]}
        assert len(variables) == len(after["env"])
        assert set(pod_identity.environment("eu-west-1")) <= set(variables)
        assert all(variables[variable["name"]] == "own" for variable in before.get("env", []))
        mount = next(mount for mount in after["volumeMounts"] if mount["name"] == volume["name"])
        assert variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].startswith(mount["mountPath"] + "/")


@given(pods)
def test_a_patched_pod_needs_no_patch(pod: dict[str, Any]) -> None:
    once = apply(pod, pod_identity.patch(pod, "eu-west-1"))
    assert pod_identity.patch(once, "eu-west-1") == []


def review(**status: Any) -> dict[str, Any]:
    user = {
        "username": "system:serviceaccount:default:beta-api",
        "extra": {"authentication.kubernetes.io/pod-name": ["beta-api-1"]},
    }
    return {"status": {"authenticated": True, "audiences": ["pods.eks.amazonaws.com"], "user": user, **status}}


def test_a_valid_token_names_its_pod() -> None:
    asking = pod_identity.caller(review())
    assert (asking.namespace, asking.service_account, asking.pod) == ("default", "beta-api", "beta-api-1")
    tags = {tag["Key"]: tag["Value"] for tag in pod_identity.session_tags("recall", asking)}
    assert tags["kubernetes-namespace"] == "default"
    assert "kubernetes-pod-uid" not in tags


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False, "error": "expired"},
        {"audiences": []},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"user": {"username": "recall-administrator"}},
        {"user": {"username": "system:node:recall"}},
    ],
)
def test_other_tokens_are_refused(status: dict[str, Any]) -> None:
    with pytest.raises(CredentialError) as refused:
        pod_identity.caller(review(**status))
    assert refused.value.status == 400


def test_the_manifest_trusts_exactly_the_webhooks_certificate(tmp_path: Path) -> None:
    webhook = pod_identity.webhook_configuration(tmp_path)["webhooks"][0]
    file = webhook_certificate.ensure(tmp_path, "127.0.0.1")
    assert file.stat().st_mode & 0o777 == 0o600
    bundle = base64.b64decode(webhook["clientConfig"]["caBundle"])
    assert b"PRIVATE KEY" not in bundle
    assert bundle in file.read_bytes()
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(file)
    assert webhook["failurePolicy"] == "Fail"
