"""What people who come from SQL, an ORM or another schema language write, and what they want here.

All words are in lower case: habits differ in that, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chameleondb.diagnostics import Diagnostics


def _spread(advice: Mapping[str, str]) -> dict[str, str]:
    return {word: text for words, text in advice.items() for word in words.split()}


_COMMENT = "comments start with `//`"
_FOREIGN_KEY = "a foreign key is a relation, a field of its own: team: Team via team_id"
_NAMED = 'a name follows what it names: check (…) name "x"'
_ACTION = "it belongs to a relation: team: Team via team_id on delete cascade"
_SQL = 'statements stand in a block: sql """ CREATE VIEW … """'

DECLARATIONS = _spread(
    {
        "table model class struct record node": "a table is an entity: entity User { id: uuid primary }",
        "create alter drop grant insert update delete select view function trigger procedure policy": _SQL,
        "type": "it is `entity` or `enum`; other types are made in a `sql` block",
        "schema": "a schema of PostgreSQL is a `namespace`, declared by being used: entity User in blog { … }",
        "import include use": "all files of a project are read together, none names another",
        "index unique check": "it stands in the entity that it is about",
        "ref": _FOREIGN_KEY,
        "# --": _COMMENT,
    }
)
"""Words in the place of a declaration's leading word."""

MEMBERS = _spread(
    {
        "foreign fk": _FOREIGN_KEY,
        "constraint": _NAMED,
        "@ @@": "what is about several fields is a member: index (a, b), unique (a, b), primary (a, b)",
        "#": _COMMENT,
    }
) | {"primary key": "leave `key` out: primary (id)", "unique key": "leave `key` out: unique (email)"}
"""Words, or pairs of them, in the place of a member."""

CLAUSES = _spread(
    {
        "key pk": "a primary key is `primary`",
        "null optional": "what may be null has `?` behind its type",
        "required notnull nonnull": "leave it out: what has no `?` behind its type is required",
        "autoincrement auto_increment increment": "numbers come from `identity`, or from the type `serial`",
        "references ref foreign fk": _FOREIGN_KEY,
        "constraint": _NAMED,
        "cascade ondelete on_delete onupdate on_update": _ACTION,
        "comment note": "a line `/// …` before the field describes it",
        "as computed stored virtual": "a computed field is `generated (…)`",
        "=": "a default follows the word `default`",
        ";": "members end with a comma",
        "array": "an array is `int[]` or `[int]`",
        "unsigned": "there are no unsigned numbers: check (age >= 0)",
    }
)
"""Words in the place of a field's clause."""

TYPES = _spread(
    {
        "datetime datetime2": "a moment is `timestamptz`",
        "number": "a number is `int`, `bigint`, `decimal(10, 2)` or `float`",
        "str nvarchar longtext mediumtext tinytext clob": "a text is `string`, or `string(20)` with a limit",
        "double float64": "it is `float`, or `double precision`",
        "long int64": "it is `bigint`",
        "short tinyint int16": "it is `smallint`",
        "mediumint int32": "it is `int`",
        "blob binary varbinary bytes": "bytes are `bytea`",
        "object any map dict": "it is `jsonb`",
        "guid uniqueidentifier": "it is `uuid`",
        "enum": "declare it by itself, and use its name as the type: enum Plan { free, pro }",
        "array list": "an array is `int[]` or `[int]`",
        "set": "it is an array: `string[]`",
    }
)
"""Words in the place of a type."""


def advice(word: str, known: Collection[str], habits: Mapping[str, str], diagnostics: Diagnostics) -> str | None:
    """Return the help for a word that is not known: its own spelling, a habit, or what is most like it."""
    folded = word.lower()
    if folded in known and folded != word:
        return f"words of the language are in lower case: `{folded}`"
    return habits.get(folded) or diagnostics.did_you_mean(word, known)
