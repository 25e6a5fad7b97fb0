"""kubectl recall as a process: kubeconfigs as people have them, pipes that close, all namespaces."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from recall_operator.plugin import main
from recall_operator.plugin.arguments import parse
from recall_operator.plugin.planning import read_manifests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "recall_operator.plugin.main"]
PATH = "/apis/recall.kug.la/v1beta1/recallinstances"
BETA = {"apiVersion": "recall.kug.la/v1beta1", "kind": "RecallInstance", "metadata": {"name": "beta"}, "spec": {}}


def instance(namespace: str) -> dict[str, Any]:
    metadata = {"name": "beta", "namespace": namespace, "uid": namespace, "generation": 1}
    return {"metadata": metadata, "spec": {"hostname": f"{namespace}.example.org"}}


class _Api(BaseHTTPRequestHandler):
    """Knows one instance in each of two namespaces."""

    def do_GET(self) -> None:
        there = ("blue", "green") if self.path.startswith(PATH) else ("blue",)
        body = json.dumps({"metadata": {}, "items": [instance(namespace) for namespace in there]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """Return a kubeconfig without a current context, as many have who work with several clusters."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "blue", "context": {"cluster": "c", "user": "u", "namespace": "blue"}}],
        }
        path.write_text(yaml.safe_dump(document))
        yield path
        server.shutdown()


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def test_a_named_context_needs_no_current_one(kubeconfig: Path) -> None:
    done = run("status", "--kubeconfig", kubeconfig, "--context", "blue")
    assert (done.returncode, done.stderr) == (0, "")
    assert "blue/beta" in done.stdout
    assert "green/beta" not in done.stdout


def test_status_shows_all_namespaces_when_asked(kubeconfig: Path) -> None:
    done = run("status", "-A", "--kubeconfig", kubeconfig, "--context", "blue")
    assert done.returncode == 0
    assert [name for name in ("blue/beta", "green/beta") if name in done.stdout] == ["blue/beta", "green/beta"]


@pytest.mark.parametrize("words", [["status", "beta", "-A"], ["backups", "-A", "-n", "blue"]])
def test_all_namespaces_and_one_of_them_make_no_sense_together(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 1


@pytest.mark.parametrize("text", ["{a: [", "[]", "words", "contexts: 3\ncurrent-context: x\n", "kind: Config\n"])
def test_a_kubeconfig_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    done = run("status", "--kubeconfig", path)
    assert done.returncode == 1
    assert done.stderr.startswith("kubectl recall status: no cluster to talk to: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(kubeconfig: Path) -> None:
    words = [*COMMAND, "status", "--kubeconfig", str(kubeconfig), "--context", "blue"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


def test_an_interrupt_is_no_crash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "Cluster", interrupted)
    assert main.main(["reconcile", "beta"]) == 130
    assert "kubectl recall reconcile: interrupted" in capsys.readouterr().err


def test_an_object_of_a_newer_release_is_named_with_the_remedy(kubeconfig: Path) -> None:
    # The fake's items are no RecallBackups: as if a later release had changed what those are.
    done = run("backups", "--kubeconfig", kubeconfig, "--context", "blue")
    assert done.returncode == 1
    assert "Use the kubectl recall of the release" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_reads_what_kubectl_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [BETA, {"kind": "ConfigMap"}]}))
    assert [item["metadata"] for item in read_manifests(path, "blue")] == [{"name": "beta", "namespace": "blue"}]
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert len(read_manifests(type(path)("-"), "blue")) == 1


@pytest.mark.parametrize("metadata", [None, {}, {"generateName": "beta-"}])
def test_a_manifest_without_a_name_is_refused_in_words(metadata: Any, tmp_path: Path) -> None:
    path = tmp_path / "nameless.yaml"
    path.write_text(yaml.safe_dump(BETA | {"metadata": metadata}))
    with pytest.raises(main.CommandError, match=r"without metadata\.name"):
        read_manifests(path, "default")
