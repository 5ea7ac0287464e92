"""The ledger: an append-only, hash-chained table in the database, written in the transactions that do the work.

    chameleon.ledger   seq gap-free · body canonical JSON, the hashed truth · prev, hash the chain · xid, at, who by the
                       server · kind, run, step, version_id, parent_id, schema_hash copied from the body for queries
    hash               SHA-256("chameleon.ledger/1" LF seq LF prev LF body)

Rows are written only by chameleon.append(expected_prev, body), which refuses (40001) when `expected_prev` is not the
head; triggers refuse UPDATE, DELETE and TRUNCATE. A second child of one parent is impossible (unique parent_id), and so
is recording one step of a run twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chameleondb import __version__
from chameleondb.canonical import canonical_json, sha256
from chameleondb.errors import NotSupported
from chameleondb.names import Identity
from chameleondb.postgres.session import Connection, translated

RUN_LOCK_KEY = 0x6368616D656C656F
"""The advisory lock of whoever applies, the same in every database; advisory locks are local to a database."""

FIRST_PREV = "0" * 64
GRANT_LEDGER = "GRANT USAGE ON SCHEMA chameleon TO the role, and SELECT ON chameleon.ledger"

_CREATE = (
    "CREATE SCHEMA chameleon",
    """CREATE TABLE chameleon.ledger (
    seq bigint PRIMARY KEY,
    body text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL UNIQUE,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    who name NOT NULL DEFAULT session_user,
    kind text NOT NULL,
    run uuid,
    step integer,
    version_id text,
    parent_id text,
    schema_hash text,
    UNIQUE (run, step, kind)
)""",
    "CREATE UNIQUE INDEX ledger_one_child ON chameleon.ledger (parent_id) WHERE kind = 'APPLIED'",
    """CREATE FUNCTION chameleon.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'chameleon.ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END $$""",
    """CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chameleon.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION chameleon.refuse()""",
    """CREATE FUNCTION chameleon.append(expected_prev text, body text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head_seq bigint;
    head_hash text;
    fact jsonb := body::jsonb;
    new_hash text;
BEGIN
    PERFORM pg_advisory_xact_lock(4859229, 1);
    SELECT l.seq, l.hash INTO head_seq, head_hash FROM chameleon.ledger l ORDER BY l.seq DESC LIMIT 1;
    head_seq := coalesce(head_seq, 0);
    head_hash := coalesce(head_hash, repeat('0', 64));
    IF head_hash <> expected_prev THEN
        RAISE EXCEPTION 'the ledger has moved on' USING ERRCODE = 'serialization_failure';
    END IF;
    new_hash := encode(sha256(convert_to(
        E'chameleon.ledger/1\\n' || (head_seq + 1) || E'\\n' || head_hash || E'\\n' || body, 'UTF8')), 'hex');
    INSERT INTO chameleon.ledger (seq, body, prev, hash, kind, run, step, version_id, parent_id, schema_hash)
    VALUES (head_seq + 1, body, head_hash, new_hash, fact->>'kind', (fact->>'run')::uuid, (fact->>'step')::integer,
            fact->>'version_id', fact->>'parent_id', fact->>'schema_hash');
    RETURN new_hash;
END $$""",
    "REVOKE ALL ON FUNCTION chameleon.append(text, text) FROM PUBLIC",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the ledger stands. `version` counts the applied versions; `hash` is the last row's."""

    hash: str = FIRST_PREV
    version: int = 0
    version_id: str | None = None
    schema_hash: str | None = None
    namespaces: tuple[str, ...] = ()
    open_run: str | None = None  # a run that was begun and not applied
    exists: bool = False
    readable: bool = True


