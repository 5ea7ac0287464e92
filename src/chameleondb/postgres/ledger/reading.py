"""Reading the ledger. Nothing of the schema chameleon is called: hashes are computed by the server's own functions.

A table that only looks like the ledger could run somebody's code as us, so that it is ours is made sure of first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from chameleondb.errors import DatabaseError, IntegrityError
from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.model.renamed import Pair, after
from chameleondb.modes.change import ModeChange
from chameleondb.modes.key import PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.names import Identity
from chameleondb.postgres.ledger.bodies import (
    Body,
    DatabaseIdentity,
    Version,
    begun_of,
    followed_of,
    identity_of,
    renames_of,
    texts,
    version_of,
)
from chameleondb.postgres.ledger.creation import not_ours
from chameleondb.postgres.ledger.tables import COLUMNS, FIRST_PREV, IS_THERE
from chameleondb.postgres.session import Connection, translated

_EXISTS = """
SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
    c.relkind = 'r' AND NOT c.relrowsecurity,
    (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, NULL), ', ' ORDER BY a.attnum)
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'chameleon' AND c.relname = 'ledger'"""

_IS_TAKEN = f"SELECT NOT {IS_THERE} FROM pg_catalog.pg_namespace WHERE nspname = 'chameleon'"

# A version that the database has reached, for the first time or again.
_REACHED = "(kind = 'APPLIED' OR kind = 'REPAIR' AND version_id IS NOT NULL)"

_HEAD = f"""
SELECT h.seq, h.hash, (SELECT count(*) FROM chameleon.ledger WHERE kind = 'APPLIED'),
    a.version_id, a.schema_hash, reached.version, reached.namespaces,
    (SELECT vault_id FROM chameleon.ledger WHERE vault_id <> 'none' ORDER BY seq DESC LIMIT 1),
    b.seq > coalesce(a.seq, 0), b.run::text, b.version_id, begun.version, begun.database, a.seq, b.seq
