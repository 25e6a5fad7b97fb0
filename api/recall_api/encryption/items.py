"""Items and expressions of DynamoDB's JSON, sealed and opened by `shapes`. All of it is pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from recall_api.contract import PARTITION_KEY, SORT_KEY
from recall_api.encryption.shapes import FINGERPRINT_PREFIX, OF_ALL, OF_USERS, Shape
from recall_api.user_items import USER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recall_api.encryption.cipher import UserCipher
    from recall_api.identifiers import UserId

Attributes = dict[str, Any]
"""An item, a key or the values of an expression, as DynamoDB writes them."""


class NotSealableError(TypeError):
    """A write that would leave in the clear what is not listed as clear: a fault of ours, never a user's."""


def shape_of(partition: str, sort: str) -> Shape:
    """Return the shape of the item with this key; everything is sealed of a kind that nobody listed."""
    if partition.startswith(USER_PREFIX):
        return OF_USERS.get(sort.partition("#")[0], Shape())
    return OF_ALL.get(partition.partition("#")[0], Shape())


def shape_at(key: Mapping[str, Any]) -> Shape:
    """Return the shape of the item with this key, as DynamoDB writes it."""
    return shape_of(key[PARTITION_KEY]["S"], key[SORT_KEY]["S"])


def owner_of(key: Mapping[str, Any]) -> UserId | None:
    """Return the user under whom an item lies; none for what is found without knowing its user."""
    partition: str = key[PARTITION_KEY]["S"]
    # Every key was built from a user's id: this is the way back.
    return cast("UserId", partition.removeprefix(USER_PREFIX)) if partition.startswith(USER_PREFIX) else None


def place_of(key: Mapping[str, Any], path: str) -> str:
    """Return the name of a value's place; no part of it can hold the separator."""
    return "\0".join((key[PARTITION_KEY]["S"], key[SORT_KEY]["S"], path))


def sealed_paths(shape: Shape, item: Mapping[str, Any]) -> Iterator[tuple[str, Attributes, str]]:
    """Yield each value that is sealed: the name of its place in the item, what holds it, and under which name."""
    for name, value in item.items():
        if shape.is_clear((name,)) or name in shape.fingerprints:
            continue
        if name in shape.parts:
            for number, part in enumerate(value["L"]):
                for field in part["M"]:
                    if not shape.is_clear((name, field)):
                        yield f"{name}[{number}].{field}", part["M"], field
        else:
            yield name, item, name  # type: ignore[misc]


def needs_key(item: Mapping[str, Any]) -> bool:
    """Say whether an item, or an item's key, holds anything that is not stored in the clear.

    Raises:
        NotSealableError: it does, and belongs to no user.
    """
    shape = shape_at(item)
    found = next((path for path, _, _ in sealed_paths(shape, item)), None) or next(
        (name for name in shape.fingerprints if name in item), None
    )
    if owner_of(item) is None:
        if found is not None:
            raise NotSealableError(f"{found} of an item without a user would be stored in the clear")
        return False
    return found is not None or item[SORT_KEY]["S"].startswith(FINGERPRINT_PREFIX)


def stored_key(key: Mapping[str, Any], cipher: UserCipher) -> Attributes:
    """Return the key under which an item is stored."""
    sort: str = key[SORT_KEY]["S"]
    if not sort.startswith(FINGERPRINT_PREFIX):
        return dict(key)
    fingerprint = cipher.fingerprint(sort.removeprefix(FINGERPRINT_PREFIX))
    return {**key, SORT_KEY: {"S": FINGERPRINT_PREFIX + fingerprint}}


def sealed_item(item: Mapping[str, Any], cipher: UserCipher) -> Attributes:
    """Return an item as it is stored."""
    shape, sealed = shape_at(item), _copied(stored_key(item, cipher))
    for name in shape.fingerprints & item.keys():
        sealed[name] = {"S": cipher.fingerprint(item[name]["S"])}
    for path, holder, name in list(sealed_paths(shape, sealed)):
        holder[name] = cipher.seal(holder[name], place_of(sealed, path))
    return sealed


