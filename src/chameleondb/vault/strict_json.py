"""Reading canonical JSON, and nothing else.

A hashed file has one form. What parses to a value and is not the canonical form of that value was not written by us,
and two programs could read it differently.
"""

from __future__ import annotations

import enum
import json
import re
from typing import Any, NoReturn

from chameleondb.canonical import canonical_json

DEPTH_MAX = 64
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
"""Those of bigint, as the bounds of a sequence may be."""

_CONTAINERS = (dict, list)
_KEY = re.compile(r"[a-z0-9_]+")


class Problem(enum.StrEnum):
    """Why bytes are not canonical JSON."""

    SIZE = "larger than allowed"
    ENCODING = "not ASCII"
    SYNTAX = "not JSON"
    NUMBER = "a number that is not an integer of 64 bits"
    DEPTH = "nested more than 64 deep"
    DUPLICATE_KEY = "a key that is there twice"
    SURROGATE = "half of a character"
    KEY = "a key of other characters than a-z, 0-9 and _"
    FORM = "not in canonical form"


class NotCanonical(ValueError):
    """Bytes that are not canonical JSON, or hold something else than they should."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(f"{problem}: {detail}" if detail else str(problem))
        self.problem = problem


def write(value: Any) -> bytes:
    """Return a value as a canonical file. Raises: NotCanonical if it could not be read back."""
    data = canonical_json(value).encode("ascii") + b"\n"
    read(data, bytes_max=len(data))
    return data


def read(data: bytes, *, bytes_max: int) -> Any:
    """Return the value that a canonical file holds. Raises: NotCanonical."""
    if len(data) > bytes_max:
        raise NotCanonical(Problem.SIZE)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise NotCanonical(Problem.ENCODING) from None
    value = _parse(text)
    _check_form(value)
    if b"\\ud" in data:
        _refuse_surrogates(value)
    if canonical_json(value) + "\n" != text:
        _parse(text, object_pairs_hook=_without_duplicates)
        raise NotCanonical(Problem.FORM)
    return value


def whole_characters(text: str) -> str:
    """Return a text with question marks for half characters: names of the system may hold them, a file cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parse(text: str, **options: Any) -> Any:
    try:
        return json.loads(text, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number, **options)
    except RecursionError:
        raise NotCanonical(Problem.DEPTH) from None
    except json.JSONDecodeError as error:
        raise NotCanonical(Problem.SYNTAX, f"{error.msg}, at byte {error.pos}") from None


def _integer(digits: str) -> int:
    # The length first: Python refuses, in its own way, to read thousands of digits.
    if len(digits) > 20 or not INTEGER_MIN <= (value := int(digits)) <= INTEGER_MAX:
        raise NotCanonical(Problem.NUMBER)
    return value


def _no_number(_: str) -> NoReturn:
    raise NotCanonical(Problem.NUMBER)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotCanonical(Problem.DUPLICATE_KEY)
    return found


def _check_form(value: Any) -> None:
    """Refuse what is nested too deep, and keys whose order could depend on who sorts them."""
    level, depth, keys = [value], 0, set[str]()
    while level := [v for v in level if v.__class__ in _CONTAINERS]:
        depth += 1
        if depth > DEPTH_MAX:
            raise NotCanonical(Problem.DEPTH)
        for outer in level:
            if outer.__class__ is dict:
                keys.update(outer)
        level = [inner for outer in level for inner in (outer.values() if outer.__class__ is dict else outer)]
    if not all(map(_KEY.fullmatch, keys)):
        raise NotCanonical(Problem.KEY)


def _refuse_surrogates(value: Any) -> None:
    rest = [value]
    while rest:
        item = rest.pop()
        if item.__class__ is str:
            if any("\ud800" <= character <= "\udfff" for character in item):
                raise NotCanonical(Problem.SURROGATE)
        elif item.__class__ is dict:
            rest += item.values()
        elif item.__class__ is list:
            rest += item
