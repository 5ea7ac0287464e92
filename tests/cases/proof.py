"""What a database is and holds, as PostgreSQL's own tools tell it: the judges of a case."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tests.cluster import client_program

_NOISE = re.compile(r"--|\\(un)?restrict|SET |SELECT pg_catalog\.set_config|$")
_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'chameleon')
    ORDER BY 1, 2, 3"""


def dump(dsn: str) -> list[str]:
    """Return the statements of ``pg_dump -s``, sorted, with the columns of each table sorted too.

    Where a column stands is history, not schema: PostgreSQL cannot move one.
    """
    command = [str(client_program("pg_dump")), "--schema-only", "--exclude-schema=chameleon", f"--dbname={dsn}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # SET of a table's tablespace or access method belongs to the statement that follows; all others are noise.
    lines, setting = [], ""
    for line in text.splitlines():
        if line.startswith(("SET default_tablespace", "SET default_table_access_method")):
            setting = line.rstrip(";")  # or a statement would seem to end there
        elif not _NOISE.match(line):
            lines.append(f"{line} -- {setting}" if line.startswith("CREATE TABLE") else line)
    return sorted(_normal(statement) for statement in re.split(r"(?<=;)\n", "\n".join(lines)))


def _normal(statement: str) -> str:
    head, *body = statement.strip().split("\n")
    if not head.startswith("CREATE TABLE") or not body:
        return "\n".join((head, *body))
    return "\n".join((head, *sorted(line.rstrip(",") for line in body)))


Column = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of every table: how many, and the values of each column in the order of the whole."""

    counts: dict[tuple[str, str], int]
    values: dict[Column, list[str | None]]


def rows(dsn: str) -> Rows:
    """Read all rows of a small database, as text."""
    counts: dict[tuple[str, str], int] = {}
    values: dict[Column, list[str | None]] = {}
    with psycopg.connect(dsn) as connection:
        for schema, table, column in connection.execute(_COLUMNS).fetchall():
            query = sql.SQL("SELECT {}::text FROM {} ORDER BY 1").format(
                sql.Identifier(column), sql.Identifier(schema, table)
            )
            found = [value for (value,) in connection.execute(query)]
            counts[schema, table] = len(found)
            values[schema, table, column] = found
    return Rows(counts, values)


def lost(old: Rows, new: Rows, renamed: dict[str, str], recomputed: tuple[str, ...]) -> list[str]:
    """Return what surviving tables and columns no longer hold; a column under its new name survives."""
    missing = []
    for (schema, table, column), values in old.values.items():
        name = f"{table}.{column}" if schema == "public" else f"{schema}.{table}.{column}"
        if name in recomputed:
            continue
        now = _place(renamed.get(name), (schema, table, column))
        if now in new.values and new.values[now] != values:
            missing.append(f"{name}: {values} became {new.values[now]}")
        if name in renamed and now not in new.values:
            missing.append(f"{name}: is not {renamed[name]}")
    for table_name, count in old.counts.items():
        if table_name in new.counts and new.counts[table_name] != count:
            missing.append(f"{table_name}: {count} rows became {new.counts[table_name]}")
    return missing


def _place(name: str | None, same: Column) -> Column:
    if name is None:
        return same
    parts = name.split(".")
    schema, table, column = parts if len(parts) == 3 else ("public", *parts)
    return schema, table, column
