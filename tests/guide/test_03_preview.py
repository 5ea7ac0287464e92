"""Preview Changes, Dry Run"""

from __future__ import annotations

import re

from tests.command import Chameleon
from tests.guide.story import INDEXED, NULLABLE, V1, V2, execute, seen, watch

RULE = "─" * 49
DRY_RUN = """\
📋 Migration Preview:
─────────────────────────────────────────────────
ALTER TABLE users ADD COLUMN age INTEGER;
CREATE INDEX idx_users_age ON users(age);
─────────────────────────────────────────────────

💡 This is a dry run. Use --apply to execute.
"""


def _everything(tool: Chameleon) -> object:
    """The catalogs, the rows, the ledger and every file but the cache, which may be lost at any time."""
    return (
        tool.rows("SELECT oid, xmin, relname FROM pg_class ORDER BY 1"),
        tool.rows("SELECT attrelid, xmin, attname FROM pg_attribute ORDER BY 1, 3"),
        tool.rows("SELECT hash FROM chameleon.ledger ORDER BY seq"),
        {p: p.read_bytes() for p in tool.folder.rglob("*") if p.is_file() and "local" not in p.parts},
    )


def _printed(tool: Chameleon) -> list[str]:
    """The statements of a dry run."""
    return tool.run("migrate", "--dry-run").stdout.split(f"{RULE}\n")[1].removesuffix(";\n").split(";\n")


def test_s14_the_files_are_compared_with_the_database(first: Chameleon) -> None:
    """`migrate` compares `schema.cham` with the database as it is now, not with what was applied once."""
    assert first.run("migrate").stdout == "✓ Nothing to do: the database is what the schema says.\n"
    execute(first, "ALTER TABLE users DROP COLUMN name")
    assert first.run("migrate").stdout == "Changes:\n  + column users.name\n"


def test_s15_the_preview_is_a_diff(edited: Chameleon) -> None:
    """`migrate` prints a line for each change."""
    edited.write(INDEXED.replace("    name: string,\n", "").replace("string unique", "string? unique"))
    assert edited.run("migrate").stdout == (
        "Changes:\n"
        "  ~ column users.email: not null removed\n"
        "  + column users.age\n"
        "  + index idx_users_age\n"
        "  - column users.name\n"
    )


def test_s16_the_preview_changes_nothing(edited: Chameleon) -> None:
    """`migrate` applies nothing: no DDL, no version, no change of the vault."""
    before = _everything(edited)
    edited.run("migrate")
    edited.run("migrate", "--check", status=2)
    assert _everything(edited) == before


def test_s17_the_dry_run_prints_what_apply_runs(first: Chameleon) -> None:
    """`--dry-run` prints the exact SQL: the texts that the server gets to see with `--apply`."""
    first.unlock()
    first.write(INDEXED + "entity Post {\n    id: bigint primary identity,\n    title: string,\n}\n")
    printed = _printed(first)
    watch(first)
    first.run("migrate", "--apply")
    assert seen(first) == printed


def test_s18_the_dry_run_is_printed_as_in_the_guide(first: Chameleon) -> None:
    """`--dry-run` prints heading, rule, statements, rule and remark, to the letter as the guide does.

    The guide's field is `int`, its preview has an index and no NOT NULL. Here the field asks for both: `int? index`.
    """
    first.write(INDEXED)
    assert first.run("migrate", "--dry-run").stdout == DRY_RUN
    assert len(RULE) == 49


def test_s19_the_sql_is_incremental(edited: Chameleon) -> None:
    """A new field is added to its table, which is never dropped and made anew.

    A required field also becomes NOT NULL, in a statement of its own: fields are required unless marked.
    """
    assert _printed(edited) == [
        "ALTER TABLE users ADD COLUMN age INTEGER",
        "ALTER TABLE users ALTER COLUMN age SET NOT NULL",
    ]


def test_s20_an_index_is_spelled_as_in_the_guide(first: Chameleon) -> None:
    """An index is called `idx_<table>_<column>`, unquoted, without a blank before its columns.

    It comes from the word `index` in the schema; the guide does not say where its index comes from.
    """
    first.write(INDEXED)
    assert "CREATE INDEX idx_users_age ON users(age);" in first.run("migrate", "--dry-run").stdout.splitlines()


def test_s21_names_and_types(tool: Chameleon) -> None:
    """The table of entity `User` is `users`, and `int` is INTEGER."""
    tool.write(V2)
    printed = tool.run("migrate", "--dry-run").stdout
    assert re.search(r"^CREATE TABLE users \(\n", printed, re.MULTILINE)
    assert "    age INTEGER NOT NULL,\n" in printed


def test_s22_the_dry_run_changes_nothing(edited: Chameleon) -> None:
    """`--dry-run` changes nothing, neither in the database nor in the vault."""
    for text in (V2, NULLABLE, V1, ""):
        edited.write(text)
        before = _everything(edited)
        edited.run("migrate", "--dry-run")
        assert _everything(edited) == before
