"""What the ledger's rows say: the body of every kind of row, as canonical JSON, and the hash of a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from chameleondb import __version__
from chameleondb.canonical import canonical_json, sha256
from chameleondb.frozen import frozen
from chameleondb.model.renamed import Pair
from chameleondb.names import Identity
from chameleondb.postgres.ledger.tables import FIRST_PREV, FORMAT

NONE = "none"
TOOL = f"chameleon/{__version__}"

Body = dict[str, Any]


@frozen(kw_only=True)
class DatabaseIdentity:
    """Which database this is. A restored or copied one has another identity than the one it was made from.

    `system_identifier` is ``unknown`` and `timeline` 0 where the server does not tell.
    """

    system_identifier: str
    oid: int
    name: str
    timeline: int

    @property
    def key(self) -> str:
        """``<system_identifier>:<oid>``, as the vault's log has it."""
        return f"{self.system_identifier}:{self.oid}"


@frozen(kw_only=True)
class Registered:
    """The version that a run applies, and the line of the vault's log that registered it: every row is anchored there.

    Without a vault, `vault` is ``none`` and the line is number 0.
    """

    label: str  # e.g. "v002"
    version_id: str
    vault: str = NONE
    log_seq: int = 0
    log_sum: str = FIRST_PREV


@frozen(kw_only=True)
class Version:
    """What an applied version held.

    `followed` are the former names that it has followed already; `unmanaged` is what the database had besides. Of runs
    that reached no version since, `begun` is what they have set out to make, `renamed` what they have renamed, as it is
    called now, with its name in the version; `objects` have their present names.
    """

    objects: frozenset[Identity] = frozenset()
    namespaces: tuple[str, ...] = ()
    followed: Mapping[Identity, tuple[str, ...]] = field(default_factory=dict)
    unmanaged: frozenset[Identity] = frozenset()
    begun: frozenset[Identity] = frozenset()
    renamed: Mapping[Identity, Identity] = field(default_factory=dict)


@frozen()
class Renaming:
    """What a statement renames on the way to what the target calls `final`."""

    final: Identity
    pairs: tuple[Pair, ...]


@frozen(kw_only=True)
class Run:
    """What a run is going to do, known before it begins."""

    version: Version
    schema_hash: str
    plan_hash: str
    statements: tuple[str, ...]
    renames: Mapping[str, Renaming] = field(default_factory=dict)  # what of the statements renames something
    creates: frozenset[Identity] = frozenset()  # what may be left of it if it does not end
    is_repair: bool = False  # the database is brought back to the version that it had
    unverified: tuple[str, ...] = ()  # codes of what could not be checked before


@frozen(kw_only=True)
class Writer:
    """Makes the bodies of one run."""

    run: Run
    run_id: str
    registered: Registered
    parent_id: str

    def begin(self, database: DatabaseIdentity, resumes: str | None) -> Body:
        """Return the body of BEGIN; `resumes` is an earlier run of the same version that was interrupted."""
        creates = {"creates": pack(self.run.creates)} if self.run.creates else {}
        return self._body(
            "BEGIN",
            **self._version(),
            **creates,
            plan_hash=self.run.plan_hash,
            step_hashes=[sha256(sql) for sql in self.run.statements],
            resumes=resumes or NONE,
            database={
                "system_identifier": database.system_identifier,
                "oid": database.oid,
                "name": database.name,
                "timeline": database.timeline,
            },
        )

    def start(self, step: int, statement: str) -> Body:
        """Return the body of START: a step that cannot be in a transaction is about to run."""
        return self._body("START", step=step, step_hashes=[sha256(statement)])

    def step(self, step: int, statements: Sequence[str]) -> Body:
        """Return the body of STEP: statements are done, the first of them being the plan's number `step`."""
        body = self._body("STEP", step=step, step_hashes=[sha256(sql) for sql in statements])
        renames = self.run.renames
        done = [renames[sql] for sql in statements if sql in renames]
        # They must be known as soon as they are done: whoever finishes the run would swap back, and not know what is
        # the version's by its new name.
        if done:
            left = {renames[sql].final for sql in self.run.statements[step + len(statements) :] if sql in renames}
            body["followed"] = _followed({i: was for i, was in self.run.version.followed.items() if i not in left})
            body["renamed"] = [[_plain(old), _plain(new)] for one in done for old, new in one.pairs]
        return body

    def end(self) -> Body:
        """Return the body of APPLIED, or of REPAIR: what the database holds from now on."""
        version = self.run.version
        what = {"what": "drift"} if self.run.is_repair else {}
        return self._body(
            "REPAIR" if self.run.is_repair else "APPLIED",
            **what,
            **self._version(),
            objects=pack(version.objects),
            namespaces=list(version.namespaces),
            followed=_followed(version.followed),
            unmanaged=pack(version.unmanaged),
            unverified=list(self.run.unverified),
        )

    def failed(self, step: int | None, code: str, sqlstate: str | None, message: str) -> Body:
        """Return the body of FAILED; `step` is the number of the statement, if it was one."""
        where = {} if step is None else {"step": step}
        return self._body("FAILED", **where, **self._version(), code=code, sqlstate=sqlstate or NONE, message=message)

    def _body(self, kind: str, **facts: Any) -> Body:
        return {"kind": kind, "run": self.run_id, **facts, **anchor(self.registered)}

    def _version(self) -> Body:
        return {
            "version": self.registered.label,
            "version_id": self.registered.version_id,
            "parent_id": self.parent_id,
            "schema_hash": self.run.schema_hash,
        }


