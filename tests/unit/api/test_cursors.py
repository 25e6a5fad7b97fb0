"""Cursors hold what was put in, for their user and list only."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall_api.errors import ProblemError
from recall_api.identifiers import UserId
from recall_api.pages import MAX_CURSOR_LENGTH, CursorSealer

ANNA, BEN = UserId("anna"), UserId("ben")
SEALER = CursorSealer(b"k" * 32)
positions = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)


@given(positions)
def test_a_cursor_opens_to_what_was_sealed(position: str) -> None:
    cursor = SEALER.seal(ANNA, "memories", position)
    assert SEALER.open(ANNA, "memories", cursor) == position
    assert len(SEALER.seal(ANNA, "memories", "0" * 26)) <= MAX_CURSOR_LENGTH


@given(positions)
def test_a_cursor_says_nothing_and_is_never_the_same_twice(position: str) -> None:
    one, two = SEALER.seal(ANNA, "memories", position), SEALER.seal(ANNA, "memories", position)
    assert one != two
    raw = base64.urlsafe_b64decode(one + "=" * (-len(one) % 4))
    assert len(position) < 4 or position.encode() not in raw


@pytest.mark.parametrize(
    ("sealer", "user", "kind"),
    [(SEALER, BEN, "memories"), (SEALER, ANNA, "conversations"), (CursorSealer(b"o" * 32), ANNA, "memories")],
)
def test_a_cursor_is_refused_elsewhere(sealer: CursorSealer, user: UserId, kind: str) -> None:
    with pytest.raises(ProblemError) as caught:
        sealer.open(user, kind, SEALER.seal(ANNA, "memories", "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert caught.value.status == 422


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    cursor = SEALER.seal(ANNA, "memories", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProblemError):
        SEALER.open(ANNA, "memories", base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(st.text(max_size=80))
def test_made_up_cursors_are_refused(text: str) -> None:
    with pytest.raises(ProblemError):
        SEALER.open(ANNA, "memories", text)
