"""The forms that docs/language.md shows are forms that the language takes."""

from __future__ import annotations

import re
from pathlib import Path

from .schema_text import declared

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


def _block(start: str) -> str:
    (found,) = (block for block in BLOCKS if block.startswith(start))
    return str(found)


def test_the_first_example() -> None:
    declared(_block("/// A person") + "enum Plan { free } entity Post { id: int primary, author_id: uuid }")


def test_entity_clauses() -> None:
    declared(_block("entity Staff").replace("…", "id: int primary"))


def test_relations() -> None:
    fields = "author_id: int, team_id: int, region: int, account_id: int, id: int primary,"
    team = "entity Team { id: int, region: int, primary (id, region) }"
    user = "entity User { id: int primary, author_id: int }"
    members = _block("author: User").replace("author: User,", "writer: User via author_id,")
    declared(f"{team} {user} entity Post {{ {fields} {members.replace('[Post] via', '[User] via')} }}")


def test_members() -> None:
    fields = ["id", "author_id", "title", "name", "age", "starts_at", "ends_at", "created_at", "deleted_at", "email"]
    columns = ", ".join(f"{field}: int" for field in fields)
    declared(f"entity Post {{ {columns}, {_block('primary (id')} }}")


def test_declarations() -> None:
    declared(_block("enum Plan") + "entity Order in shop { id: int primary, number: int }")


def test_every_clause_of_a_field_is_documented() -> None:
    from chameleondb.grammar import field_clauses, grammar

    for words in (*field_clauses(), *grammar().members, *grammar().leads):
        assert re.search(re.escape(words.replace("@ ", "@")), PAGE), words
