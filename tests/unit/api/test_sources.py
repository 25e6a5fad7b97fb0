"""Rules that hold for the API's sources, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import recall_api

ROOT = Path(recall_api.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Return the modules that a source uses when it runs; imports for type checkers alone don't count."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            found.update({node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)})

    Visitor().visit(ast.parse(path.read_text()))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_are_reached_by_repositories_alone(path: Path) -> None:
    if path.name in {"repository.py", "storage.py", "application.py"}:
        return
    source = path.read_text()
    for operation in ("put_item", "update_item", "delete_item", "query(", "scan(", "transact_write", "batch_get_item"):
        assert operation not in source, f"{path} calls DynamoDB's {operation}"
    # Readiness reads an item that never exists, to see whether the tables answer.
    assert path.name == "health.py" or "get_item" not in source
    assert not imports_of(path) & {"recall_api.storage.Table"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name == "repository.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_public_methods_of_repositories_are_for_one_user(path: Path) -> None:
    if path.parent.name in {"instance", "admin"}:
        return  # what all users share: no key of it is built from a user
    for owner in ast.parse(path.read_text()).body:
        if isinstance(owner, ast.ClassDef) and owner.name.endswith("Repository"):
            for method in owner.body:
                if isinstance(method, ast.AsyncFunctionDef) and not method.name.startswith("_"):
                    if (path.parent.name, method.name) == ("auth", "find"):
                        continue  # it finds out who the user is
                    first = method.args.args[1]
                    assert ast.unparse(first.annotation or ast.Name("none")) == "UserId", f"{owner.name}.{method.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_user_id_is_made_where_tokens_are_checked_only(path: Path) -> None:
    # A checked token, the hash of a personal one, and the list of users who asked to be deleted.
    if path.relative_to(ROOT) in {Path("auth/tokens.py"), Path("auth/repository.py"), Path("instance/repository.py")}:
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "UserId"]


def test_nothing_is_different_on_one_machine() -> None:
    for path in MODULES:
        source = path.read_text().lower()
        for word in ("localhost", "ministack", "localstack", "recall_local", "endpoint_url="):
            assert word not in source, f"{path} knows of {word}"


def test_the_contract_stays_light() -> None:
    code = "import sys, recall_api.contract; print(*(m for m in ('boto3', 'fastapi', 'numpy') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
