"""From which sequence a column draws its values, and how another goes on where that one ends."""

from __future__ import annotations

import re
from typing import Any

from chameleondb.kind import Context
from chameleondb.names import Identity, literal, object_name, qualified, relation, spelled
from chameleondb.sqltext import own_name, unquoted
from chameleondb.steps import Hazard, HazardName, Step

_NEXTVAL = re.compile(r"nextval\(((?:U&)?'(?:[^']|'')*')::regclass\)\Z")


def counter(column: Any) -> Identity:
    """Return the sequence of an identity column."""
    return relation(
        column.id.path[0], column.identity.sequence or object_name(column.id.path[1], column.id.name, "seq")
    )


def drawn_from(column: Any) -> Identity | None:
    """Return the sequence that gives a column its values: its identity's, or the one that its default draws from."""
    if column.identity is not None:
        return counter(column)
    match = _NEXTVAL.match(column.default or "")
    path = own_name(unquoted(match[1])) if match else None
    return relation(*path) if path else None


def needs_usage(column: Any, context: Context) -> tuple[Hazard, ...]:
    """Return the hazard of a default that draws from a new sequence: unlike an identity's, it asks for a right."""
    sequence = drawn_from(column) if column.identity is None else None
    roles = context.table_facts(column.id.table).inserters
    if sequence is None or sequence in context.source or not roles:
        return ()
    message = (
        f"{', '.join(roles)} may insert into {column.id.table}, and cannot until they have USAGE on sequence {sequence}"
    )
    return (Hazard(HazardName.BREAKS_CODE, column.id, message),)


def owned_sequences(table: Identity, context: Context) -> list[Identity]:
    """Return the sequences that change with their table: those of identities, and those that columns own."""
    columns: list[Any] = [o for o in context.source.children(table) if o.id.space == "column"]
    owners = ((o.id, getattr(o, "owned_by", None)) for o in context.source.objects.values())
    owned = (identity for identity, owner in owners if owner is not None and owner.table == table)
    return [*(counter(column) for column in columns if column.identity is not None), *owned]


def handed_on(column: Identity, context: Context) -> tuple[Identity, Identity] | None:
    """Return the sequence that a column draws from and the one that takes its place, be it of the same name.

    That is a new one, or after an interrupted run the column's own from before.
    """
    old: Any = context.source.get(column)
    new: Any = context.target.get(column)
    if old is None or new is None or type(old) is not type(new):
        return None
    before, after = drawn_from(old), drawn_from(new)
    if before is None or after is None:
        return None
    was, becomes = old.identity is not None, new.identity is not None
    if becomes:
        return None if was else (before, after)
    owner = getattr(context.target.get(after), "owned_by", None)
    return (before, after) if after not in context.source or (was and owner == column) else None


def successors(context: Context) -> dict[Identity, list[Identity]]:
    """Map each sequence to the columns that go on with another where it ends."""
    found: dict[Identity, list[Identity]] = {}
    for identity in context.source.objects:
        pair = handed_on(identity, context) if identity.space == "column" else None
        if pair is not None:
            found.setdefault(pair[0], []).append(identity)
    return found


def go_on(new: Identity, old: Identity, increment: int, column: Identity) -> Step:
    """Let a new sequence go on where the old one is, unless it begins, or has been set, beyond that.

    Not the rows are asked: values that were given out are used though their rows be deleted. A bound of the new one
    that lies before that value makes the statement fail.
    """
    sign = "" if increment > 0 else "-"
    sql = (
        f"SELECT pg_catalog.setval({literal(spelled(new.path))}, o.last_value, o.is_called)"
        f" FROM {qualified(old.path)} o, {qualified(new.path)} n"
        f" WHERE ({sign}o.last_value, o.is_called) > ({sign}n.last_value, n.is_called)"
    )
    return Step(sql=sql, needs=(column, new))
