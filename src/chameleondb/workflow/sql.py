"""``sql``: statements of a user's own, where the vault is sound and the mode allows it, recorded in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from chameleondb.canonical import sha256
from chameleondb.config import Project
from chameleondb.diagnostics import Diagnostics, Source
from chameleondb.errors import (
    ChameleonError,
    DatabaseError,
    DatabaseUnreachable,
    IntegrityError,
    SchemaError,
    UsageError,
)
from chameleondb.frozen import frozen
from chameleondb.modes.policy import Operation, require
from chameleondb.postgres.ledger import RUN_LOCK_KEY, Position, unreadable
from chameleondb.postgres.session import Connection, run_lock
from chameleondb.postgres.statements import Result, run_recorded
from chameleondb.syntax import sql as syntax
from chameleondb.workflow.in_force import anchored, effective_mode
from chameleondb.workflow.journal import Journal
from chameleondb.workflow.ledgered import read_ledger
from chameleondb.workflow.pins import Pins
from chameleondb.workflow.redaction import MASK, first_words, may_hold_secret, recorded, without_quoted
from chameleondb.workflow.trust import inspect, remember

TEXT_CHARACTERS_MAX = 64 * 1024


@frozen(kw_only=True)
class Done:
    """What was run; `row` is where the ledger has it."""

    row: Position
    results: tuple[Result, ...]


def split(source: Source) -> tuple[str, ...]:
    """Return the statements of a text.

    Raises: SchemaError where it is not SQL, or ends the transaction; UsageError CHM0560 to CHM0563.
    """
    diagnostics = Diagnostics()
    found = tuple(text for text, _ in syntax.statements(source, diagnostics))
    try:
        diagnostics.raise_errors()
    except SchemaError:
        if not may_hold_secret(source.text):
            raise
        first = diagnostics.sorted[0]
        line = source.text.count("\n", 0, first.span.start) + 1
        raise UsageError("CHM0563", f"{source.name}:{line}: {first.message}", hint=first.help) from None
    if not found:
        raise UsageError("CHM0560", "there is no statement", hint='e.g. chameleon sql "SELECT count(*) FROM users"')
    for statement in found:
        words = first_words(statement)
        if words[:2] == ("prepare", "transaction"):
            raise UsageError(
                "CHM0561", "`PREPARE TRANSACTION` would end the transaction", hint="leave it out, or use psql"
            )
        if words[:1] == ("copy",) and "stdout" in words:
            raise UsageError(
                "CHM0562", "COPY TO STDOUT is psql's way to print rows", hint="write SELECT, or TABLE name"
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
    try:
        with Journal(project.local, now).recorded("sql") as note, _journaled_without_data():
            note.detail = f"{len(texts)} × SQL: {texts[0][:80]}" if len(texts) > 1 else texts[0][:80]
            with run_lock(connection, RUN_LOCK_KEY, project.settings.lock_deadline_s):
                return _run(project, connection, statements, texts, memory, now)
    except _Refused as refused:
        raise refused.error from None


class _Refused(ChameleonError):
    """What the journal gets of a statement's error."""

    def __init__(self, error: DatabaseError) -> None:
        super().__init__(error.code, without_quoted(error.message))
        self.error = error


@contextmanager
def _journaled_without_data() -> Iterator[None]:
    """Keep from the journal what the server quotes, and from everybody what a statement with a secret holds."""
    try:
        yield
    except DatabaseError as error:
        if error.statement is not None and may_hold_secret(error.statement):
            # What the server refuses may be a secret without its quotes, which nothing tells from a name.
            error.statement, error.position = " ".join(first_words(error.statement)[:2]).upper() + f" {MASK}", None
            error.message = without_quoted(error.message)
        raise _Refused(error) from None


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
