"""What a unit refers to is the same whether it is looked up or remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from chameleondb.diagnostics import Source
from chameleondb.errors import SchemaError
from chameleondb.model.declared import Declared
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.elaboration import Elaboration, known_units
from chameleondb.workflow.references import References
from chameleondb.workflow.source import load
from tests.property.test_random_schemas import edited, schemas

_NUMBERED = "entity Post { id: int primary, number: bigint default (nextval('others_id_seq'::regclass)) }\n"
_DRAWN = "sequence others_id_seq\n"
_OWNED = "entity Other { id: serial primary }\n"
_PLAIN = "entity Other { id: int primary }\n"


def _declared(text: str) -> Declared:
    return load([Source("schema.cham", text)]).declared


def _remembered(text: str) -> Elaboration:
    declared = _declared(text)
    references = References(declared)
    units = known_units(declared, references, 18)
    shelf = Cache(None).shelf("elaborated", {})
    return Elaboration(units=units, names=references.names, hints={}, namespaces=(), shelf=shelf)


def _assert_same(before: str, after: str) -> None:
    declared = _declared(after)
    references = References(declared)
    remembered = known_units(declared, references, 18, _remembered(before))
    assert remembered == known_units(declared, references, 18)


@given(data=st.data())
def test_what_is_remembered_is_what_would_be_found(data: st.DataObject) -> None:
    one = data.draw(schemas())
    other = data.draw(edited(one))
    try:
        _declared(other)
    except SchemaError:  # it refers to what only the other one has
        reject()
    _assert_same(one, other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_NUMBERED, _NUMBERED + _DRAWN),
        (_NUMBERED + _DRAWN, _NUMBERED),
        (_NUMBERED + _OWNED, _NUMBERED + _PLAIN),
        (_NUMBERED + _OWNED, _NUMBERED + _PLAIN + _DRAWN),
    ],
)
def test_new_names_are_seen_by_what_has_not_changed(before: str, after: str) -> None:
    _assert_same(before, after)