FROM (SELECT seq, hash FROM chameleon.ledger ORDER BY seq DESC LIMIT 1) h
LEFT JOIN (SELECT * FROM chameleon.ledger WHERE {_REACHED} ORDER BY seq DESC LIMIT 1) a ON true
LEFT JOIN (SELECT * FROM chameleon.ledger WHERE kind = 'BEGIN' ORDER BY seq DESC LIMIT 1) b ON true
LEFT JOIN pg_catalog.json_to_record(a.body::json) AS reached (version text, namespaces json) ON true
LEFT JOIN pg_catalog.json_to_record(b.body::json) AS begun (version text, database json) ON true"""

# The same without what only bodies say.
_BARE_HEAD = _HEAD.replace("a.body::json", "NULL").replace("b.body::json", "NULL")

_T = TypeVar("_T")

# What reading a body raises if it is not what Chameleon writes.
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


@frozen(kw_only=True)
class Head:
    """Where the ledger stands: `seq` and `hash` of the last row, and what the last version that was reached is."""

    seq: int = 0
    hash: str = FIRST_PREV
    version: int = 0  # how many versions were applied
    version_id: str | None = None
    schema_hash: str | None = None
    label: str | None = None
    namespaces: tuple[str, ...] = ()
    vault_id: str | None = None  # the vault of the newest row that has one
    open_run: str | None = None  # a run that was begun and reached no version
    open_version_id: str | None = None
    open_label: str | None = None
    database: DatabaseIdentity | None = None  # where the last run was begun
    malformed: tuple[int, ...] = ()  # rows among those whose bodies are no such thing; what they say is left out
    exists: bool = False
    readable: bool = True


@frozen(kw_only=True)
class Row:
    """A row without its body. `is_sound`: its hash is right, and its columns say what its body says."""

    seq: int
    prev: str
    hash: str
    is_sound: bool
    at: datetime
    who: str
    kind: str
    run: str | None
    step: int | None
    version_id: str | None
    parent_id: str | None
    schema_hash: str | None
    vault_id: str
    log_seq: int
    log_sum: str


def read_head(connection: Connection) -> Head:
    """Return the ledger's head; not `readable` where the role may not look.

    Raises: NotSupported CHM4014 if a schema of that name is not ours; DatabaseError.
    """
    with translated():
        row = connection.execute(_EXISTS.encode()).fetchone()
        if row is None and connection.execute(_IS_TAKEN.encode()).fetchone() == (True,):
            raise not_ours("the schema chameleon")
    if row is None:
        return Head()
    if not row[1] or row[2] != COLUMNS:
        raise not_ours("the table chameleon.ledger")
    if not row[0]:
        return Head(exists=True, readable=False)
    row = _execute_head(connection)
    if row is None:
        return Head(exists=True)
    seq, head_hash, version, version_id, schema_hash, label, namespaces, vault_id = row[:8]
    is_open, run, open_id, open_label, database, reached_seq, begun_seq = row[8:]
    names = _read(texts, namespaces) if reached_seq and namespaces is not None else ()
    begun = _read(identity_of, database) if begun_seq else None
    wrong = ((reached_seq, names is None), (begun_seq, begun is None))
    return Head(
        seq=seq,
        hash=head_hash,
        version=version,
        version_id=version_id,
        schema_hash=schema_hash,
        label=label,
        namespaces=names or (),
        vault_id=vault_id,
        open_run=run if is_open else None,
        open_version_id=open_id if is_open else None,
        open_label=open_label if is_open else None,
        database=begun,
        malformed=tuple(sorted(seq for seq, is_wrong in wrong if seq and is_wrong)),
        exists=True,
    )


def _execute_head(connection: Connection) -> tuple[Any, ...] | None:
    try:
        with translated():
            return connection.execute(_HEAD.encode()).fetchone()
    except DatabaseError as error:
        if not _is_malformed(error):
            raise
    with translated():
        return connection.execute(_BARE_HEAD.encode()).fetchone()


def read_version(connection: Connection, head: Head) -> Version:
    """Return the version at the head, with what runs that were interrupted since have followed, renamed and begun.

    Raises: IntegrityError if a row does not say that; DatabaseError.
    """
    if not head.exists or not head.readable:
        return Version()
    with translated():
        rows = connection.execute(
            f"SELECT seq, body FROM chameleon.ledger WHERE ({_REACHED} OR kind IN ('BEGIN', 'STEP')) AND seq >="
            f" (SELECT coalesce(max(seq), 0) FROM chameleon.ledger WHERE {_REACHED}) ORDER BY seq".encode()
        ).fetchall()
    state = _State()
    for seq, text in rows:
        following = _read(partial(_following, state), text)
        if following is None:
            raise IntegrityError((_bad(seq),))
        state = following
    return replace(state.version, begun=state.version.begun | state.making)


@frozen()
class _State:
    """A version with what runs have done since; the newest is `making` things, by the names after its renames."""

    version: Version = Version()
    making: frozenset[Identity] = frozenset()


def _following(state: _State, text: str) -> _State:
    """Return what is so after one more row."""
    body = json.loads(text)
    version = state.version
    match body["kind"]:
        case "BEGIN":
            return _State(replace(version, begun=version.begun | state.making), begun_of(body))
        case "STEP":
            version = _renamed(version, renames_of(body))
            followed = {**version.followed, **followed_of(body)}
            return replace(state, version=replace(version, followed=followed))
        case _:
            return _State(version_of(body))


def _renamed(version: Version, pairs: tuple[Pair, ...]) -> Version:
    if not pairs:
        return version
    others = {old for old, _ in pairs}.difference(version.objects, version.renamed, (new for _, new in pairs))
    known = (*others, *version.renamed, *version.objects)  # an object's own name in the version counts
    now = after({*known, *version.begun, *version.followed}, pairs)
    then = {now[i]: version.renamed.get(i, i) for i in known}
    # What is renamed once more follows its `was` no longer; what lies in it goes on doing so.
    followed = {now[i]: was for i, was in version.followed.items() if i == now[i] or _lies_in_renamed(i, now[i])}
    return replace(
        version,
        objects=frozenset(now[i] for i in version.objects),
        begun=frozenset(now[i] for i in version.begun),
        renamed={i: old for i, old in then.items() if i != old},
        followed=followed,
    )


def _lies_in_renamed(then: Identity, now: Identity) -> bool:
    return then.space in ("column", "label") and then.name == now.name


def malformed(head: Head) -> tuple[Finding, ...]:
    """Return the rows that the head rests on and that cannot be read."""
    return tuple(map(_bad, head.malformed))


def check_bodies(connection: Connection, head: Head) -> tuple[Finding, ...]:
    """Return the rows that say which version the database has, and cannot be read. Raises: DatabaseError."""
    findings = [*malformed(head)]
    try:
        read_version(connection, head)
    except IntegrityError as error:
        findings += (f for f in error.findings if f not in findings)
    return tuple(findings)


def _read(read: Callable[[Any], _T], what: Any) -> _T | None:
    """Return what `read` makes of something that anybody may have written; None if it is not what it should be."""
    try:
        return read(what)
    except _MALFORMED:
        return None


_HASHED = """pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    'chameleon.ledger/1' || pg_catalog.chr(10) || l.seq || pg_catalog.chr(10) || l.prev || pg_catalog.chr(10) || l.body,
    'UTF8')), 'hex') = l.hash"""

_COPIED = """(SELECT (l.kind, l.run, l.step, l.version_id, l.parent_id, l.schema_hash, l.vault_id, l.log_seq, l.log_sum)
    IS NOT DISTINCT FROM (b.kind, b.run, b.step, b.version_id, b.parent_id, b.schema_hash, b.vault, b.log_seq,
    b.log_sum) FROM pg_catalog.json_to_record(l.body::json) AS b(kind text, run uuid, step integer, version_id text,
    parent_id text, schema_hash text, vault text, log_seq bigint, log_sum text))"""


def read_rows(connection: Connection) -> tuple[Row, ...]:
    """Return all rows, without their bodies, which can be large: the server checks them. Raises: DatabaseError."""
    with translated():
        rows = connection.execute(
            f"SELECT l.seq, l.prev, l.hash, {_HASHED}, l.at, l.who::text, l.kind, l.run::text, l.step, l.version_id,"
            " l.parent_id, l.schema_hash, l.vault_id, l.log_seq, l.log_sum"
            " FROM chameleon.ledger l ORDER BY l.seq".encode()
        ).fetchall()
    copied = _read_copied(connection, [row[0] for row in rows])
    names = [field.name for field in fields(Row)]
    return tuple(
        Row(**dict(zip(names, (*row[:3], row[3] and row[0] in copied, *row[4:]), strict=True))) for row in rows
    )


def _read_copied(connection: Connection, seqs: list[int]) -> frozenset[int]:
    """Return the numbers of the rows whose columns say what their bodies say."""
    try:
        with translated():
            return frozenset(
                row[0]
                for row in connection.execute(
                    f"SELECT l.seq FROM chameleon.ledger l WHERE l.seq = ANY(%s) AND {_COPIED}".encode(), [seqs]
                )
            )
    except DatabaseError as error:
        if not _is_malformed(error):
            raise
        # One body is not even JSON; found by halves.
        if len(seqs) == 1:
            return frozenset()
        half = len(seqs) // 2
        return _read_copied(connection, seqs[:half]) | _read_copied(connection, seqs[half:])


def check_rows(rows: Iterable[Row]) -> tuple[Finding, ...]:
    """Return where the chain of rows is broken: numbers left out, hashes that do not follow, rows that were changed."""
    findings = []
    seq, prev = 0, FIRST_PREV
    for row in rows:
        place = f"ledger row {row.seq}"
        if row.seq != seq + 1:
            findings.append(
                Finding(
                    code="LEDGER_GAP",
                    place=place,
                    message=_gap(seq, row.seq),
                    expected=str(seq + 1),
                    actual=str(row.seq),
                    hint=_ASK,
                )
            )
        elif row.prev != prev:
            findings.append(
                Finding(
                    code="LEDGER_CHAIN_BROKEN",
                    place=place,
                    message="does not follow the row before it",
                    expected=prev,
                    actual=row.prev,
                    hint=_ASK,
                )
            )
        if not row.is_sound:
            findings.append(_changed(place))
        seq, prev = row.seq, row.hash
    return tuple(findings)


def _gap(last: int, seq: int) -> str:
    if seq <= last:
        return "its number is out of order"
    if seq == last + 2:
        return f"the row before it is missing: {last + 1}"
    return f"rows before it are missing: {last + 1} to {seq - 1}"


_ASK = "only the owner of the schema chameleon can do that: ask them, and look for the row in a backup"


def _changed(place: str) -> Finding:
    return Finding(code="LEDGER_SUM_MISMATCH", place=place, message="was changed after it was written", hint=_ASK)


def _bad(seq: int) -> Finding:
    return Finding(
        code="LEDGER_BAD_ROW",
        place=f"ledger row {seq}",
        message="does not say what a row of its kind says",
        hint="ask who can write the ledger; while it is the last row, the owner of the schema chameleon can delete it",
    )


def read_body(connection: Connection, seq: int) -> Body | None:
    """Return the body of a row; None if it is gone or malformed. Raises: DatabaseError."""
    with translated():
        row = connection.execute("SELECT body FROM chameleon.ledger WHERE seq = %s", [seq]).fetchone()
    return _read(lambda text: {**json.loads(text)}, row[0]) if row else None


def read_unverified(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return, by the hashes of their rows, the codes of what was found and passed over before a version was applied.

    Raises: DatabaseError.
    """
    with translated():
        # Bodies are large, and in nearly all of them there is nothing.
        rows = connection.execute(
            b"SELECT hash, body FROM chameleon.ledger WHERE kind IN ('APPLIED', 'REPAIR')"
            b" AND pg_catalog.strpos(body, '\"unverified\":[]') = 0"
        ).fetchall()
    found = ((hash, _read(lambda text: texts(json.loads(text)["unverified"]), body)) for hash, body in rows)
    return {hash: codes for hash, codes in found if codes}


