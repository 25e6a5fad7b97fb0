"""What is sealed on its way to DynamoDB, and what is not: the rules, without DynamoDB and without KMS."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.encryption.cipher import NotOpenedError, UserCipher
from recall_api.encryption.items import (
    NotSealableError,
    expressions_need_key,
    is_sealed,
    needs_key,
    opened_item,
    sealed_item,
    sealed_values,
    shape_of,
    stored_key,
)
from recall_api.encryption.shapes import FINGERPRINT_PREFIX, OF_ALL, OF_USERS
from recall_api.identifiers import UserId
from recall_api.memories.items import guard_key
from recall_api.storage import Table, decode_item, encode_item
from recall_api.user_items import USER_PREFIX, partition

KEY = b"k" * 32
ANNA = UserId("anna")
CIPHER = UserCipher(KEY)
CANARY = "canary-ordinary-words"

scalars = some.text(max_size=20) | some.integers() | some.booleans() | some.none() | some.binary(max_size=20)
values = some.recursive(
    scalars, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3)
)
names = some.text("abcdefg", min_size=1, max_size=4)


def item(sort: str, **attributes: Any) -> dict[str, Any]:
    return encode_item({PARTITION_KEY: partition(ANNA), SORT_KEY: sort, **attributes})


def update(sort: str, expression: str, condition: str = "", **named: Any) -> dict[str, Any]:
    """Return an update as a table writes it: `named` are the values of the placeholders."""
    part = Table(None, "t").keyed_part(  # type: ignore[arg-type]
        "Update", partition(ANNA), sort, update=expression, condition=condition or None,
        names={"#title": "title", "#hash": "contentHash", "#version": "version", "#proposals": "proposals",
               "#decision": "decision", "#text": "text", "#new": "somethingNew"},
        values={f":{name}": value for name, value in named.items()},
    )  # fmt: skip
    return dict(part["Update"])


def test_keys_are_built_as_the_repositories_build_them() -> None:
    assert partition(ANNA) == USER_PREFIX + ANNA
    assert guard_key("0f") == FINGERPRINT_PREFIX + "0f"


@given(kind=some.sampled_from([*OF_USERS, "NEW"]), attributes=some.dictionaries(names, values, max_size=4))
def test_what_was_sealed_is_opened_to_the_same(kind: str, attributes: dict[str, Any]) -> None:
    plain = item(f"{kind}#1", **attributes)
    stored = sealed_item(plain, CIPHER)
    opened = opened_item(json.loads(json.dumps(stored)), CIPHER)
    assert decode_item({**opened, SORT_KEY: plain[SORT_KEY]}) == decode_item(plain)


@given(kind=some.text("ABCDEFGHIJ", min_size=1, max_size=8), name=names)
def test_a_kind_and_an_attribute_that_nobody_listed_are_sealed(kind: str, name: str) -> None:
    for sort in (f"{kind}#1", "MEM#1", "CONV#1", "MSG#1#2", "PROFILE", "HIST#1#2"):
        stored = sealed_item(item(sort, **{name: CANARY}), CIPHER)
        assert "B" in stored[name], (sort, name)
        assert CANARY not in json.dumps(stored)
        assert CANARY.encode() not in base64.b64decode(stored[name]["B"])


def test_a_value_opens_at_its_own_place_alone() -> None:
    one, two = (sealed_item(item(f"MEM#{number}", text=CANARY, origin="x"), CIPHER) for number in (1, 2))
    for moved in ({**two, "text": one["text"]}, {**one, "text": one["origin"]}, {**one, "text": {"S": "planted"}}):
        with pytest.raises(NotOpenedError):
            opened_item(moved, CIPHER)
    with pytest.raises(NotOpenedError):
        opened_item({**one, PARTITION_KEY: {"S": "USER#bob"}}, CIPHER)
    with pytest.raises(NotOpenedError):
        opened_item(one, UserCipher(b"o" * 32))


def test_of_proposals_the_words_are_sealed_and_the_decisions_can_be_changed() -> None:
    proposal = {"text": CANARY, "start": 0, "end": 5, "decision": "pending", "memoryId": None}
    plain = item("MSG#1#2", role="user", text=CANARY, proposals=[proposal, proposal])
    stored = sealed_item(plain, CIPHER)
    assert CANARY not in json.dumps(stored)
    assert stored["proposals"]["L"][1]["M"]["decision"] == {"S": "pending"}
    assert "S" in plain["text"], "what was given was changed"
    # The two say the same at different places: exchanged they don't open.
    assert opened_item(json.loads(json.dumps(stored)), CIPHER) == plain
    stored["proposals"]["L"].reverse()
    with pytest.raises(NotOpenedError):
        opened_item(stored, CIPHER)


def test_hashes_of_texts_are_stored_as_fingerprints_that_differ_by_user() -> None:
    content_hash = "ab" * 32
    stored = sealed_item(item(guard_key(content_hash), memoryId="1"), CIPHER)
    assert content_hash not in json.dumps(stored)
    assert stored[SORT_KEY] == stored_key(item(guard_key(content_hash)), CIPHER)[SORT_KEY]
    assert UserCipher(b"o" * 32).fingerprint(content_hash) != CIPHER.fingerprint(content_hash)
    memory = sealed_item(item("MEM#1", contentHash=content_hash), CIPHER)
    check = update("MEM#1", "", "#hash = :hash", hash=content_hash)
    assert sealed_values(check, check["Key"], CIPHER)[":hash"] == memory["contentHash"]


def test_an_attribute_is_sealed_where_an_update_sets_it() -> None:
    part = update("CONV#1", "SET #title = :title ADD messages :one", title=CANARY, one=1)
    assert expressions_need_key(part)
    given_values = sealed_values(part, part["Key"], CIPHER)
    stored = item("CONV#1") | {"title": given_values[":title"]}
    assert decode_item(opened_item(stored, CIPHER))["title"] == CANARY
    assert given_values[":one"] == {"N": "1"}


@pytest.mark.parametrize(
    ("sort", "expression", "condition"),
    [
        ("CONV#1", "", "#title = :v"),
        ("CONV#1", "SET #title = if_not_exists(#title, :v)", ""),
        ("CONV#1", "SET #new = :v", "#title = :v"),
        ("CONV#1", "ADD #new :v", ""),
        ("MSG#1#2", "SET #proposals[0].#text = :v", ""),
        ("MSG#1#2", "SET #proposals = :v", ""),
    ],
)
def test_an_expression_that_would_store_in_the_clear_is_refused(sort: str, expression: str, condition: str) -> None:
    with pytest.raises(NotSealableError):
        expressions_need_key(update(sort, expression, condition, v=CANARY))


@pytest.mark.parametrize(
    ("sort", "expression", "condition"),
    [
        ("MSG#1#2", "SET #proposals[0].#decision = :v", "#proposals[0].#decision IN (:v, :w)"),
        ("STATE", "SET #version = :v ADD count :v", "#version = :v"),
        ("STATE", "", "#version = :v"),
        ("USAGE#2026-05", "SET #new = :v ADD #title :v", ""),
        ("CONV#1", "SET deleting = :v", "attribute_exists(#title)"),
    ],
)
def test_expressions_on_what_is_in_the_clear_need_no_key(sort: str, expression: str, condition: str) -> None:
    assert not expressions_need_key(update(sort, expression, condition, v="x", w="y"))


@pytest.mark.parametrize("name", [*OF_ALL, "ANY"])
def test_nothing_that_is_not_listed_is_stored_under_no_user(name: str) -> None:
    listed = sorted(OF_ALL[name].clear) if name in OF_ALL else []
    plain = encode_item({PARTITION_KEY: f"{name}#1", SORT_KEY: "x", **dict.fromkeys(listed, "v")})
    assert not needs_key(plain)
    assert not is_sealed(plain)
    with pytest.raises(NotSealableError):
        needs_key(plain | {"note": {"S": CANARY}})


def test_shapes_name_no_attribute_that_holds_words() -> None:
    words = {"text", "tags", "title", "before", "name", "displayName", "vector", "bytes", "origin", "proposals"}
    for kind in OF_USERS:
        shape = shape_of(partition(ANNA), f"{kind}#1")
        # A snapshot's `name` is random; months of spending hold names of models.
        assert kind in ("SNAPSHOT", "USAGE") or not {name for name in words if shape.is_clear((name,))}, kind
