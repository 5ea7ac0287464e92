"""Vaults for tests: made through the store, with a clock of their own and passwords that cost nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from chameleondb.modes import change
from chameleondb.modes.change import format_time
from chameleondb.modes.key import PublicKey, derive
from chameleondb.modes.policy import Mode
from chameleondb.vault.history import History
from chameleondb.vault.layout import label
from chameleondb.vault.snapshot import Snapshot
from chameleondb.vault.store import Store
from chameleondb.vault.verify import Verified

START = datetime(2026, 2, 20, 10, 30, tzinfo=UTC)
DATABASE = "7445829610341234567:16384"
CHEAP = PublicKey(m=8, t=1, p=1, salt="00" * 16, key="00" * 32)


class Clock:
    """Goes on by a minute whenever it is looked at."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time


class Vault:
    """A vault that grows."""

    def __init__(self, project: Path) -> None:
        project.mkdir(parents=True, exist_ok=True)
        self.data = project / ".chameleon"
        self.store = Store(self.data, Clock())
        self.history: History = self.store.create()

    @property
    def folder(self) -> Path:
        return self.data / "vault"

    def register(self, *, author: str = "mia", summary: str = "Initial schema", text: str = "") -> None:
        self.history = self.store.register(self.history, snapshot(self.history, author, summary, text))

    def apply(self) -> None:
        newest = self.history.newest
        assert newest is not None
        row = f"{len(self.history.lines)}:{sha256(newest.id.encode()).hexdigest()}"
        facts = {"version": newest.label, "hash": newest.id, "db": DATABASE, "ledger": row}
        self.history = self.store.append(self.history, "APPLIED", **facts, recovered="no")

    def set_password(self, password: str = "a lizard in seven colours") -> None:
        private = derive(password, CHEAP)
        self.history = self.store.append(self.history, "AUTH_SET", **private.public.fields())

    def set_mode(self, to: Mode, password: str = "a lizard in seven colours") -> None:
        now = self.store._now()
        before = change.effective(self.history.mode_changes, now)
        until = format_time(now + timedelta(minutes=30)) if to > Mode.READONLY else "none"
        signed = change.message(
            place="vault", vault=self.history.vault, prev=self.history.head[1], from_=before, to=to, until=until
        )
        sig = derive(password, self.history.keys[-1]).sign(signed) if to > before else "none"
        facts = {"from": before.label, "to": to.label, "until": until, "sig": sig}
        self.history = self.store.append(self.history, "MODE", **facts)

    def verify(self, *, deep: bool = True) -> Verified:
        return self.store.read(deep=deep)

    def contents(self) -> dict[str, bytes]:
        """Return every file of the vault by its path below it."""
        files = (p for p in sorted(self.folder.rglob("*")) if p.is_file())
        return {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in files}


def snapshot(history: History, author: str = "mia", summary: str = "Initial schema", text: str = "") -> Snapshot:
    """Return a small snapshot that may follow a history."""
    newest, number = history.newest, len(history.versions) + 1
    return Snapshot(
        vault=history.vault,
        version=label(number),
        parent=newest.id if newest else "none",
        schema=[["Table", {"id": ["relation", "public", f"t{number}"]}]],
        entities=[["public", f"t{number}", f"T{number}"]],
        blocks=[text] if text else [],
        followed=[],
        namespaces=["public"],
        schema_hash=sha256(f"schema {number}{text}".encode()).hexdigest(),
        declared_hash=sha256(f"declared {number}{text}".encode()).hexdigest(),
        postgres=18,
        sources=[{"path": "schema.cham", "size": 12, "sha256": "0" * 64}],
        plan=[{"group": 1, "kind": "tx", "sql": f"CREATE TABLE t{number} ()"}],
        plan_hash="1" * 64,
        author=author,
        claimed_at="2026-02-20T10:30:00Z",
        summary=summary,
        tool="chameleon/0.1.0",
    )


def three_versions(project: Path) -> Vault:
    """Return a vault with three versions, a password and a mode: every kind of file and most kinds of line."""
    vault = Vault(project)
    vault.register()
    vault.apply()
    vault.set_password()
    vault.set_mode(Mode.STANDARD)
    vault.register(author="Ann B", summary='Added "age" field to User')
    vault.apply()
    vault.set_mode(Mode.READONLY)
    vault.register(author="\u00c5sa", summary="Removed nickname field from User")
    return vault
