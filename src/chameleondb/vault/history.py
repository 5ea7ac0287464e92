"""The history: what a log says, folded line by line into versions, receipts, keys and modes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from chameleondb.frozen import frozen
from chameleondb.modes.change import ModeChange
from chameleondb.modes.key import PublicKey
from chameleondb.modes.policy import Mode
from chameleondb.vault import layout
from chameleondb.vault.log import Line


@frozen(kw_only=True)
class Version:
    """A registered version. `id` is the SHA-256 of its file, `parent` that of the version before, or ``none``."""

    label: str
    id: str
    parent: str
    at: str
    author: str
    summary: str
    schema_hash: str
    declared_hash: str
    seq: int  # of its REGISTER line, as is `sum`
    sum: str


@frozen(kw_only=True)
class Receipt:
    """The proof that a version was applied to a database, or brought back to it (`repair`): a row of its ledger."""

    label: str
    id: str
    db: str
    ledger_seq: int
    ledger_hash: str
    at: str
    recovered: bool
    repair: bool
    seq: int  # of its line


@frozen(kw_only=True)
class History:
    """What a whole log says."""

    vault: str
    lines: tuple[Line, ...] = ()
    versions: tuple[Version, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    superseded: Mapping[str, str] = field(default_factory=dict)  # version ids, old to new
    keys: tuple[PublicKey, ...] = ()
    mode_changes: tuple[ModeChange, ...] = ()

    @property
    def head(self) -> tuple[int, str]:
        """The position and the sum of the last line."""
        return self.lines[-1].seq, self.lines[-1].sum

    @property
    def newest(self) -> Version | None:
        """The version registered last."""
        return self.versions[-1] if self.versions else None

    @property
    def current(self) -> Version | None:
        """The newest version that was applied to any database."""
        applied = {r.id for r in self.receipts if not r.repair}
        return next((v for v in reversed(self.versions) if v.id in applied), None)

    @property
    def pending(self) -> Version | None:
        """The newest version, if no database is known to have it."""
        newest = self.newest
        if newest is None or newest.id in self.superseded or any(r.id == newest.id for r in self.receipts):
            return None
        return newest

    def version(self, id: str) -> Version | None:
        """Return the version of an id."""
        return next((v for v in self.versions if v.id == id), None)

    def reached(self, version: Version | None, *, without: str | None = None) -> Version | None:
        """Return a version, or the nearest before it that was not superseded, nor is the one `without`.

        A superseded one is in the line of versions, and none that a database was left at.
        """
        while version is not None and (version.id in self.superseded or version.id == without):
            version = self.version(version.parent)
        return version

    def before(self, version: Version) -> Version | None:
        """Return the version that the changes of another one are counted from."""
        return self.reached(self.version(version.parent))

    def by_label(self, label: str) -> Version | None:
        """Return the version of a label, e.g. ``v002``."""
        return next((v for v in self.versions if v.label == label), None)

    def parent_label(self, version: Version) -> str:
        """Return the label of a version's parent, or ``none``."""
        parent = self.version(version.parent)
        return layout.NONE if parent is None else parent.label

    def followed_by(self, line: Line) -> History:
        """Return the history with one more line."""
        return fold((line,), self)


def fold(lines: Iterable[Line], before: History | None = None) -> History:
    """Return what lines say, after what those before said. They must have been verified.

    Raises: ValueError if a line names a key that is not one.
    """
    found = _Found(before) if before else None
    for line in lines:
        if found is None:
            found = _Found(History(vault=line.fields["vault"]))
        found.add(line)
    assert found is not None
    return found.history()


class _Found:
    """A history that grows."""

    def __init__(self, before: History) -> None:
        self.before = before
        self.lines = list(before.lines)
        self.versions = list(before.versions)
        self.receipts = list(before.receipts)
        self.superseded = dict(before.superseded)
        self.keys = list(before.keys)
        self.mode_changes = list(before.mode_changes)

    def add(self, line: Line) -> None:
        self.lines.append(line)
        fields = line.fields
        match line.action:
            case "REGISTER":
                self.versions.append(_version(line))
            case "APPLIED" | "REPAIR" if fields["version"] != layout.NONE:
                self.receipts.append(_receipt(line))
            case "SUPERSEDE":
                self.superseded[fields["old"]] = fields["new"]
            case "AUTH_SET":
                self.keys.append(PublicKey.read(fields))
            case "MODE":
                self.mode_changes.append(mode_change(line, self.before.vault))
            case _:
                pass

    def history(self) -> History:
        return replace(
            self.before,
            lines=tuple(self.lines),
            versions=tuple(self.versions),
            receipts=tuple(self.receipts),
            superseded=self.superseded,
            keys=tuple(self.keys),
            mode_changes=tuple(self.mode_changes),
        )


def mode_change(line: Line, vault: str) -> ModeChange:
    """Return the change that a MODE line makes."""
    fields = line.fields
    return ModeChange(
        from_=Mode.parse(fields["from"]),
        to=Mode.parse(fields["to"]),
        until=fields["until"],
        sig=fields["sig"],
        place="vault",
        vault=vault,
        prev=line.prev,
    )


def _version(line: Line) -> Version:
    fields = line.fields
    return Version(
        label=fields["version"],
        id=fields["hash"],
        parent=fields["parent"],
        at=line.time,
        author=fields["author"],
        summary=fields["summary"],
        schema_hash=fields["schema"],
        declared_hash=fields["declared"],
        seq=line.seq,
        sum=line.sum,
    )


def _receipt(line: Line) -> Receipt:
    fields = line.fields
    row, _, row_hash = fields["ledger"].partition(":")
    return Receipt(
        label=fields["version"],
        id=fields["hash"],
        db=fields["db"],
        ledger_seq=int(row),
        ledger_hash=row_hash,
        at=line.time,
        recovered=fields.get("recovered") == "yes",
        repair=line.action == "REPAIR",
        seq=line.seq,
    )
