"""Up, down, status, logs, demo: the order in which the stack's parts are brought to life and to rest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console
from rich.table import Table

from recall_api.contract import READINESS_PATH
from recall_delivery.web import publish
from recall_local import edge, images, loopback, packages, pod_identity, processes, web_build
from recall_local.aws import account, emulator
from recall_local.bedrock import server as bedrock
from recall_local.cluster.choose import choose
from recall_local.demo.tour import Tour
from recall_local.docker import docker_answers
from recall_local.kubectl import Kubectl
from recall_local.steps import Steps, explain

if TYPE_CHECKING:
    from recall_local.cluster.base import Cluster
    from recall_local.images import BuiltImage
    from recall_local.stack import Stack
    from recall_operator.platform import Platform

SOURCE = Path(__file__).resolve().parents[3]
"""The checkout: chart, examples and Dockerfiles lie in it."""

EXAMPLES = SOURCE / "deploy/examples"
OPERATOR_NAMESPACE = "recall-system"
AWS_PORT = 4566
BEDROCK_PORT = 4567
READY_SECONDS = 180


def aws_endpoint(cluster: Cluster) -> str:
    """Return the address of the emulated AWS."""
    return f"http://{cluster.node_address}:{AWS_PORT}"


def models_endpoint(cluster: Cluster) -> str:
    """Return the address of the Bedrock Runtime emulator."""
    return f"http://{cluster.host_address}:{BEDROCK_PORT}"


def program(cluster: Cluster, name: str) -> Path:
    """Return the path of `kubectl` or `helm`.

    Raises:
        FileNotFoundError: the cluster brings none along and PATH has none.
    """
    if cluster.tools is not None:
        return cluster.tools / name
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not on PATH; install it, or let the stack use a cluster of its own")
    return Path(found)


def kubectl_of(stack: Stack) -> Kubectl:
    """Return kubectl on the stack's cluster."""
    cluster = choose(stack)
    return Kubectl(program(cluster, "kubectl"), cluster.kubeconfig)


def up(stack: Stack, *, resync_seconds: int | None = None) -> None:
    """Bring the whole stack up, or up to date, and print where it is.

    Raises:
        StepFailedError: a step failed; the screen says which, why, and what to do.
    """
    steps = Steps()
    cluster = choose(stack)
    steps.console.print(f"Recall, stack “{stack.name}”: {cluster.name}", soft_wrap=True)
    with steps.step("system packages", remedy="install them as the message says") as report:
        packages.install(packages.missing(docker=docker_answers()), report)
    # The long builds of a first run need different things of the machine: side by side.
    with ThreadPoolExecutor(max_workers=2) as pool:
        building = pool.submit(images.build, stack.cache, lambda words: steps.note(f"images: {words}"))
        web = pool.submit(web_build.build, stack.cache, lambda words: steps.note(f"web app: {words}"))
        with steps.step(
            "Kubernetes", log=stack.logs, remedy="read the log; `make down && make up` starts from a clean state"
        ) as report:
            cluster.up(report)
        with steps.step("images of the API and the operator", remedy="see the build's words above") as report:
            built = building.result()
            for image in built.values():
                cluster.load_image(image.archive, image.reference)
            report(", ".join(f"{name} {image.size / 1e6:.0f} MB" for name, image in built.items()))
    with steps.step("emulated AWS", log=processes.log_path(stack, "aws")) as report:
        platform = _start_aws(stack, cluster, built)
        report(f"{aws_endpoint(cluster)}, account {platform.aws.account_id}, IAM enforced")
    with steps.step("web app", remedy="see the build's words above") as report:
        _publish(stack, cluster, web.result())
        report("published to the bucket behind the distribution")
    with steps.step("models, pod identities, edge", log=stack.logs) as report:
        _start_companions(stack, cluster, platform)
        report(bedrock.described_model(os.environ))
    with steps.step(
        "operator",
        remedy=f"recall-local kubectl -n {OPERATOR_NAMESPACE} describe pods",
    ) as report:
        _install_operator(cluster, built, platform, resync_seconds)
        report("installed from deploy/chart by Helm")
    kubectl = Kubectl(program(cluster, "kubectl"), cluster.kubeconfig)
    with steps.step("instance beta", remedy="recall-local kubectl describe recall beta") as report:
        kubectl.apply(EXAMPLES / "beta.yaml")
        kubectl.wait("recallinstance/beta", until="condition=Ready", seconds=READY_SECONDS)
        # After a restart the condition may still be that of the run before: what counts is that the API answers.
        api = stack.origin("api.beta.recall.localhost")
        processes.wait_until(lambda: _answers(api), READY_SECONDS, f"an answer from {api}", (stack, "edge"))
        report("Ready, and its API answers")
    _say_what_to_try(steps, stack, cluster)