def anchor(registered: Registered | None = None) -> Body:
    """Return what every body carries of the vault: its log's line, or that there is none."""
    if registered is None:
        return {"vault": NONE, "log_seq": 0, "log_sum": FIRST_PREV}
    return {"vault": registered.vault, "log_seq": registered.log_seq, "log_sum": registered.log_sum}


def initial(registered: Registered | None = None) -> Body:
    """Return the body of INIT, the first row."""
    return {"kind": "INIT", "format": FORMAT, **anchor(registered)}


def encode(body: Mapping[str, Any], *, tool: str = TOOL) -> str:
    """Return a body as it is written: canonical JSON, with the tool that wrote it."""
    return canonical_json({**body, "tool": tool})


def row_hash(seq: int, prev: str, text: str) -> str:
    """Return the hash of a row."""
    return sha256(f"{FORMAT}\n{seq}\n{prev}\n{text}")


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts. Raises: TypeError if it is something else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("not a list of texts")
    return tuple(value)


def identity_of(value: Any) -> DatabaseIdentity:
    """Return the database that a body of BEGIN names. Raises: as `version_of`."""
    identity = DatabaseIdentity(**value)
    texts([identity.system_identifier, identity.name])
    return replace(identity, oid=int(identity.oid), timeline=int(identity.timeline))


def version_of(body: Mapping[str, Any]) -> Version:
    """Return what a body of APPLIED or REPAIR holds. Raises: KeyError, TypeError, ValueError if it is malformed."""
    return Version(
        objects=frozenset(unpack(body["objects"])),
        namespaces=texts(body["namespaces"]),
        followed=followed_of(body),
        unmanaged=frozenset(unpack(body["unmanaged"])),
    )


def followed_of(body: Mapping[str, Any]) -> dict[Identity, tuple[str, ...]]:
    """Return the renames that a body of STEP, APPLIED or REPAIR has followed. Raises: as `version_of`."""
    return {Identity(*_named(i)): texts(names) for i, names in body.get("followed", ())}


def renames_of(body: Mapping[str, Any]) -> tuple[Pair, ...]:
    """Return what the statements of a STEP body have renamed, in their order. Raises: as `version_of`."""
    return tuple((Identity(*_named(old)), Identity(*_named(new))) for old, new in body.get("renamed", ()))


def _named(identity: Any) -> tuple[str, tuple[str, ...]]:
    space, *path = texts(identity)
    return space, tuple(path)


def begun_of(body: Mapping[str, Any]) -> frozenset[Identity]:
    """Return what the run of a BEGIN body set out to make. Raises: as `version_of`."""
    return frozenset(unpack(body.get("creates", ())))


def pack(objects: Iterable[Identity]) -> list[Any]:
    """Group identities by what they have in common: [space, [path before the name], [names]]."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for identity in sorted(objects):
        groups.setdefault((identity.space, identity.path[:-1]), []).append(identity.name)
    return [[space, list(path), names] for (space, path), names in groups.items()]


def unpack(packed: Iterable[Any]) -> Iterable[Identity]:
    """Return the identities that `pack` grouped."""
    for space, path, names in packed:
        above = texts([space, *path])[1:]
        for name in texts(names):
            yield Identity(space, (*above, name))


def _followed(followed: Mapping[Identity, tuple[str, ...]]) -> list[Any]:
    return [[_plain(i), list(names)] for i, names in sorted(followed.items())]


def _plain(identity: Identity) -> list[str]:
    return [identity.space, *identity.path]
