"""Names and texts that no sane schema has: read, printed, built anew and changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from chameleondb.errors import ConsentNeeded, DatabaseError
from chameleondb.kinds import KINDS
from chameleondb.model.schema import Object
from chameleondb.names import Identity, literal, quote, spelled
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.session import Connection
from tests.cluster import Databases
from tests.migrating import Database

NAMES = {
    "quotes": 'it\'s "odd"',
    "backslash": "back\\slash\\n",
    "newline": "two\nlines\r\n",
    "tab": "a\ttab",
    "unicode": "größe_ñ_表",
    "emoji": "🦎 lizard 🦎",
    "digit": "1st",
    "reserved": "select",
    "word of ours": "entity",
    "upper case": "UpperCase",
    "63 bytes": "é" * 31 + "x",
    "blanks": " padded ",
    "format": "%s %(x)s %%",
    "placeholder": "$1 {} {0}",
    "dots": "a.b.c",
    "comment": "-- /* // ///",
    "dollar": "$$x$tag$",
    "parentheses": "f(x, [y])",
    "triple": 'a"""b',
    "controls": "\x01\x7f\x1f",
    "right to left": "\u202eabc\u200b",
}


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def _build(db: Database, name: str) -> None:
    """Make one object of every kind with that name, or with one that differs in a letter where two may not share it."""
    q, text = quote(name), literal(name)
    short = name.encode()[:58].decode("utf-8", "ignore")
    index, key, check, fkey, enum, sequence = (quote(f"{short}{c}") for c in "ikcfes")
    db.execute(
        f"CREATE TYPE {enum} AS ENUM ({text}, {literal(short + '2')})",
        f"CREATE SEQUENCE {sequence}",
        f"CREATE TABLE {q} ({q} bigint, e {enum} DEFAULT {text}, t text DEFAULT {text},"
        f" n bigint DEFAULT nextval({literal(spelled(('public', f'{short}s')))}), other bigint,"
        f" CONSTRAINT {key} PRIMARY KEY ({q}), CONSTRAINT {check} CHECK ({q} > 0 AND t <> {text}))",
        f"CREATE INDEX {index} ON {q} ({q} DESC, (lower(t) || {text})) WHERE {q} > 5",
        f"ALTER TABLE {q} ADD CONSTRAINT {fkey} FOREIGN KEY (other) REFERENCES {q} ({q}) ON DELETE SET NULL",
        f"COMMENT ON TABLE {q} IS {text}",
        f"COMMENT ON COLUMN {q}.{q} IS {text}",
        f"COMMENT ON CONSTRAINT {check} ON {q} IS {text}",
        f"COMMENT ON INDEX {index} IS {text}",
        f"COMMENT ON TYPE {enum} IS {text}",
        f"COMMENT ON SEQUENCE {sequence} IS {text}",
    )


def test_a_database_with_odd_names_is_read_and_built_anew(name: str, databases: Databases, tmp_path: Path) -> None:
    made, built = (Database(databases.new(), tmp_path) for _ in range(2))
    _build(made, name)
    text = made.text()
    assert made.statements(text) == []
    built.migrate(text)
    assert built.text() == text
    with made.session() as (one, _), built.session() as (two, _):
        assert _objects(one) == _objects(two)


def test_what_has_an_odd_name_is_renamed_changed_and_dropped(name: str, database: str, tmp_path: Path) -> None:
    db = Database(database, tmp_path)
    _build(db, name)
    text = db.text()
    db.migrate(text)
    q = quote(name)
    db.execute(f"INSERT INTO {q} ({q}, t) VALUES (7, 'x')")
    with pytest.raises(ConsentNeeded):
        db.run("", allow=())
    written = _written(name)
    renamed = f"""
        entity Thing table "things" was {written} {{
            id: bigint primary was {written},
            t: string(200)? was t default {written} check (t <> 'x y'),
            index (id) name {written},
        }}
    """
    db.migrate(renamed)
    assert db.rows("SELECT id, t FROM things") == [(7, "x")]
    db.migrate("")
    db.execute(f"SELECT 1 FROM pg_class WHERE relname = {literal(name)}")
    assert db.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


def _written(name: str) -> str:
    """Return a name as a text of the language."""
    return '"' + "".join(c if c.isalnum() else f"\\u{{{ord(c):X}}}" for c in name) + '"'


def _objects(connection: Connection) -> Mapping[Identity, Object]:
    return read_schema(connection, KINDS).objects


def test_text_that_is_not_utf8_is_shown_with_the_way_out(databases: Databases, tmp_path: Path) -> None:
    db = Database(databases.new("SQL_ASCII"), tmp_path)
    db.execute('CREATE TABLE "naïve" (id int)')
    assert db.text().startswith('entity "Naïve" table "naïve"')
    with psycopg.connect(db.dsn, client_encoding="SQL_ASCII", autocommit=True) as connection:
        connection.execute(b'CREATE TABLE "caf\xe9" ("\xe9" int)')
        connection.execute(b"COMMENT ON TABLE \"na\xc3\xafve\" IS 'd\xe9j\xe0'")
    with pytest.raises(DatabaseError) as caught:
        db.text()
    places = r"column caf\xe9.\xe9; comment d\xe9j\xe0; relation caf\xe9"
    assert caught.value.message == f"the database holds text that is not UTF-8: {places}"
    assert caught.value.code == "CHM4017"
    assert "SQL_ASCII" in str(caught.value.hint)
