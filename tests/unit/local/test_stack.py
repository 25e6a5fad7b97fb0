"""Names, indexes and ports of stacks."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_local import stack as stacks
from recall_local.stack import Stack, StackError, check_name, free_index

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RECALL_PORT", raising=False)
    monkeypatch.setattr(stacks, "_indexes_in_use", set)


@given(st.from_regex(stacks.NAME_PATTERN, fullmatch=True))
def test_a_good_name_makes_a_good_network_namespace_name(name: str) -> None:
    check_name(name)
    assert len(f"recall-{name}") <= 27
    assert name == name.lower().strip("-")


@pytest.mark.parametrize("name", ["", "Recall", "a_b", "-a", "a-", "a" * 21, "a/b", "..", "a\n"])
def test_a_bad_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(StackError, match="use 1 to 20"):
        check_name(name)


def test_a_stack_keeps_its_index_and_port() -> None:
    first, again = Stack.open("one"), Stack.open("one")
    assert first == again
    assert (first.host_address, first.node_address) == ("100.64.0.1", "100.64.0.2")
    assert len(first.interface) <= 15
    assert first.logs.is_dir()


def test_stacks_opened_at_once_never_share_an_index_or_a_port() -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(Stack.open, [f"s{number}" for number in range(8)]))
    assert {stack.index for stack in opened} == set(range(8))
    assert len({stack.edge_port for stack in opened}) == 8


def test_a_removed_stack_frees_its_index() -> None:
    Stack.open("one")
    two = Stack.open("two")
    Stack.open("one").remove()
    assert Stack.open("three").index == 0
    assert two.index == 1


def test_an_index_whose_addresses_are_taken_on_this_machine_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_indexes_in_use", lambda: {0, 1})
    assert Stack.open("one").index == 2


@given(st.sets(st.integers(0, 63), max_size=63))
def test_the_smallest_free_index_is_given(taken: set[int]) -> None:
    index = free_index(taken)
    assert index not in taken
    assert all(smaller in taken for smaller in range(index))


def test_the_65th_stack_is_refused() -> None:
    with pytest.raises(StackError, match="64 stacks exist"):
        free_index(set(range(64)))


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.socket() as other:
        with suppress(OSError):  # somebody else has it: as good
            other.bind(("127.0.0.1", stacks.FIRST_EDGE_PORT))
        assert Stack.open("one").edge_port != stacks.FIRST_EDGE_PORT


def test_the_port_of_the_environment_counts_this_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Stack.open("one").edge_port
    monkeypatch.setenv("RECALL_PORT", "9999")
    assert Stack.open("one").edge_port == 9999
    monkeypatch.delenv("RECALL_PORT")
    assert Stack.open("one").edge_port == recorded


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80.5"])
def test_a_bad_port_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_PORT", value)
    with pytest.raises(StackError, match="RECALL_PORT"):
        Stack.open("one")