def read_modes(connection: Connection) -> tuple[tuple[int, ModeChange | None], ...]:
    """Return the changes of the mode by their rows, oldest first; None for one that is malformed.

    Raises: DatabaseError.
    """
    rows = _of_kind(connection, "MODE")
    return tuple((seq, _read(partial(_mode_change, prev), text)) for seq, prev, text in rows)


def _mode_change(prev: str, text: str) -> ModeChange:
    body = json.loads(text)
    from_, to, until, sig, vault = texts([body[name] for name in ("from", "to", "until", "sig", "vault")])
    modes = {mode.label: mode for mode in Mode}
    return ModeChange(from_=modes[from_], to=modes[to], until=until, sig=sig, place="ledger", vault=vault, prev=prev)


def read_keys(connection: Connection) -> tuple[tuple[int, PublicKey | None], ...]:
    """Return the password's public keys by their rows, oldest first; None for one that is malformed.

    Raises: DatabaseError.
    """
    rows = _of_kind(connection, "AUTH")
    return tuple((seq, _read(lambda text: PublicKey.read(json.loads(text)), text)) for seq, _, text in rows)


def _of_kind(connection: Connection, kind: str) -> list[tuple[int, str, str]]:
    """Return number, `prev` and body of the rows of a kind."""
    with translated():
        rows = connection.execute("SELECT seq, prev, body FROM chameleon.ledger WHERE kind = %s ORDER BY seq", [kind])
        return rows.fetchall()


