"""``sql``: statements of a user's own, where the vault is sound and the mode allows it, recorded in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chameleondb.canonical import sha256
from chameleondb.config import Project
from chameleondb.diagnostics import Diagnostics, Source
from chameleondb.errors import DatabaseUnreachable, IntegrityError, UsageError
from chameleondb.modes.policy import Operation, require
from chameleondb.postgres.ledger import RUN_LOCK_KEY, Position, unreadable
from chameleondb.postgres.session import Connection, run_lock
from chameleondb.postgres.statements import Result, run_recorded
from chameleondb.syntax import sql as syntax
from chameleondb.workflow.in_force import anchored, effective_mode
from chameleondb.workflow.journal import Journal
from chameleondb.workflow.pins import Pins
from chameleondb.workflow.redaction import first_words, recorded
from chameleondb.workflow.trust import inspect, read_ledger, remember

TEXT_CHARACTERS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was run; `row` is where the ledger has it."""

    row: Position
    results: tuple[Result, ...]


def split(source: Source) -> tuple[str, ...]:
    """Return the statements of a text.

    Raises: SchemaError where it is not SQL, or ends the transaction; UsageError CHM0541 to CHM0543.
    """
    diagnostics = Diagnostics()
    found = tuple(text for text, _ in syntax.statements(source, diagnostics))
    diagnostics.raise_errors()
    if not found:
        raise UsageError("CHM0541", "there is no statement", hint='e.g. chameleon sql "SELECT count(*) FROM users"')
    for statement in found:
        words = first_words(statement)
        if words[:2] == ("prepare", "transaction"):
            raise UsageError(
                "CHM0542", "`PREPARE TRANSACTION` would end the transaction", hint="leave it out, or use psql"
            )
        if words[:1] == ("copy",) and "stdout" in words:
            raise UsageError(
                "CHM0543", "COPY TO STDOUT is psql's way to print rows", hint="write SELECT, or TABLE name"
            )
    return found


def run(
    project: Project,
    connection: Connection,
    statements: Sequence[str],
    *,
    memory: Pins,
    now: Callable[[], datetime],
) -> Done:
    """Run statements in one transaction, together with the ledger's row.

    Raises: UsageError CHM2002 without a vault; IntegrityError; ModeError; LockNotAcquired; DatabaseError.
    """
    texts = tuple(recorded(s) for s in statements)
    with Journal(project.local, now).recorded("sql") as note:
        note.detail = f"{len(texts)} × SQL: {texts[0][:80]}" if len(texts) > 1 else texts[0][:80]
        with run_lock(connection, RUN_LOCK_KEY, project.settings.lock_deadline_s):
            return _run(project, connection, statements, texts, memory, now)


def _run(
    project: Project,
    connection: Connection,
    statements: Sequence[str],
    texts: Sequence[str],
    memory: Pins,
    now: Callable[[], datetime],
) -> Done:
    found = inspect(project.data, connection, deep=False, memory=memory)
    if found.violations:
        raise IntegrityError(found.violations, consequence="No statement was run", hint="see `chameleon verify`")
    if found.history is None:
        raise UsageError("CHM2002", "vault not initialized", hint="run `chameleon init`")
    if found.ledgered is None:
        raise unreadable(connection)
    require(effective_mode(found.history, connection, now), Operation.RAW_SQL)
    body = {
        "kind": "SQL",
        "text": ";\n".join(texts)[:TEXT_CHARACTERS_MAX],
        "step_hashes": [sha256(text) for text in texts],
    }
    try:
        row, results = run_recorded(connection, statements, found.ledgered.head, body, anchored(found.history))
    except DatabaseUnreachable as error:
        error.hint = "whether it was done, `chameleon journal last` tells; only then run it again"
        raise
    remember(memory, found.history, read_ledger(connection))
    return Done(row=row, results=results)
