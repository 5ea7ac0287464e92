"""The schema that every measurement is made on: tables of one shape, as many as wanted.

A table has 15 columns, a primary key, three indexes of which one is unique, two foreign keys and a check.
"""

from __future__ import annotations

LINES_PER_TABLE = 21

_TYPES = ("string", "int", "timestamptz", "decimal(12, 2)", "bool", "jsonb", "string(80)", "uuid", "float", "date")

_ENTITY = """entity Thing{number} table "thing_{number}" {{
    id: bigint primary identity,
    name: string unique,
    owner_id: bigint,
    parent_id: bigint?,
{fields}    created_at: timestamptz default now(),
{extra}    owner: Thing{owner} via owner_id on delete cascade,
    parent: Thing{parent} via parent_id,
    index (created_at desc),
    index (owner_id, field_1),
    check (field_1 >= 0),
}}
"""


def schema_text(tables: int, *, added: str = "") -> str:
    """Return the `.cham` of so many tables; `added` is one more field, e.g. ``added: int?``, in the first of them."""
    return "\n".join(_entity(number, tables, added if number == 0 else "") for number in range(tables))


def _entity(number: int, tables: int, added: str) -> str:
    fields = "".join(f"    field_{i}: {kind}?,\n" for i, kind in enumerate(_TYPES))
    return _ENTITY.format(
        number=number,
        fields=fields,
        extra=f"    {added},\n" if added else "",
        owner=max(0, number - 1),
        parent=(number * 7) % tables,
    )