def is_sealed(item: Mapping[str, Any]) -> bool:
    """Say whether there is anything in a stored item that has to be opened."""
    return owner_of(item) is not None and any(True for _ in sealed_paths(shape_at(item), item))


def opened_item(item: Attributes, cipher: UserCipher) -> Attributes:
    """Open a stored item in place, and return it; fingerprints stay what they are.

    Raises:
        NotOpenedError: something in it was not sealed, or not by this key for this place.
    """
    for path, holder, name in list(sealed_paths(shape_at(item), item)):
        holder[name] = cipher.open(holder[name], place_of(item, path))
    return item


def _copied(item: Mapping[str, Any]) -> Attributes:
    """Return a copy down to the fields of lists' maps: what is given is not changed."""
    return {
        name: {"L": [{"M": dict(part["M"])} if "M" in part else part for part in value["L"]]} if "L" in value else value
        for name, value in item.items()
    }


# --- Expressions ----------------------------------------------------------------------------------------------------

_PATH: Final = r"[#A-Za-z_][\w#]*(?:\[\d+\])?(?:\.[#\w]+)?"
_PAIR: Final = re.compile(rf"(?<![\w:#.])({_PATH})\s*(?:=|<>|<=|>=|<|>)\s*(:\w+)")
_EXISTENCE: Final = re.compile(r"attribute_(?:not_)?exists\s*\([^)]*\)")
_MENTIONED: Final = re.compile(rf"(?<![\w:#.])({_PATH})")
_WORDS: Final = frozenset({"SET", "ADD", "REMOVE", "AND", "OR", "NOT", "IN", "BETWEEN", "if_not_exists"})


def _resolved(path: str, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(part, part) for part in re.sub(r"\[\d+\]", "", path).split("."))


def expressions_need_key(part: Mapping[str, Any]) -> bool:
    """Say whether a request with expressions on one key names a value that is not stored in the clear.

    Raises:
        NotSealableError: it uses one in a way in which what is stored can't be used.
    """
    return bool(_hidden_values(part))


def sealed_values(part: Mapping[str, Any], key: Mapping[str, Any], cipher: UserCipher) -> Attributes:
    """Return a request's values as they are stored."""
    values = dict(part["ExpressionAttributeValues"])
    for placeholder, name in _hidden_values(part).items():
        if name in shape_at(key).fingerprints:
            values[placeholder] = {"S": cipher.fingerprint(values[placeholder]["S"])}
        else:
            values[placeholder] = cipher.seal(values[placeholder], place_of(key, name))
    return values


def _hidden_values(part: Mapping[str, Any]) -> dict[str, str]:
    """Return the placeholders of values that are not stored in the clear, each with the attribute that it is of."""
    key: Mapping[str, Any] = part.get("Key") or part["Item"]
    shape, names = shape_at(key), part.get("ExpressionAttributeNames", {})
    hidden: dict[str, str] = {}
    if shape.everything:
        return hidden
    written = " ".join(part.get(name, "") for name in ("UpdateExpression", "ConditionExpression"))
    for path, placeholder in _PAIR.findall(written):
        found = _resolved(path, names)
        if shape.is_clear(found):
            continue
        fits = len(found) == 1 and found[0] not in shape.parts and written.count(placeholder) == 1
        assigned = re.search(rf"\s=\s*{placeholder}\b", part.get("UpdateExpression", "")) is not None
        if owner_of(key) is None or not fits or not (assigned or found[0] in shape.fingerprints):
            raise NotSealableError(f"{'.'.join(found)} is sealed: it can be set as a whole, and not be compared")
        hidden[placeholder] = found[0]
    for path in _MENTIONED.findall(_EXISTENCE.sub(" ", _PAIR.sub(" ", written))):
        if path not in _WORDS and not shape.is_clear(_resolved(path, names)):
            raise NotSealableError(f"{'.'.join(_resolved(path, names))} is sealed: it can't be used in an expression")
    return hidden