def publish_web_app(stack: Stack) -> None:
    """Build the web app and publish it in the running stack.

    Raises:
        StepFailedError: it could not be built, or the stack does not run.
    """
    steps = Steps()
    with steps.step("web app", remedy="see the build's words above; is the stack up? (make up)") as report:
        _publish(stack, choose(stack), web_build.build(stack.cache, report))
        report(f"published at {stack.origin('beta.recall.localhost')}")


def _publish(stack: Stack, cluster: Cluster, built: Path) -> None:
    s3 = account.client_factory(aws_endpoint(cluster))("s3")
    publish(s3, account.web_bucket(stack.name), built, kept=timedelta(0))


def _start_aws(stack: Stack, cluster: Cluster, built: dict[str, BuiltImage]) -> Platform:
    """Start the emulated AWS and make in it what CDK makes once per account."""
    endpoint = aws_endpoint(cluster)
    command = emulator.command(
        stack.state / "aws", cluster.node_address, AWS_PORT, region=account.REGION, log_folder=stack.logs
    )
    processes.start(stack, "aws", command, enter_namespace=cluster.enter_namespace)
    processes.wait_until(lambda: emulator.is_ready(endpoint), 60, "the emulated AWS", (stack, "aws"))
    platform = account.prepare(
        endpoint,
        bedrock_endpoint=models_endpoint(cluster),
        stack_name=stack.name,
        edge_port=stack.edge_port,
        api_image=built["recall-api"].reference,
        state_folder=stack.state,
    )
    cluster.configure_dns(platform.dns.hosted_zone_id, endpoint)
    return platform


def _start_companions(stack: Stack, cluster: Cluster, platform: Platform) -> None:
    """Start what pods and browsers need beside AWS: models, credentials for pods, the edge."""
    endpoint, inside = aws_endpoint(cluster), cluster.enter_namespace
    processes.start(
        stack,
        "bedrock",
        bedrock.command(cluster.host_address, BEDROCK_PORT, log_folder=stack.logs, authorizer=endpoint),
        env={name: value for name, value in os.environ.items() if name.startswith("RECALL_MODEL_")},
        enter_namespace=False,  # a model server that it is pointed at may be on the host, or beyond
    )
    identities = pod_identity.command(
        kubeconfig=cluster.kubeconfig, aws_endpoint=endpoint, cluster=platform.cluster.name, state_folder=stack.state
    )
    processes.start(stack, "pod-identity", identities, enter_namespace=inside)
    outside = edge.command(
        stack_name=stack.name,
        kubeconfig=cluster.kubeconfig,
        aws_endpoint=endpoint,
        distribution=platform.web.distribution.dns_name,
    )
    processes.start(stack, "edge", outside, enter_namespace=inside, listen=("127.0.0.1", stack.edge_port))
    kubectl = Kubectl(program(cluster, "kubectl"), cluster.kubeconfig)
    kubectl.apply(pod_identity.webhook_configuration(stack.state))
    models = models_endpoint(cluster)
    processes.wait_until(lambda: bedrock.is_ready(models), 60, "the models", (stack, "bedrock"))


def _answers(api: str) -> bool:
    try:
        with loopback.client(api, timeout=5) as client:
            return client.get(READINESS_PATH).is_success
    except httpx.HTTPError:
        return False


