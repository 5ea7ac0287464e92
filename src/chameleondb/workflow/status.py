"""The state of a project and its database: which version is where, what is pending, what drifted, what is wrong."""

from __future__ import annotations

from chameleondb.errors import IntegrityError
from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.kinds import KINDS
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.ledger import read_version
from chameleondb.postgres.session import Connection
from chameleondb.vault.history import Version
from chameleondb.vault.store import Store
from chameleondb.workflow.describe import Line
from chameleondb.workflow.drift import drift
from chameleondb.workflow.recording import schema_of
from chameleondb.workflow.trust import Inspection, set_aside_version


@frozen(kw_only=True)
class Drift:
    """What was changed behind our back; None for `lines` where that could not be found out, and `why`."""

    lines: tuple[Line, ...] | None
    why: str | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A finding for each line."""
        return tuple(
            Finding(
                code="DRIFT",
                place="database",
                message=f"{line.mark} {line.text}",
                hint=(
                    "left alone while nobody declares it; `chameleon introspect` takes it over"
                    if line.mark == "+"
                    else "`chameleon migrate` shows how to bring it back; `chameleon introspect` takes it over"
                ),
            )
            for line in self.lines or ()
        )

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return bool(self.lines)


def version_here(inspection: Inspection) -> Version | None:
    """Return the version that the database has, as far as the vault knows it."""
    history, ledgered = inspection.history, inspection.ledgered
    if history is None or ledgered is None or ledgered.head.version_id is None:
        return None
    return history.version(ledgered.head.version_id)


def find_drift(store: Store, inspection: Inspection, connection: Connection) -> Drift:
    """Compare the database with the version that was applied to it. Raises: DatabaseError."""
    version, ledgered = version_here(inspection), inspection.ledgered
    if inspection.history and ledgered and set_aside_version(inspection.history, ledgered.head):
        return Drift(lines=None, why="its version gave way to another branch's")
    if ledgered is None:
        return Drift(lines=None, why="the role may not read the ledger")
    if version is None:
        return Drift(lines=None, why="no version is applied to this database")
    if ledgered.head.open_run is not None:
        return Drift(lines=None, why="a migration is not finished")
    try:
        snapshot = store.load(version)
    except IntegrityError:
        return Drift(lines=None, why=f"the snapshot of {version.label} cannot be trusted")
    major = connection.info.server_version // 10000
    if snapshot.postgres != major:
        return Drift(lines=None, why=f"{version.label} was made with PostgreSQL {snapshot.postgres}, not {major}")
    applied = schema_of(snapshot)
    now = read_schema(connection, KINDS, tuple(snapshot.namespaces))
    known = read_version(connection, ledgered.head).unmanaged
    return Drift(lines=drift(applied, now, known))
