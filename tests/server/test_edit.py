"""A plan made in sight of what was edited is the plan made in sight of everything, or everything is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from chameleondb.diagnostics import Source
from chameleondb.errors import ChameleonError, SchemaError
from chameleondb.postgres.session import connect
from chameleondb.postgres.url import Target
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.migrate import Preview, preview
from chameleondb.workflow.shadow import Shadows
from chameleondb.workflow.source import Files
from tests.cases.case import find_cases, read_case, skip_unless_possible
from tests.cases.driver import build
from tests.cluster import Databases

SCHEMA = """
enum Plan { free, pro }
sequence ticket
/// People.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    plan: Plan default free,
    number: serial,
    age: int?,
    check (length(email) > 3),
    index (lower(email)),
}
entity Post in blog {
    id: bigint primary identity,
    author_id: uuid,
    author: User via author_id on delete cascade,
    mail: string?,
    by_mail: User? via mail references email,
    title: string default "none",
    ticket: bigint default (nextval('ticket'::regclass)),
}
entity Tag { id: int primary, label: string(20) default "none", post_id: bigint?, post: Post? via post_id }
entity Alone { id: int primary, value: int, index (value) }
"""

# What is replaced in the schema; the last word says whether a look at the edited tables is enough.
EDITS: dict[str, tuple[str, str, bool]] = {
    "nothing that means anything": ("entity Alone", "// A remark.\n\nentity Alone", True),
    "a column": ("age: int?", "age: int?, more: string?", True),
    "a required column": ("age: int?", "age: int?, more: string backfill ('x')", True),
    "a serial column": ("value: int,", "value: int, count: serial,", True),
    "a column less": ("    age: int?,\n", "", True),
    "a column renamed": ("age: int?", "years: int? was age", True),
    "a referenced column renamed": ("email: string unique", "mail: string unique was email", False),
    "a type": ("age: int?", "age: bigint?", True),
    "a referenced type": (
        "id: bigint primary identity,\n    author_id",
        "id: int primary identity,\n    author_id",
        True,
    ),
    "a default": ('default "none", post_id', 'default "some", post_id', True),
    "a unique column less": ("    mail: string?,\n    by_mail: User? via mail references email,\n", "", True),
    "a key": ("id: int primary, label", "id: int, label: string(20) primary, other", True),
    "a foreign key": ("on delete cascade", "on delete restrict", True),
    "a foreign key more": ("value: int,", "value: int, tag_id: int?, tag: Tag? via tag_id,", True),
    "a foreign key less": (", post: Post? via post_id", "", True),
    "an index": ("index (value)", "index (value desc)", True),
    "an index renamed": ("index (value)", 'index (value) name "by_value"', True),
    "an index more": ("value: int,", "value: int index,", True),
    "a comment": ("/// People.", "/// Persons.", True),
    "a comment less": ("/// People.\n", "", True),
    "a table option": ("entity Alone {", "entity Alone with (fillfactor = 50) {", True),
    "a new entity": (
        "entity Alone",
        "entity Note { id: int primary, tag_id: int, tag: Tag via tag_id }\nentity Alone",
        True,
    ),
    "an entity less": ("entity Alone { id: int primary, value: int, index (value) }\n", "", False),
    "an entity renamed": ("entity Alone", "entity Lonely was Alone", False),
    "a hint elsewhere": ("entity Alone", "entity Alone was Lonely", False),
    "an enum": ("{ free, pro }", "{ free, pro, team }", False),
    "a sequence": ("sequence ticket", "sequence ticket increment 2", False),
    "a serial column less": ("    number: serial,\n", "", False),
    "an extension": ("enum Plan", 'extension "plpgsql"\nenum Plan', False),
    "an sql block": ("enum Plan", "sql ''' CREATE VIEW v AS SELECT 1 AS a '''\nenum Plan".replace("'''", '"""'), False),
    "an unmanaged table": ("entity Alone", 'entity Mine table "mine" { id: int primary }\nentity Alone', False),
    "two at once": ("age: int?", "age: bigint?, more: int?", True),
    "what cannot be planned": ("age: int?", "age: int?, more: string", False),
}


