"""Names and owners."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_operator.models.spec import Adoption
from recall_operator.ownership import Owner, Standing, derived_name, name_prefix, standing

parts = some.lists(some.from_regex(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?", fullmatch=True), min_size=1, max_size=5)
limits = some.integers(40, 255)
US = Owner("prod", "default", "beta", "uid-1")
EARLIER = Owner("prod", "default", "beta", "uid-0")
OTHER = Owner("prod", "default", "gamma", "uid-2")
ELSEWHERE = Owner("staging", "default", "beta", "uid-3")


@given(one=parts, other=parts, limit=limits)
def test_names_are_the_same_for_the_same_and_differ_for_others(one: list[str], other: list[str], limit: int) -> None:
    name = derived_name(*one, limit=limit)
    assert len(name) <= limit
    assert name == derived_name(*one, limit=limit)
    assert (name == derived_name(*other, limit=limit)) == (one == other)


@given(one=parts, limit=limits)
def test_short_names_can_be_read(one: list[str], limit: int) -> None:
    if len(".".join(one)) <= limit:
        assert derived_name(*one, limit=limit) == ".".join(one)


@given(one=parts, more=parts, limit=limits)
def test_all_names_of_a_cluster_begin_alike(one: list[str], more: list[str], limit: int) -> None:
    assert derived_name(*one, *more, limit=limit).startswith(name_prefix(*one, limit=limit))


def test_names_of_another_cluster_begin_differently() -> None:
    assert not derived_name("recall", "prod-2", "default", "beta", limit=64).startswith(
        name_prefix("recall", "prod", limit=64)
    )


def test_hyphens_do_not_make_two_instances_one() -> None:
    assert derived_name("a", "b-c", limit=64) != derived_name("a-b", "c", limit=64)


@pytest.mark.parametrize(
    ("found", "adoption", "released", "expected"),
    [
        (US, Adoption.REFUSE, False, Standing.OURS),
        (US, Adoption.ADOPT, False, Standing.OURS),
        (None, Adoption.REFUSE, False, Standing.REFUSED),
        (None, Adoption.ADOPT, False, Standing.ADOPT),
        (EARLIER, Adoption.REFUSE, False, Standing.REFUSED),
        (EARLIER, Adoption.ADOPT, False, Standing.ADOPT),
        (OTHER, Adoption.ADOPT, False, Standing.REFUSED),
        (ELSEWHERE, Adoption.ADOPT, False, Standing.REFUSED),
        (OTHER, Adoption.ADOPT, True, Standing.ADOPT),
        (OTHER, Adoption.REFUSE, True, Standing.REFUSED),
    ],
)
def test_who_may_take_what(found: Owner | None, adoption: Adoption, released: bool, expected: Standing) -> None:
    assert standing(found, US, adoption, released=released) is expected


def test_tags_name_their_owner() -> None:
    assert Owner.from_tags(US.tags() | {"team": "a"}) == US
    assert Owner.from_tags({"team": "a"}) is None
