"""kill -9 in the middle of work: nothing is doubled, nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from recall_local.demo.leftovers import resources_of
from tests.e2e.running_stack import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from recall_local.demo.memory_api import MemoryApi
    from recall_local.demo.sign_in import Tokens
    from tests.e2e.running_stack import RunningStack


def processes_of(pod: dict[str, Any]) -> list[int]:
    """Return the ids of the pod's Python processes: its control group carries its uid."""
    uid = pod["metadata"]["uid"]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if uid in (folder / "cgroup").read_text() and b"python" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def kill_pods(recall: RunningStack, namespace: str, selector: str) -> int:
    """Kill -9 every process of the selected pods and return how many there were."""
    processes = [
        process
        for pod in recall.kubectl.get("pod", namespace=namespace, selector=selector)["items"]
        for process in processes_of(pod)
    ]
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(processes)


def kill_operator(recall: RunningStack) -> int:
    return kill_pods(recall, "recall-system", "app.kubernetes.io/name=recall-operator")


def test_an_operator_killed_while_it_creates_makes_exactly_one_of_each(
    recall: RunningStack, instance: Callable[..., dict[str, Any]]
) -> None:
    began = len(recall.aws_requests())

    def creations() -> list[str]:
        return [
            request["operation"]
            for request in recall.aws_requests()[began:]
            if request["write"] and "recall-operator" in request["caller"] and request["status"] < 300
        ]

    instance("crashed")
    for seen in (1, 2, 4):  # in the middle of creating: after the first write, after a few
        eventually(lambda seen=seen: len(creations()) >= seen, what=f"{seen} writes to AWS")  # type: ignore[misc]
        eventually(lambda: kill_operator(recall), what="an operator to kill")
    recall.kubectl.wait("recallinstance/crashed", until="condition=Ready", seconds=300)
    found = resources_of(recall.aws_endpoint, "crashed")
    services = [item.partition(":")[0] for item in found]
    assert services.count("dynamodb") == 2
    assert services.count("cognito-idp") == 1
    assert services.count("iam") == 1
    assert services.count("eks") == 1
    assert len(found) == len(set(found))
    instances = recall.kubectl.get("deployment", selector="recall.kug.la/instance=crashed")["items"]
    assert len(instances) == 1


def test_every_acknowledged_memory_survives_killed_api_pods(recall: RunningStack, tokens: Tokens) -> None:
    acknowledged: dict[str, str] = {}
    stop = threading.Event()
    run = os.urandom(4).hex()

    def write(writer: int) -> None:
        with recall.api("beta.recall.localhost", tokens) as api:
            for number in range(2_000):
                text = f"crash {run}: writer {writer}, memory {number}"
                while not (stop.is_set() or stored(api, text)):
                    stop.wait(0.2)

    def stored(api: MemoryApi, text: str) -> bool:
        with suppress(httpx.HTTPError):
            answer = api.http.post("/v1/memories", json={"text": text})
            if answer.status_code == 201:
                acknowledged[answer.json()["id"]] = text
            return answer.is_success
        return False

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(2):
            target = len(acknowledged) + 20
            eventually(lambda target=target: len(acknowledged) >= target, what="20 more memories")  # type: ignore[misc]
            eventually(
                lambda: kill_pods(recall, "default", "recall.kug.la/instance=beta"), what="pods of the API to kill"
            )
        target = len(acknowledged) + 20
        eventually(lambda: len(acknowledged) >= target, what="20 more memories after the pods came back")
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    recall.kubectl.wait("recallinstance/beta", until="condition=Ready")
    with recall.api("beta.recall.localhost", tokens) as api:
        kept = {memory["id"]: memory["text"] for memory in api.memories(page=100)}
    assert {memory: kept.get(memory) for memory in acknowledged} == acknowledged