def _install_operator(
    cluster: Cluster, built: dict[str, BuiltImage], platform: Platform, resync_seconds: int | None
) -> None:
    repository, _, tag = built["recall-operator"].reference.rpartition(":")
    values: dict[str, Any] = {
        "image": {"repository": repository, "tag": tag},
        "platform": platform.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    if resync_seconds is not None:
        values["resyncSeconds"] = resync_seconds
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        command = [
            str(program(cluster, "helm")), "upgrade", "--install", "recall-operator", str(SOURCE / "deploy/chart"),
            f"--kubeconfig={cluster.kubeconfig}", f"--namespace={OPERATOR_NAMESPACE}", "--create-namespace",
            f"--values={file.name}", "--wait", f"--timeout={READY_SECONDS}s",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    # Helm installs a chart's crds/ once and never changes them afterwards.
    Kubectl(program(cluster, "kubectl"), cluster.kubeconfig).run(
        "apply", "--server-side", "--force-conflicts", f"--filename={SOURCE / 'crds'}"
    )


def _say_what_to_try(steps: Steps, stack: Stack, cluster: Cluster) -> None:
    email, password = account.demo_user(stack.state)
    kubectl = f"{program(cluster, 'kubectl')} --kubeconfig={cluster.kubeconfig}"
    steps.console.print(
        f"""
Recall is up after {steps.seconds:.0f} s.

  the API        {stack.origin("api.beta.recall.localhost")}/docs
  the web app    {stack.origin("beta.recall.localhost")}
  sign in as     {email}   password: {password}

  try            make demo                          a tour: sign in, remember, ask, hibernate, delete
                 make status                        what runs
                 {kubectl} get recall
  stop           make down                          memories are kept for the next make up
""",
        soft_wrap=True,
        markup=False,
    )


def down(stack: Stack, *, erase: bool = False) -> None:
    """Stop everything of the stack; with `erase` also delete what it keeps, memories included.

    Raises:
        StepFailedError: something would not stop; the screen says what.
    """
    steps = Steps()
    with steps.step(f"stop stack “{stack.name}”", log=stack.logs, remedy="run `make down` again"):
        cluster = choose(stack)
        cluster.down()
        processes.stop_all(stack)
    if erase:
        with steps.step("erase everything that it keeps", remedy=f"delete {stack.state} yourself"):
            cluster.erase()
            stack.remove()
    else:
        steps.console.print(f"Memories and instances are kept in {stack.state}", soft_wrap=True, markup=False)


def status(stack: Stack) -> int:
    """Print what runs and what the instances say; return 1 when something that should run does not."""
    console = Console(highlight=False)
    table = Table(title=f"Stack “{stack.name}”", title_justify="left")
    for column in ("part", "state", "log"):
        table.add_column(column, overflow="fold")
    known = processes.names(stack)
    if not known:
        console.print(f"Stack “{stack.name}” is down; `make up` starts it.")
        return 1
    running = {name: processes.running(stack, name) for name in known}
    for name, alive in running.items():
        table.add_row(
            name, "[green]runs[/green]" if alive else "[red]stopped[/red]", str(processes.log_path(stack, name))
        )
    console.print(table)
    try:
        kubectl = kubectl_of(stack)
        for words in (
            ("get", "recallinstances", "--all-namespaces", "--output=wide"),
            ("get", "pods", "--all-namespaces", "--output=wide"),
        ):
            console.print(kubectl.run(*words, timeout=20), markup=False, soft_wrap=True)
    except (OSError, subprocess.SubprocessError) as error:
        console.print(
            f"The cluster does not answer: {explain(error)}; `make up` mends it", markup=False, soft_wrap=True
        )
        return 1
    return 0 if all(running.values()) else 1


def logs(stack: Stack, *, name: str | None, lines: int, follow: bool) -> None:
    """Print the last `lines` of the log `name`, or of all; `follow` goes on until interrupted.

    Raises:
        FileNotFoundError: there is no such log; the message lists those there are.
    """
    found = {path.stem: path for path in sorted(stack.logs.glob("*.log"))}
    if name is None:
        for path in found.values():
            print(f"==> {path}", flush=True)  # `tail` writes by itself: buffered, all heads would come last
            subprocess.run(["tail", f"--lines={lines}", str(path)], check=True)
        pods = ("--namespace", OPERATOR_NAMESPACE, "--selector=app.kubernetes.io/name=recall-operator")
        print("==> operator (kubectl logs)", flush=True)
        print(kubectl_of(stack).run("logs", *pods, f"--tail={lines}"))
        return
    if name not in found:
        raise FileNotFoundError(f"no log is called {name!r}; there are: {', '.join(found) or 'none yet'}")
    follow_words = ["--follow"] if follow else []
    with suppress(KeyboardInterrupt):
        subprocess.run(["tail", *follow_words, f"--lines={lines}", str(found[name])], check=True)


def demo(stack: Stack) -> None:
    """Take the tour on the running stack.

    Raises:
        StepFailedError: a step was not as it should be.
    """
    steps = Steps()
    cluster = choose(stack)
    with steps.step("the stack is up", remedy="make up") as report:
        kubectl = kubectl_of(stack)
        kubectl.wait("recallinstance/beta", until="condition=Ready", seconds=60)
        report("beta is Ready")
    user = account.demo_user(stack.state)
    tour = Tour(
        kubectl=kubectl,
        examples=EXAMPLES,
        aws_endpoint=aws_endpoint(cluster),
        origin=stack.origin,
        email=user.email,
        password=user.password,
    )
    tour.run(steps)
    steps.table("What the tour did")