def read_identity(connection: Connection) -> DatabaseIdentity:
    """Return which database this is, as far as the server tells; works on a standby, too. Raises: DatabaseError."""
    asked = ("pg_control_system()", "pg_control_checkpoint()", "pg_current_wal_lsn()", "pg_walfile_name(pg_lsn)")
    with translated():
        row = connection.execute(
            "SELECT d.oid::bigint, d.datname::text, pg_catalog.pg_is_in_recovery(), "
            + ", ".join(f"pg_catalog.has_function_privilege('pg_catalog.{name}', 'EXECUTE')" for name in asked)
            + " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
        ).fetchone()
        assert row is not None
        oid, name, is_standby, *may = row
        system = timeline = None
        if may[0]:
            system = _value(connection, "SELECT system_identifier::text FROM pg_catalog.pg_control_system()")
        if not is_standby and may[2] and may[3]:
            # The last checkpoint may be older than a promotion, so the file being written is asked first.
            file = _value(connection, "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())")
            timeline = int(file[:8], 16)
        elif may[1]:
            timeline = _value(connection, "SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()")
    return DatabaseIdentity(system_identifier=system or "unknown", oid=oid, name=name, timeline=timeline or 0)


def _value(connection: Connection, sql: str) -> Any:
    row = connection.execute(sql.encode()).fetchone()
    return row[0] if row else None


def _is_malformed(error: DatabaseError) -> bool:
    """Whether a body could not be read: as JSON, as JSON of that shape, or for its depth."""
    return error.sqlstate is not None and (error.sqlstate.startswith("22") or error.sqlstate == "54001")
