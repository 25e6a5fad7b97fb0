"""The tour itself: every step does one thing a user would, and fails loudly when it does not come out right."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from recall_local.demo.leftovers import resources_of
from recall_local.demo.memory_api import ChatEvent, MemoryApi
from recall_local.demo.sign_in import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.console import Console

    from recall_local.demo.sign_in import Tokens
    from recall_local.kubectl import Kubectl
    from recall_local.steps import Steps


@dataclass(frozen=True, slots=True)
class Tour:
    """What the tour needs to know of a running stack."""

    kubectl: Kubectl
    examples: Path
    """Folder with `beta.yaml` and `staging.yaml`."""
    aws_endpoint: str
    origin: Callable[[str], str]
    """From a host name to the origin that a browser opens."""
    email: str
    password: str

    def run(self, steps: Steps) -> None:
        """Take the whole tour.

        Raises:
            StepFailedError: at the first step that is not as it should be.
        """
        content = json.loads(resources.files(__package__).joinpath("memories.json").read_text())
        memories, questions = content["memories"], content["questions"]
        with steps.step("sign in on the hosted page (code + PKCE, Chromium)") as report:
            tokens = self._sign_in("beta.recall.localhost")
            report(f"signed in as {self.email}")
        with MemoryApi(self.origin("api.beta.recall.localhost"), tokens) as api:
            with steps.step(f"store {len(memories)} memories") as report:
                ids = {api.remember(memory)["id"] for memory in memories}
                expect(len(ids) == len(memories), f"{len(memories)} memories gave {len(ids)} ids")
                report(f"{len(ids)} memories have an id")
            for question in questions:
                with steps.step(f"ask: {question['text']}") as report:
                    sources = answer_aloud(steps.console, api.ask(question["text"]))
                    expect(
                        any(question["memory"] in source for source in sources),
                        f"no citation of the memory with “{question['memory']}”; cited: {sources}",
                    )
                    report(f"{len(sources)} cited, the right one among them")
            self._second_instance(steps)
            self._hibernate_and_wake(steps, api, ids)
        self._delete_second_instance(steps)

    def _sign_in(self, hostname: str) -> Tokens:
        with MemoryApi(self.origin(f"api.{hostname}")) as anonymous:
            page = anonymous.sign_in_page(f"{self.origin(hostname)}/callback")
        return sign_in(page, self.email, self.password)

    def _second_instance(self, steps: Steps) -> None:
        with steps.step("apply a second instance, staging", remedy="kubectl describe recall staging") as report:
            self.kubectl.apply(self.examples / "staging.yaml")
            self.kubectl.wait("recallinstance/staging", until="condition=Ready")
            found = resources_of(self.aws_endpoint, "staging")
            expect(bool(found), "staging is Ready, but AWS holds nothing of it")
            report(f"Ready, with {len(found)} resources on AWS")
        with steps.step("kubectl get recall"):
            table = self.kubectl.run("get", "recall")
            steps.console.print(escape(table.rstrip()), soft_wrap=True)
            expect("beta" in table and "staging" in table, "the table misses an instance")

    def _hibernate_and_wake(self, steps: Steps, api: MemoryApi, ids: set[str]) -> None:
        with steps.step("hibernate beta") as report:
            self._set_hibernation("Asleep")
            self.kubectl.wait("pod", "--selector=recall.kug.la/instance=beta", until="delete")
            report("no pods left; data, sign-in and names stay")
        with steps.step("wake beta; the memories are still there") as report:
            began = time.monotonic()
            self._set_hibernation("Awake")
            self.kubectl.wait("recallinstance/beta", until="condition=Ready")
            awake = time.monotonic() - began
            kept = {memory["id"] for memory in api.memories()}
            expect(ids <= kept, f"{len(ids - kept)} memories are missing after the sleep")
            report(f"Ready after {awake:.1f} s, all {len(ids)} memories there after {time.monotonic() - began:.1f} s")

    def _delete_second_instance(self, steps: Steps) -> None:
        with steps.step("delete staging; nothing of it is left on AWS") as report:
            self.kubectl.run("delete", "recallinstance", "staging", "--timeout=120s", timeout=150)
            left = resources_of(self.aws_endpoint, "staging")
            expect(not left, f"left on AWS: {', '.join(left)}")
            report("no table, client, role, association or record")

    def _set_hibernation(self, mode: str) -> None:
        patch = json.dumps({"spec": {"hibernation": {"mode": mode}}})
        self.kubectl.run("patch", "recallinstance", "beta", "--type=merge", f"--patch={patch}")


def expect(truth: bool, otherwise: str) -> None:
    """Raise RuntimeError with the words `otherwise` unless `truth`."""
    if not truth:
        raise RuntimeError(otherwise)


def answer_aloud(console: Console, events: Iterable[ChatEvent]) -> list[str]:
    """Print a streamed answer as it arrives and return the texts of the memories that it cites."""
    recalled: dict[str, Any] = {}
    cited: dict[str, str] = {}
    console.print("    ", end="")
    for event in events:
        if event.name == "recalled":
            recalled = {memory["id"]: memory for memory in event.data["memories"]}
        elif event.name == "delta":
            console.print(escape(event.data["text"]), end="", soft_wrap=True)
        elif event.name == "citation":
            memory_id = event.data["memoryId"]
            cited[memory_id] = recalled[memory_id]["text"]
    console.print()
    for text in cited.values():
        console.print(f"    [dim]↳ {escape(text)}[/dim]", soft_wrap=True)
    return list(cited.values())
