"""Which rights a role lacks, asked in one query before anything is done."""

from __future__ import annotations

from collections.abc import Sequence

from chameleondb.frozen import frozen
from chameleondb.names import Identity
from chameleondb.planner.rights import Need, Right
from chameleondb.postgres.session import Connection, translated


@frozen()
class Lack:
    """A right that the role has not, and the role that owns what it is about."""

    need: Need
    owner: str

    def __str__(self) -> str:
        name = str(self.need.of)
        match self.need.right:
            case Right.OWNER | Right.DROP:
                return f"{name} belongs to {self.owner}"
            case Right.SELF:
                return f"{name} belongs to {self.owner}, and so must the sequence that is to belong to it"
            case Right.REFERENCES:
                return f"REFERENCES on {name} of {self.owner}"
            case _:
                word = "schema" if self.need.of.space == "namespace" else self.need.of.space
                return f"CREATE on {word} {name} of {self.owner}"


# What does not exist is not found, and no right to it is missing.
_LACKS = """
    SELECT n.number, o.owner::regrole::text, pg_catalog.current_database()::text
      FROM unnest(%(rights)s::text[], %(spaces)s::text[], %(schemas)s::text[], %(names)s::text[])
           WITH ORDINALITY n (what, space, schema, name, number)
     CROSS JOIN LATERAL (
        SELECT c.relowner, s.nspowner,
               c.relkind IN ('r', 'p') AND NOT pg_catalog.has_any_column_privilege(c.oid, 'REFERENCES')
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
         WHERE n.space = 'relation' AND s.nspname = n.schema AND c.relname = n.name
        UNION ALL
        SELECT t.typowner, s.nspowner, false
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace s ON s.oid = t.typnamespace
         WHERE n.space = 'type' AND s.nspname = n.schema AND t.typname = n.name
        UNION ALL
        SELECT s.nspowner, s.nspowner, NOT pg_catalog.has_schema_privilege(s.oid, 'CREATE')
          FROM pg_catalog.pg_namespace s WHERE n.space = 'namespace' AND s.nspname = n.name
        UNION ALL
        SELECT e.extowner, e.extowner, false
          FROM pg_catalog.pg_extension e WHERE n.space = 'extension' AND e.extname = n.name
        UNION ALL
        SELECT d.datdba, d.datdba, NOT pg_catalog.has_database_privilege(d.oid, 'CREATE')
          FROM pg_catalog.pg_database d WHERE n.space = 'database' AND d.datname = pg_catalog.current_database()
     ) o (owner, of_schema, is_closed)
     WHERE CASE n.what
           WHEN 'owner' THEN NOT pg_catalog.pg_has_role(o.owner, 'USAGE')
           WHEN 'self' THEN o.owner <> current_user::regrole
           WHEN 'drop' THEN NOT pg_catalog.pg_has_role(o.owner, 'USAGE')
                            AND NOT pg_catalog.pg_has_role(o.of_schema, 'USAGE')
           ELSE o.is_closed END
     ORDER BY n.number"""


def read_lacks(connection: Connection, needs: Sequence[Need]) -> tuple[Lack, ...]:
    """Return which of the rights the role lacks, in their order. Raises: DatabaseError."""
    if not needs:
        return ()
    parameters = {
        "rights": [need.right.value for need in needs],
        "spaces": [need.of.space for need in needs],
        "schemas": [need.of.path[0] if len(need.of.path) > 1 else None for need in needs],
        "names": [need.of.name if need.of.path else None for need in needs],
    }
    with translated():
        rows = connection.execute(_LACKS.encode(), parameters).fetchall()
    return tuple(Lack(_named(needs[number - 1], database), owner) for number, owner, database in rows)


def _named(need: Need, database: str) -> Need:
    return need if need.of.path else need._replace(of=Identity(need.of.space, (database,)))
