"""From a preview to the snapshot of a version, and from a snapshot back to a schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from chameleondb import __version__
from chameleondb.canonical import canonical_json, plain, restore, schema_hash, sha256
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF
from chameleondb.model.declared import Hint
from chameleondb.model.schema import Schema
from chameleondb.names import Identity
from chameleondb.planner.plan import Plan
from chameleondb.renames import unfollowed
from chameleondb.vault.history import History, Version
from chameleondb.vault.layout import label
from chameleondb.vault.snapshot import Snapshot
from chameleondb.workflow.describe import Line, describe
from chameleondb.workflow.migrate import Preview
from chameleondb.workflow.source import Files
from chameleondb.workflow.summary import INITIAL, changes_between, summarize

_MODELS = {model.__name__: model for model in KIND_OF}


@frozen(slots=False)
class Content:
    """What the files declare and PostgreSQL made of it: what decides whether they are a new version.

    Two hashes, since neither alone is enough: the declared one does not depend on the server's major version, the
    elaborated one not on how an expression is written.
    """

    files: Files
    what: Preview

    @cached_property
    def declared_hash(self) -> str:
        """SHA-256 over the checked declarations: comments, blanks and the order of files do not matter."""
        return self._with_blocks("chameleon.declared/1", schema_hash(self.files.declared.objects.values()))

    @cached_property
    def schema_hash(self) -> str:
        """SHA-256 over what PostgreSQL made of them."""
        return self._with_blocks("chameleon.elaborated/1", schema_hash(self.what.target.objects.values()))

    def _with_blocks(self, domain: str, objects: str) -> str:
        return sha256(f"{domain}\n{objects}\n{sha256(canonical_json(sorted(self.blocks)))}")

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The statements in PostgreSQL's own words."""
        return tuple(b.sql for b in self.files.declared.blocks)

    @cached_property
    def entities(self) -> dict[Identity, str]:
        """What the user calls each table."""
        labels = self.files.declared.labels
        return {i: name for i, name in labels.items() if i.space == "relation" and i in self.what.target}

    def is_version(self, version: Version) -> bool:
        """Whether a version says the same."""
        return version.declared_hash == self.declared_hash or version.schema_hash == self.schema_hash


_WITHOUT_BEFORE = "Changes not known: the version before could not be read"


def make_snapshot(
    history: History,
    before: Snapshot | None,
    content: Content,
    *,
    author: str,
    now: datetime,
    major: int,
    is_before_lost: bool = False,
) -> Snapshot:
    """Return the snapshot of the next version; it tells the changes since `before`, if that is not lost."""
    newest = history.newest
    what = content.what
    return Snapshot(
        vault=history.vault,
        version=label(len(history.versions) + 1),
        parent=newest.id if newest else "none",
        schema=[
            [type(o).__name__, plain(o, all_fields=True)] for o in sorted(what.target.objects.values(), key=_identity)
        ],
        entities=[[*i.path, name] for i, name in sorted(content.entities.items())],
        blocks=list(content.blocks),
        followed=[[[i.space, *i.path], list(names)] for i, names in sorted(what.version.followed.items())],
        namespaces=list(what.version.namespaces),
        schema_hash=content.schema_hash,
        declared_hash=content.declared_hash,
        postgres=major,
        sources=[
            {
                "path": s.name.encode("utf-8", "replace").decode("utf-8"),
                "size": len(s.text.encode()),
                "sha256": sha256(s.text),
            }
            for s in content.files.sources
        ],
        plan=_steps(what.plan),
        plan_hash=what.plan.hash,
        author=author,
        claimed_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        summary=_WITHOUT_BEFORE if is_before_lost else _summary(before, content),
        tool=f"chameleon/{__version__}",
    )


def _identity(obj: Any) -> Identity:
    identity: Identity = obj.id
    return identity


def _steps(plan: Plan) -> list[Mapping[str, Any]]:
    return [
        {"kind": "tx" if group.transactional else "solo", "group": number, "sql": step.sql}
        for number, group in enumerate(plan.groups, 1)
        for step in group.steps
    ]


def _summary(before: Snapshot | None, content: Content) -> str:
    if before is None:
        return INITIAL
    source = schema_of(before)
    hints = unfollowed(content.files.declared.hints, _followed(before), source.objects)
    changes = changes_between(source, content.what.target, hints)
    text = summarize(changes, {**entities_of(before), **content.entities})
    if text:
        return text
    return "Changed sql statements" if list(content.blocks) != before.blocks else "Changed no object"


def schema_of(snapshot: Snapshot) -> Schema:
    """Return the schema that a snapshot holds, as PostgreSQL elaborated it."""
    objects = (restore(_MODELS[name], data) for name, data in snapshot.schema)
    return Schema({o.id: o for o in objects})


def entities_of(snapshot: Snapshot) -> dict[Identity, str]:
    """Return what the user called each table of a snapshot."""
    return {Identity("relation", (namespace, table)): name for namespace, table, name in snapshot.entities}


def changed_lines(before: Snapshot | None, snapshot: Snapshot) -> tuple[Line, ...]:
    """Return a line for every change from the version before to this one."""
    source, followed = (schema_of(before), _followed(before)) if before else (Schema(), {})
    hints = unfollowed({i: Hint(was=names) for i, names in _followed(snapshot).items()}, followed, source.objects)
    return describe(Plan(changes=changes_between(source, schema_of(snapshot), hints)))


def _followed(snapshot: Snapshot) -> dict[Identity, tuple[str, ...]]:
    """Return the renames that a snapshot's schema declared."""
    return {Identity(i[0], tuple(i[1:])): tuple(names) for i, names in snapshot.followed}
