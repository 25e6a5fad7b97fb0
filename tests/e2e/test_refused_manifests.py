"""A bad manifest is refused when it is applied, with a message that names the field and the remedy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.client import ApiException, CustomObjectsApi
from kubernetes.config import new_client_from_config

from recall_operator.annotations import PAUSED
from recall_operator.models.backup import BACKUP_KIND, BACKUP_PLURAL
from recall_operator.models.base import GROUP, KIND, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.running_stack import RunningStack

MANIFESTS = Path(__file__).parent / "manifests"
REFUSED = sorted((MANIFESTS / "refused").glob("*.yaml"))
HEADER = "# refused: "
PLURALS = {KIND: PLURAL, BACKUP_KIND: BACKUP_PLURAL}


def expectation(manifest: Path) -> tuple[str, str]:
    """Return the field and the words that the first line of a manifest promises."""
    first = manifest.read_text().splitlines()[0]
    assert first.startswith(HEADER), f"{manifest.name} must begin with {HEADER!r}"
    field, _, words = first.removeprefix(HEADER).partition(": ")
    return field, words


class ApiServer:
    """The API server as kubectl asks it: with unknown fields refused. A process of kubectl for each takes too long."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = new_client_from_config(str(kubeconfig))
        self._objects = CustomObjectsApi(self._client)

    def _place(self, body: dict[str, Any]) -> dict[str, str]:
        return {"group": GROUP, "version": VERSION, "namespace": "default", "plural": PLURALS[body["kind"]]}

    def create(self, body: dict[str, Any]) -> None:
        self._objects.create_namespaced_custom_object(**self._place(body), body=body, field_validation="Strict")

    def apply(self, body: dict[str, Any]) -> None:
        """Apply on the server's side; what an earlier manifest said and this one does not is removed."""
        self._objects.patch_namespaced_custom_object(
            **self._place(body),
            name=body["metadata"]["name"],
            body=body,
            field_manager="kubectl",
            field_validation="Strict",
            _content_type="application/apply-patch+yaml",
        )

    def delete(self, body: dict[str, Any]) -> None:
        self._objects.delete_namespaced_custom_object(**self._place(body), name=body["metadata"]["name"])

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def api_server(recall: RunningStack) -> Iterator[ApiServer]:
    opened = ApiServer(recall.kubectl.kubeconfig)
    yield opened
    opened.close()


def refusal_of(send: Callable[[], object]) -> str:
    """Return what the API server says when it refuses."""
    with pytest.raises(ApiException) as refused:
        send()
    assert refused.value.status in (400, 422), refused.value
    message: str = json.loads(refused.value.body or "{}")["message"]
    return message


@pytest.mark.parametrize("manifest", REFUSED, ids=lambda path: path.stem)
def test_a_bad_manifest_is_refused_at_apply_time(api_server: ApiServer, manifest: Path) -> None:
    field, words = expectation(manifest)
    said = refusal_of(lambda: api_server.create(yaml.safe_load(manifest.read_text())))
    assert field in said
    assert words in said


def test_kubectl_shows_what_the_api_server_says(recall: RunningStack) -> None:
    """For every kind of refusal: by a type, a bound, a rule of ours, and a field that is not known."""
    for name in (
        "adoption-boolean",
        "access-token-too-short",
        "billing-without-mode",
        "unknown-section",
        "backup-no-table",
    ):
        manifest = MANIFESTS / "refused" / f"{name}.yaml"
        field, words = expectation(manifest)
        with pytest.raises(subprocess.CalledProcessError) as refusal:
            recall.kubectl.apply(manifest)
        assert field in refusal.value.stderr
        assert words in refusal.value.stderr


def test_there_are_many_bad_manifests() -> None:
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("folder", sorted((MANIFESTS / "refused_change").iterdir()), ids=lambda path: path.name)
def test_a_change_that_would_lose_data_is_refused(recall: RunningStack, api_server: ApiServer, folder: Path) -> None:
    before, after = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("before", "after"))
    field, words = expectation(folder / "after.yaml")
    # What refuses is the API server: the operator needs to make nothing of it meanwhile.
    before["metadata"]["annotations"] = {PAUSED: "true"}
    api_server.apply(before)
    try:
        said = refusal_of(lambda: api_server.apply(after))
    finally:
        api_server.delete(before)
        recall.kubectl.wait(f"{before['kind'].lower()}/{before['metadata']['name']}", until="delete")
    assert field in said
    assert words in said
