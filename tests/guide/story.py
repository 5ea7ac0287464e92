"""The guide's project: its schema, the next version of it, and what the server saw of a migration."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from tests.command import Chameleon

V1 = """entity User {
    id: uuid primary,
    email: string unique,
    name: string,
}
"""
# Step 1 of the guide, to the letter.
V2 = """entity User {
    id: uuid primary,
    email: string unique,
    name: string,
    age: int,  // ← New field
}
"""
# The guide's preview has an index on age and its apply output has none; neither has a NOT NULL.
NULLABLE = V2.replace("int,", "int?,")
INDEXED = V2.replace("int,", "int? index,")


def stable(text: str) -> str:
    """Return a text with the same digits in every abbreviated hash and every date."""
    text = re.sub(r"\b[0-9a-f]{8}\.\.\.", "01234567...", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-02-20 15:45:00", text)


def vault(tool: Chameleon) -> Path:
    """Return the vault's directory."""
    return tool.folder / ".chameleon" / "vault"


def log(tool: Chameleon) -> str:
    """Return the integrity log."""
    return (vault(tool) / "integrity.log").read_text(encoding="ascii")


def tamper(tool: Chameleon, version: str = "v001") -> None:
    """Change a registered version, as somebody with an editor would."""
    path = vault(tool) / "versions" / f"{version}.json"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace("email", "phone"), encoding="utf-8")


def columns(tool: Chameleon) -> list[str]:
    """Return the columns of users, as the server knows them."""
    return [
        str(name)
        for (name,) in tool.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('users') AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum"
        )
    ]


def execute(tool: Chameleon, *statements: str) -> None:
    """Do something behind Chameleon's back."""
    with psycopg.connect(tool.url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql.encode())


def watch(tool: Chameleon) -> None:
    """Let the server write down every DDL statement from now on."""
    execute(
        tool,
        "CREATE SCHEMA watch",
        "CREATE TABLE watch.seen (n bigint GENERATED ALWAYS AS IDENTITY, sql text)",
        "CREATE FUNCTION watch.see() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO watch.seen (sql) VALUES (current_query()); END$$",
        "CREATE EVENT TRIGGER see ON ddl_command_end EXECUTE FUNCTION watch.see()",
    )


def seen(tool: Chameleon) -> list[str]:
    """Return the statements that the server has written down, less what concerns the ledger."""
    rows = tool.rows("SELECT sql FROM watch.seen ORDER BY n")
    return [str(sql) for (sql,) in rows if "chameleon" not in str(sql)]