class Looking:
    """Previews with and without a memory."""

    def __init__(self, dsn: str, local: Path) -> None:
        self.target = Target(dsn, "the test database", "a test")
        self.local, self.cache = local, Cache(local / "cache")
        self.connection = connect(self.target)

    def close(self) -> None:
        self.connection.close()

    def look(self, schema: str, *, recall: bool) -> Preview:
        files = Files((Source("schema.cham", schema),))
        shadows = Shadows(self.connection, self.target, self.local)
        return preview(self.connection, files, shadows, cache=self.cache if recall else None, recall=recall)

    def tell(self, schema: str, *, recall: bool) -> object:
        """Return all that a user would see of a preview."""
        try:
            what = self.look(schema, recall=recall)
        except SchemaError as error:
            return [str(diagnostic) for diagnostic in error.diagnostics]
        except ChameleonError as error:
            return str(error)
        return what.plan.groups, what.plan.notes, what.plan.unmanaged, what.plan.unmodelled, what.unplanned

    def is_small(self, schema: str) -> bool:
        """Whether the edit is planned without reading everything."""
        with patch("chameleondb.workflow.elaboration.Elaborator.desired", side_effect=LookupError):
            try:
                return self.look(schema, recall=True).recalled
            except (LookupError, ChameleonError):
                return False


@pytest.fixture
def looking(database: str, tmp_path: Path) -> Iterator[Looking]:
    build(database, SCHEMA, tmp_path)
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE users ADD by_hand int")
        connection.execute("CREATE TABLE also_mine (user_id uuid REFERENCES users); CREATE VIEW w AS SELECT 1 AS a")
        connection.execute("INSERT INTO users (email) VALUES ('a@b.c')")
    with closing(Looking(database, tmp_path)) as eyes:
        assert not eyes.look(SCHEMA, recall=True).pending
        yield eyes


@pytest.mark.parametrize("edit", sorted(EDITS))
def test_an_edit_is_planned_as_with_everything_in_sight(edit: str, looking: Looking) -> None:
    old, new, small = EDITS[edit]
    text = SCHEMA.replace(old, new)
    assert text != SCHEMA
    full = looking.tell(text, recall=False)
    assert looking.is_small(text) == small
    assert looking.tell(text, recall=True) == full
    assert looking.tell(text, recall=True) == full


def test_what_an_sql_block_has_made_is_looked_at_when_the_block_is_gone(database: str, tmp_path: Path) -> None:
    table = "entity Alone { id: int primary }"
    made = table + ' sql """ CREATE TABLE made (id int) """'
    build(database, made, tmp_path)
    with closing(Looking(database, tmp_path)) as looking:
        assert not looking.look(made, recall=True).pending
        assert looking.look(table, recall=True).pending
        assert looking.tell(table, recall=True) == looking.tell(table, recall=False)


def test_after_a_change_of_the_database_everything_is_looked_at(looking: Looking) -> None:
    looking.connection.execute("ALTER TABLE alones ALTER value SET DEFAULT 3")
    text = SCHEMA.replace("age: int?", "age: bigint?")
    assert looking.tell(text, recall=True) == looking.tell(text, recall=False)
    assert not looking.is_small(text)


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", find_cases(), ids=_name)
def test_every_case_is_planned_as_with_everything_in_sight(
    folder: Path, databases: Databases, server_version: int, tmp_path: Path
) -> None:
    case = read_case(folder)
    database = databases.new()
    skip_unless_possible(case, database, server_version)
    build(database, case.before, tmp_path)
    with psycopg.connect(database) as connection:
        connection.execute(case.seed.encode())
    with closing(Looking(database, tmp_path)) as looking:
        looking.look(case.before, recall=True)
        assert looking.tell(case.after, recall=True) == looking.tell(case.after, recall=False)
