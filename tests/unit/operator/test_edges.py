"""The operator's edges: errors, plans as text, watches, health, the command line."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError, ParamValidationError

from recall_operator.errors import ApiServerError, classify
from recall_operator.kubernetes.cache import OWNED_KINDS, KubernetesCache
from recall_operator.main import main
from recall_operator.reconcile.watches import Watcher, registry, settings
from recall_operator.resources.plan import Action, AwsCall, Change, Difference
from recall_operator.telemetry import health
from tests.unit.operator.fake_aws import refused
from tests.unit.operator.fakes import FakeKubernetes, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUOTA = 'services "beta-api" is forbidden: exceeded quota: small, requested: services=1, used: services=5'
WEBHOOK = 'admission webhook "validation.gatekeeper.sh" denied the request: [images] registry is not allowed'
TERMINATING = (
    'configmaps "beta-api" is forbidden: unable to create new content in namespace blue because it is being terminated'
)


@pytest.mark.parametrize(
    ("error", "reason", "terminal", "broken"),
    [
        (refused("ThrottlingException"), "Waiting", False, False),
        (refused("ResourceInUseException"), "Waiting", False, False),
        (refused("AccessDeniedException"), "AccessDenied", False, True),
        (refused("ValidationException"), "RefusedByAWS", True, True),
        (refused("SomethingNew"), "AWSError", False, True),
        (refused("LimitExceededException", operation="CreateTable"), "Waiting", False, False),
        (refused("LimitExceededException", operation="RequestCertificate"), "QuotaExceeded", False, True),
        (refused("LimitExceededException", operation="CreateUserPoolClient"), "QuotaExceeded", False, True),
        (refused("LimitExceeded", operation="CreateRole"), "QuotaExceeded", False, True),
        (refused("ResourceLimitExceededException"), "QuotaExceeded", False, True),
        (ConnectTimeoutError(endpoint_url="x"), "AWSUnreachable", False, False),
        (NoCredentialsError(), "AccessDenied", False, True),
        (ParamValidationError(report="Invalid length for parameter DomainName"), "RefusedByAWS", True, True),
        (ApiServerError(422, "Invalid", "spec.replicas"), "RefusedByKubernetes", True, True),
        (ApiServerError(403, "Forbidden", "no"), "AccessDenied", False, True),
        (ApiServerError(403, "Forbidden", QUOTA), "RefusedByKubernetes", False, True),
        (ApiServerError(403, "Forbidden", WEBHOOK), "RefusedByKubernetes", False, True),
        (ApiServerError(403, "Forbidden", TERMINATING), "Waiting", False, False),
        (ApiServerError(409, "Conflict", "again"), "Waiting", False, False),
        (ApiServerError(503, "", "away"), "KubernetesUnavailable", False, False),
        (KeyError("x"), "InternalError", False, True),
    ],
)
def test_errors_are_worth_trying_again_or_not(error: Exception, reason: str, terminal: bool, broken: bool) -> None:
    failure = classify(error)
    assert (failure.reason, failure.terminal, failure.broken) == (reason, terminal, broken)


def test_a_plan_reads_like_one() -> None:
    call = AwsCall("dynamodb", "delete_table", {"TableName": "t"})
    changes = [
        Change("tables", Action.UPDATE, "Table", "t", (call,), (Difference("timeToLive", None, "expiresAt"),)),
        Change("tables", Action.DELETE, "Table", "t", (call,), destructive=True),
        Change("workload", Action.CREATE, "Deployment", "d", (), waits_for="signIn"),
    ]
    assert "\n".join(map(str, changes)).splitlines() == [
        "~ update Table t",
        '    timeToLive: (absent) -> "expiresAt"',
        "- delete Table t (destructive)",
        "+ create Deployment d (after signIn)",
    ]


class Keys:
    def __init__(self) -> None:
        self.added: list[str] = []

    def add(self, key: str, *, background: bool = False) -> None:
        del background
        self.added.append(key)


def cache() -> KubernetesCache:
    return KubernetesCache(FakeKubernetes())


def event(kind: str = "MODIFIED", **metadata: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "object": {"kind": "RecallInstance", "metadata": {"namespace": "a", "name": "b", "uid": "u"} | metadata},
    }


def test_the_operators_own_status_writes_wake_nobody() -> None:
    keys = Keys()
    watcher = Watcher(keys, cache())  # type: ignore[arg-type]
    watcher.instance_changed(event(None, generation=1))  # type: ignore[arg-type]
    watcher.instance_changed(event(generation=1, resourceVersion="2"))
    assert keys.added == ["a/b"]
    watcher.instance_changed(event(generation=2))
    watcher.instance_changed(event(generation=2, annotations={"recall.kug.la/reconcile-requested-at": "now"}))
    watcher.instance_changed(event(generation=2, deletionTimestamp="now"))
    watcher.instance_changed(event("DELETED", generation=2, deletionTimestamp="now"))
    watcher.instance_changed(event("ADDED", uid="new", generation=1))
    assert keys.added == ["a/b"] * 6


def test_an_owned_object_wakes_its_instance() -> None:
    keys = Keys()
    watcher = Watcher(keys, cache())  # type: ignore[arg-type]
    watcher.owned_changed(event(labels={"recall.kug.la/instance": "beta"}))
    watcher.owned_changed(event(labels={}))
    assert keys.added == ["a/beta"]


def test_kopf_only_watches() -> None:
    handlers = registry(Watcher(Keys(), cache()))  # type: ignore[arg-type]
    assert len(handlers._watching.get_all_handlers()) == 1 + len(OWNED_KINDS)
    assert not handlers._changing.get_all_handlers()
    assert not handlers._spawning.get_all_handlers()
    assert not settings().posting.enabled
    assert settings().scanning.disabled
    assert settings().queueing.worker_limit is None


@pytest.fixture
def served() -> Iterator[tuple[health.Health, str]]:
    state = health.Health(oldest_seconds=lambda: 0.0)
    server = health.serve(state, 0, "127.0.0.1")
    yield state, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def status_of(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_health_tells_of_a_stuck_queue_and_a_stuck_loop(
    served: tuple[health.Health, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, address = served
    assert status_of(f"{address}/health/live") == 200
    assert status_of(f"{address}/health/ready") == 503
    state.ready = True
    assert status_of(f"{address}/health/ready") == 200
    state.oldest_seconds = lambda: health.OLDEST_KEY_SECONDS + 1
    assert status_of(f"{address}/health/live") == 503
    state.oldest_seconds = lambda: 0.0
    monkeypatch.setattr(health, "SILENT_LOOP_SECONDS", -1.0)
    assert status_of(f"{address}/health/live") == 503
    assert status_of(f"{address}/nothing") == 404


def test_metrics_name_what_was_changed(served: tuple[health.Health, str]) -> None:
    world = World()
    asyncio.run(world.settle(world.kubernetes.put_instance({"hostname": "beta.example.org"})))
    with urllib.request.urlopen(f"{served[1]}/metrics") as answer:
        text = answer.read().decode()
    assert 'recall_changes_total{action="create",part="tables"}' in text
    assert "recall_queue_oldest_seconds" in text


def test_a_wrong_platform_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "platform.yaml"
    document.write_text("cluster: {name: test}\n")
    assert main(["--platform", str(document)]) == 2
    said = capsys.readouterr().err
    assert "aws" in said
    assert "--help" in said


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "example" in capsys.readouterr().out
