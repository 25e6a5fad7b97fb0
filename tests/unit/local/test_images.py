"""Tags that say what is in an image, and the arguments of its build."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_local import images


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("one")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    return tmp_path


def tag(tree: Path, base: str = "base") -> str:
    return images.tag_of(tree, ("Dockerfile", "package"), base)


def test_an_unchanged_tree_has_the_same_tag_whatever_python_leaves_in_it(tree: Path) -> None:
    before = tag(tree)
    (tree / "package" / "__pycache__").mkdir()
    (tree / "package" / "__pycache__" / "module.pyc").write_text("compiled")
    (tree / "elsewhere.py").write_text("not in the image")
    assert tag(tree) == before


def test_every_change_that_gets_into_the_image_changes_its_tag(tree: Path) -> None:
    tags = [tag(tree), tag(tree, base="other")]
    (tree / "package" / "module.py").write_text("two")
    tags.append(tag(tree))
    (tree / "package" / "module.py").rename(tree / "package" / "renamed.py")
    tags.append(tag(tree))
    (tree / "Dockerfile").write_text("FROM other")
    tags.append(tag(tree))
    assert len(set(tags)) == len(tags)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_different_parts_have_different_hashes(one: list[bytes], other: list[bytes]) -> None:
    assert (images._hash(one) == images._hash(other)) == (one == other)


@pytest.mark.parametrize("name", images.SOURCES)
def test_what_a_dockerfile_copies_counts_for_its_tag(name: str) -> None:
    sources = images.SOURCES[name]
    lines = (images.ROOT / sources[0]).read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert copied
    assert set(copied) <= set(sources)
    assert all((images.ROOT / source).exists() for source in sources)


def test_the_machines_authorities_and_index_are_lent_to_the_build() -> None:
    plain = images.build_arguments("api/Dockerfile", "image:1", {})
    assert plain == ["--file", "api/Dockerfile", "--tag", "image:1"]
    own = images.build_arguments(
        "api/Dockerfile", "image:1", {"PIP_CERT": "/own.crt", "PIP_INDEX_URL": "https://index.example/simple"}
    )
    assert own[4:6] == ["--secret", "id=authorities,src=/own.crt"]
    assert "PIP_CERT=/run/secrets/authorities" in own
    assert "PIP_INDEX_URL=https://index.example/simple" in own


def test_the_first_variable_that_names_authorities_counts() -> None:
    environment = {"SSL_CERT_FILE": "/ssl.crt", "PIP_CERT": "", "CURL_CA_BUNDLE": "/curl.crt"}
    assert images.certificate_bundle(environment) == Path("/ssl.crt")
    assert images.certificate_bundle({}) is None