def read_head(connection: Connection) -> Head:
    """Return the ledger's head; not `readable` where the role may not look. Raises: DatabaseError."""
    with translated():
        row = connection.execute(
            "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'chameleon' AND c.relname = 'ledger'"
        ).fetchone()
        if row is None:
            return Head()
        if not row[0]:
            return Head(exists=True, readable=False)
        row = connection.execute(
            "SELECT (SELECT hash FROM chameleon.ledger ORDER BY seq DESC LIMIT 1),"
            " v.count, a.version_id, a.schema_hash, a.namespaces,"
            " (SELECT run::text FROM chameleon.ledger b WHERE kind = 'BEGIN' AND NOT EXISTS"
            " (SELECT FROM chameleon.ledger a WHERE a.kind = 'APPLIED' AND a.seq > b.seq) ORDER BY seq DESC LIMIT 1)"
            " FROM (SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED') v"
            " LEFT JOIN (SELECT version_id, schema_hash, body::json->'namespaces' AS namespaces FROM chameleon.ledger"
            " WHERE kind = 'APPLIED' ORDER BY seq DESC LIMIT 1) a ON true"
        ).fetchone()
    assert row is not None
    return Head(
        hash=row[0] or FIRST_PREV,
        version=row[1],
        version_id=row[2],
        schema_hash=row[3],
        namespaces=tuple(row[4] or ()),
        open_run=row[5],
        exists=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an applied version held: its objects, and the former names that it has followed already."""

    objects: frozenset[Identity] = frozenset()
    namespaces: tuple[str, ...] = ()
    followed: Mapping[Identity, tuple[str, ...]] = field(default_factory=dict)


def read_version(connection: Connection, head: Head) -> Version:
    """Return the version at the head, with the renames of a run that was interrupted since; empty if there is none."""
    version = Version()
    if not head.exists or not head.readable:
        return version
    with translated():
        rows = connection.execute(
            "SELECT body FROM chameleon.ledger WHERE kind IN ('APPLIED', 'STEP') AND seq >="
            " (SELECT coalesce(max(seq), 0) FROM chameleon.ledger WHERE kind = 'APPLIED') ORDER BY seq"
        ).fetchall()
    for (text,) in rows:
        body = json.loads(text)
        followed = {Identity(i[0], tuple(i[1:])): tuple(names) for i, names in body.get("followed", ())}
        if body["kind"] == "APPLIED":
            version = Version(
                objects=frozenset(_unpack(body["objects"])), namespaces=tuple(body["namespaces"]), followed=followed
            )
        else:
            version = replace(version, followed={**version.followed, **followed})
    return version


def _pack(objects: Iterable[Identity]) -> list[Any]:
    """Group identities by what they have in common: [space, [path before the name], [names]]."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for identity in sorted(objects):
        groups.setdefault((identity.space, identity.path[:-1]), []).append(identity.name)
    return [[space, list(path), names] for (space, path), names in groups.items()]


def _unpack(packed: Iterable[Any]) -> Iterable[Identity]:
    for space, path, names in packed:
        for name in names:
            yield Identity(space, (*path, name))


class Ledger:
    """Records one run. It implements the executor's Book; every entry is written in the open transaction."""

    def __init__(
        self,
        connection: Connection,
        head: Head,
        *,
        schema_hash: str,
        plan_hash: str,
        version: Version,
        steps: int,
        renames: frozenset[str] = frozenset(),
    ) -> None:
        self.connection = connection
        self.start = head
        self.head = head.hash
        self.run = str(uuid.uuid4())
        # The same schema may come twice; its version is another one each time, since its parent is.
        self.parent_id = head.version_id or "none"
        self.version_id = sha256(f"chameleon.version/1\n{self.parent_id}\n{schema_hash}")
        self.schema_hash, self.plan_hash, self.version, self.steps = schema_hash, plan_hash, version, steps
        self.renames = renames  # the statements that follow a `was`

    def begun(self) -> None:
        """Create the ledger if this is its first entry, then record the run."""
        self.head = self.start.hash
        if not self.start.readable:
            raise NotSupported("CHM4013", "the role may not read the ledger of this database", hint=GRANT_LEDGER)
        if not self.start.exists:
            self._create()
            self._append({"kind": "INIT", "format": "chameleon.ledger/1"})
        self._append({"kind": "BEGIN", "plan_hash": self.plan_hash, "steps": self.steps, **self._about()})

    def _create(self) -> None:
        try:
            with translated():
                for statement in _CREATE:
                    self.connection.execute(statement.encode())
        except NotSupported as error:
            raise NotSupported(
                "CHM4012",
                "the role may not create the schema chameleon, where versions are recorded",
                hint="GRANT CREATE ON DATABASE … TO the role, or let a role that may run the first --apply",
                sqlstate=error.sqlstate,
            ) from None

    def done(self, number: int, statements: Sequence[str]) -> None:
        """Record the steps of a group by the hashes of their statements."""
        hashes = [sha256(sql) for sql in statements]
        # A swap must be known as soon as it is done: whoever finishes the run would swap back.
        renamed = {"followed": self._followed()} if self.renames.intersection(statements) else {}
        self._append({"kind": "STEP", "run": self.run, "step": number, "step_hashes": hashes, **renamed})

    def applied(self) -> None:
        """Record the version with what it holds."""
        self._append(
            {
                "kind": "APPLIED",
                "objects": _pack(self.version.objects),
                "namespaces": list(self.version.namespaces),
                "followed": self._followed(),
                **self._about(),
            }
        )

    def _followed(self) -> list[Any]:
        return [[[i.space, *i.path], list(names)] for i, names in sorted(self.version.followed.items())]

    def _about(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "version_id": self.version_id,
            "parent_id": self.parent_id,
            "schema_hash": self.schema_hash,
        }

    def _append(self, body: dict[str, Any]) -> None:
        text = canonical_json({**body, "tool": f"chameleon/{__version__}"})
        with translated():
            row = self.connection.execute("SELECT chameleon.append(%s, %s)", [self.head, text]).fetchone()
        assert row is not None
        self.head = row[0]
