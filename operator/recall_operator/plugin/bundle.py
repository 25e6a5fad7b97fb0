"""`kubectl recall support-bundle`: what a helper needs to know of an instance, without what they must not know."""

from __future__ import annotations

import io
import json
import tarfile
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import yaml

from recall_operator.errors import ApiServerError
from recall_operator.kubernetes.client import KINDS, ObjectKey
from recall_operator.models.backup import BACKUP_KIND
from recall_operator.models.base import KIND
from recall_operator.plugin.cluster import OPERATOR_LABELS, Cluster
from recall_operator.plugin.redaction import redacted, redacted_text
from recall_operator.plugin.tree import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_LOG_LINES: Final = "2000"
_CHILDREN: Final = tuple(kind for kind in KINDS if kind not in (KIND, BACKUP_KIND, "Lease", "Event"))
"""All that an instance may have by its name."""


def collect(cluster: Cluster, namespace: str, name: str, operator_namespace: str, plan: str) -> dict[str, str]:
    """Return the bundle's files. Secrets are never asked for; what can't be read says so in its file.

    Args:
        cluster: where the instance is.
        namespace: the instance's.
        name: the instance's.
        operator_namespace: where the operator runs.
        plan: the text of its plan, or why there is none.
    """
    instance = cluster.instance(namespace, name)
    files: dict[str, Callable[[], str]] = {
        "instance.yaml": lambda: _yaml(instance),
        "status.txt": lambda: redacted_text(tree(instance)),
        "plan.txt": lambda: redacted_text(plan),
        "events.yaml": lambda: _yaml(_events(cluster, namespace, name)),
        "pods.yaml": lambda: _yaml(
            cluster.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": f"recall.kug.la/instance={name}"})
        ),
    }
    files["backups.yaml"] = lambda: _yaml(
        [item for item in cluster.backups(namespace) if item["spec"].get("instanceName") == name]
    )
    for kind in _CHILDREN:
        key = ObjectKey(kind, namespace, f"{name}-api")
        files[f"objects/{kind}.yaml"] = partial(lambda key: _yaml(cluster.get(key)), key)
    found = {path: _or_why(read) for path, read in files.items()}
    found |= _operator_logs(cluster, operator_namespace)
    return found


def _or_why(read: Callable[[], str]) -> str:
    try:
        return read()
    except ApiServerError as error:
        return f"not readable: {redacted_text(str(error))}\n"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(redacted(value), sort_keys=False, width=120)


def _events(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    def concerns(event: Mapping[str, Any]) -> bool:
        about = event.get("regarding", {})
        return (about.get("kind") == KIND and about.get("name") == name) or str(about.get("name", "")).startswith(
            f"{name}-api"
        )

    return [item for item in cluster.items(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events") if concerns(item)]


def _operator_logs(cluster: Cluster, namespace: str) -> dict[str, str]:
    found: dict[str, str] = {}
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        pods = cluster.items(path, {"labelSelector": OPERATOR_LABELS})
    except ApiServerError as error:
        return {"operator/not-readable.txt": f"{redacted_text(str(error))}\n"}
    for pod in pods:
        name = pod["metadata"]["name"]
        found[f"operator/{name}.log"] = _or_why(partial(_log, cluster, f"{path}/{name}/log"))
    return found


def _log(cluster: Cluster, path: str) -> str:
    """Return the last lines; those that are JSON are redacted by their fields' names as well."""
    text = cluster.request("GET", path, query={"tailLines": _LOG_LINES}).decode(errors="replace")
    lines: list[str] = []
    for line in text.splitlines():
        try:
            lines.append(json.dumps(redacted(json.loads(line))))
        except ValueError:
            lines.append(redacted_text(line))
    return "\n".join(lines) + "\n"


def write(files: Mapping[str, str], path: Path) -> None:
    """Write the files as a gzipped tar archive that only its owner may read.

    Raises:
        OSError: it can't be written.
    """
    path.touch(mode=0o600)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))
