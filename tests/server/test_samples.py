"""Real schemas: read whole, nothing to do afterwards, built anew as they were.

CHAMELEON_SAMPLES names a directory with .sql files that psql can load. The server needs their extensions.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from chameleondb.kinds import KINDS
from chameleondb.postgres.catalog import read_schema, user_namespaces
from tests.cluster import Databases, client_program
from tests.migrating import Database

# Read before the environment is cleaned for the tests.
_FOLDER = os.environ.get("CHAMELEON_SAMPLES")
_SAMPLES: list[Path | None] = [*sorted(Path(_FOLDER).glob("*.sql"))] if _FOLDER else [None]


@pytest.fixture(params=_SAMPLES, ids=lambda path: path.stem if path else "none")
def sample(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Database:
    """A database with a sample in it."""
    if request.param is None:
        pytest.skip("CHAMELEON_SAMPLES names no directory with .sql files")
    db = Database(databases.new(), tmp_path)
    loaded = subprocess.run(
        [client_program("psql"), "-qXd", db.dsn, "-f", request.param],
        capture_output=True,
        text=True,
        check=False,
    )
    # Rows that are left out of a sample may break a foreign key; an extension that is missing breaks everything.
    lacking = re.search(r'extension "\S+" is not available', loaded.stderr)
    if lacking:
        pytest.skip(f"this server cannot load it: {lacking[0]}")
    return db


def _identities(db: Database) -> Counter[str]:
    with db.session() as (connection, _):
        schema = read_schema(connection, KINDS, user_namespaces(connection))
    return Counter(f"{type(o).__name__} {o.id}" for o in schema.objects.values())


@pytest.mark.slow
def test_a_real_schema_is_read_and_built_anew(sample: Database, databases: Databases) -> None:
    text = sample.text()
    assert sample.statements(text) == []
    built = Database(databases.new(), sample.local)
    built.migrate(text)
    assert _identities(built) == _identities(sample)
    assert built.statements(text) == []


@pytest.mark.slow
def test_every_constraint_index_and_type_is_modelled_or_reported(sample: Database) -> None:
    with sample.session() as (connection, _):
        namespaces = [
            n for (n,) in sample.rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_'")
        ]
        schema = read_schema(connection, KINDS, namespaces)
    known = {i.name for i in schema.objects} | {word for u in schema.unmodelled for word in _words(u.identity)}
    names = sample.rows(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname !~ '^pg_|^information_' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS"
        " (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
        " UNION SELECT t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname !~ '^pg_|^information_' AND t.typtype IN ('e', 'd') AND NOT EXISTS"
        " (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')"
    )
    assert {name for (name,) in names} - known == set()


def _words(identity: str) -> list[str]:
    """Return the parts of what pg_identify_object prints."""
    return [part.strip('"') for word in identity.split() for part in word.split(".")]
