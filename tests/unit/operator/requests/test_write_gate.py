"""The gate of all writes: refused when nothing may be written, waited for when the process stops."""

from __future__ import annotations

import threading

import pytest

from recall_operator.errors import LeaseLostError
from recall_operator.requests.write_gate import WriteGate


def test_a_closed_gate_waits_for_writes_under_way_and_lets_no_other_begin() -> None:
    gate = WriteGate()
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with gate.write():
            begun.set()
            go_on.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    assert not gate.close(0), "a write is under way"
    with pytest.raises(LeaseLostError, match="stopping"), gate.write():
        pytest.fail("a write began after the end")
    go_on.set()
    assert gate.close(30)
    writer.join()


def test_a_write_that_fails_is_under_way_no_more() -> None:
    gate = WriteGate()
    with pytest.raises(OSError, match="no answer"), gate.write():
        raise OSError("no answer")
    assert gate.close(0)


def test_a_write_is_refused_when_the_lease_is_lost() -> None:
    def lost() -> None:
        raise LeaseLostError("another replica has taken the lease")

    gate = WriteGate(lost)
    with pytest.raises(LeaseLostError, match="another replica"), gate.write():
        pytest.fail("written without the Lease")
    assert gate.close(0)
