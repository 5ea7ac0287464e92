"""Migrate: what would change (`preview`), and changing it (`apply`).

Both go the same way: elaborate what is declared, read the database, diff, ask the data what only it knows, plan. What
`apply` runs is the plan that `preview` returned, statement for statement; the caller holds the run lock over both.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from chameleondb.apply.executor import Executor, Patience, Work
from chameleondb.apply.ports import Watcher
from chameleondb.canonical import schema_hash
from chameleondb.diagnostics import Source, Span
from chameleondb.diff import Action, Change
from chameleondb.errors import DatabaseError, DatabaseUnreachable, NotSupported, PlanError, StalePlan, UsageError
from chameleondb.frozen import frozen
from chameleondb.kinds import KIND_OF, KINDS
from chameleondb.model.declared import Hint, SqlBlock
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from chameleondb.model.renamed import after
from chameleondb.model.schema import Schema, Unmodelled
from chameleondb.names import Identity, spelled
from chameleondb.planner.graph import Rounds
from chameleondb.planner.plan import Plan, make_plan
from chameleondb.planner.rights import needs
from chameleondb.postgres.apply import ApplySession
from chameleondb.postgres.blocks import runs_alone
from chameleondb.postgres.catalog import read_schema
from chameleondb.postgres.dependents import read_beside
from chameleondb.postgres.elaborate import Block, unplanned
from chameleondb.postgres.facts import read_positions
from chameleondb.postgres.ledger import (
    Head,
    Ledger,
    Registered,
    Renaming,
    Run,
    Version,
    read_head,
    read_version,
    unreadable,
)
from chameleondb.postgres.rights import read_lacks
from chameleondb.postgres.session import Connection
from chameleondb.postgres.verbatim import read_needed
from chameleondb.renames import gone_back, names_in, unfollowed
from chameleondb.steps import Step, Transaction
from chameleondb.workflow.cache import DAMAGED, Cache
from chameleondb.workflow.compare import compare
from chameleondb.workflow.edit import edit_since
from chameleondb.workflow.elaboration import Desired, Elaboration, Elaborator, OpenShadow
from chameleondb.workflow.proof import Surroundings, prove
from chameleondb.workflow.settled import Settled, read_moment, settle
from chameleondb.workflow.settled import recall as settled_at
from chameleondb.workflow.source import Files


@frozen(kw_only=True)
class Preview:
    """What a migration would do, and everything `apply` needs to do just that."""

    plan: Plan
    source: Schema
    target: Schema
    head: Head
    version: Version
    blocks: tuple[Block, ...] = ()  # of the sql blocks
    unplanned: tuple[Unmodelled, ...] = ()  # an sql block says otherwise than the database, and we do not change it
    recalled: bool = False  # an earlier answer; to apply, look anew

    @property
    def pending(self) -> bool:
        """Whether the database is not yet what the files say."""
        return bool(self.plan.groups) or bool(self.unplanned)


def preview(
    connection: Connection,
    files: Files,
    open_shadow: OpenShadow,
    *,
    small_table_bytes: int = SMALL_TABLE_BYTES_DEFAULT,
    cache: Cache | None = None,
    recall: bool = False,
) -> Preview:
    """Return what would change. Without a `cache`, everything declared is elaborated.

    With `recall`, the answer may be the cache's, if that was "nothing to do" for these very files, this ledger and this
    state of the catalogs. After an edit of some tables, it is found out from those and what touches them. `source` and
    `target` are not complete then, and not to be applied.

    Raises: SchemaError where PostgreSQL refuses the declared schema; PlanError where the change cannot be planned.
    """
    head = read_head(connection)
    cache = cache or Cache(None)
    moment = read_moment(connection, head) if recall else None
    settled = settled_at(cache, moment) if moment else None
    if settled and settled.files == files.key:
        return Preview(plan=settled.plan, source=Schema(), target=Schema(), head=head, version=Version(), recalled=True)
    elaborator = Elaborator(files, open_shadow, major=connection.info.server_version // 10000, cache=cache)
    if settled and (edited := _after_edit(connection, settled, elaborator.found, head, small_table_bytes)):
        return edited
    desired = elaborator.desired()
    namespaces = tuple(sorted({*desired.namespaces, *head.namespaces}))
    source = read_schema(connection, KINDS, namespaces)
    what = Preview(
        plan=_plan(connection, source, desired, head, small_table_bytes),
        source=source,
        target=desired.schema,
        head=head,
        version=Version(
            objects=frozenset(desired.schema.objects),
            namespaces=desired.namespaces,
            followed={i: hint.was for i, hint in desired.hints.items() if hint.was},
        ),
        blocks=desired.blocks,
        unplanned=tuple(unplanned(source.unmodelled, desired.schema.unmodelled)),
    )
    if moment and not what.pending:
        settle(cache, files, moment, what.plan, elaborator.found, has_blocks=bool(what.blocks))
    return what


def _after_edit(
    connection: Connection, settled: Settled, found: Elaboration, head: Head, small_table_bytes: int
) -> Preview | None:
    """Return what an edit has changed since nothing was to do; None if that takes everything to tell."""
    with suppress(*DAMAGED, PlanError):  # as all together say it better
        edit = edit_since(settled, found)
        if edit is None or head.open_run is not None:
            return None
        desired = found.desired(edit.sight)
        if not edit.is_small(desired):
            return None
        namespaces = tuple(sorted({*desired.namespaces, *head.namespaces}))
        nothing = settled.plan
        read = edit.in_sight(read_schema(connection, KINDS, namespaces, unmodelled=False, tables=edit.tables))
        source = replace(read, unmodelled=nothing.unmodelled)
        plan = _plan(connection, source, desired, head, small_table_bytes)
        if edit.contains(plan, source, nothing):
            return Preview(
                plan=replace(plan, unmanaged=nothing.unmanaged),
                source=source,
                target=desired.schema,
                head=head,
                version=Version(),
                unplanned=tuple(unplanned(source.unmodelled, desired.schema.unmodelled)),
                recalled=True,
            )
    return None


def _plan(connection: Connection, source: Schema, desired: Desired, head: Head, small_table_bytes: int) -> Plan:
    # Large, and needed only if something may be dropped or renamed.
    version = functools.cache(lambda: read_version(connection, head))
    hints = _unfollowed(desired.hints, version)
    if head.open_run:
        names = names_in(desired.schema, KIND_OF)
        hints = gone_back(hints, desired.hints, names, version().renamed, version().followed)
    unfinished = frozenset(desired.schema.objects) - version().objects if head.open_run else frozenset()
    difference, facts = compare(connection, source, desired.schema, hints, version, small_table_bytes, unfinished)
    _require_free(difference.changes, source)
    plan = make_plan(difference, desired.schema, KIND_OF, facts, _rounds(desired, source))
    lost = {companion.key for companion in facts.lost}
    return replace(
        plan,
        notes=(*plan.notes, *_unknown(connection, head)),
        unmodelled=tuple(u for u in _unsaid(source, desired) if u.key not in lost),
    )


def _unsaid(source: Schema, desired: Desired) -> Iterator[Unmodelled]:
    """Yield the unmodelled objects that no statement makes, and what the others have beyond what is said."""
    ours = {key for made in desired.blocks for key in made.keys}
    yield from (u for u in source.unmodelled if u.key not in ours)
    said = {u.key: u for u in desired.schema.unmodelled if u.key in ours}
    for obj in source.unmodelled:
        if obj.key in said:
            yield from obj.beyond(said[obj.key])


_IN_THE_WAY = {
    "relation": ("table", "view", "materialized view", "foreign table", "sequence", "composite type", "type"),
    "type": ("type", "composite type"),
}


def _require_free(changes: Iterable[Change], source: Schema) -> None:
    """Raises: PlanError CHM1009 if something unmodelled has the name of what is to be created."""
    for change in changes:
        types = _IN_THE_WAY.get(change.id.space, ()) if change.action is Action.CREATE else ()
        name = spelled(change.id.path) if types else ""
        for taken in source.unmodelled if types else ():
            if taken.identity == name and taken.type in types:
                # Views and the like say by their name what they are.
                why = " (partitioned, inheriting, or one that others inherit from)" if taken.type == "table" else ""
                raise PlanError(
                    "CHM1009",
                    f"{change.id} cannot be as declared: the database has a {taken.type} {name}{why}, of a kind that is"
                    " not managed",
                    hint="such tables, views and the like are kept as they are: give the entity another table, write"
                    " the table in an sql block as `chameleon introspect` does, or take the inheriting one off with"
                    " ALTER TABLE … NO INHERIT",
                )


def _unknown(connection: Connection, head: Head) -> tuple[str, ...]:
    if head.readable:
        return ()
    grant = unreadable(connection).hint
    return (f"the role may not read the ledger, so what earlier versions held is unknown, and kept: {grant}",)


def prove_first(connection: Connection, what: Preview, open_shadow: OpenShadow) -> str | None:
    """Try the plan on an empty copy. Return None if it is proven, or why that could not be tried.

    Raises: PlanError if a statement fails or the plan leads elsewhere.
    """
    if not what.plan.groups:
        return None
    namespaces = tuple(sorted({*what.version.namespaces, *what.head.namespaces}))
    needed = read_needed(connection, namespaces)
    place = Span(Source("<database>", ""), 0, 0)
    # Views and triggers stand in the way of some changes, so they are on the copy as far as they can be made there.
    missing = _missing(what.blocks, what.source)
    present = [block.sql for block in what.blocks if block.keys and block not in missing]
    texts = [*(v.sql for v in needed), *(u.statement for u in what.source.unmodelled), *present]
    around = Surroundings(
        statements=tuple(SqlBlock(sql, place) for sql in dict.fromkeys(texts) if sql is not None),
        beside=functools.partial(read_beside, connection),
        positions=functools.partial(read_positions, connection),
    )
    return prove(what.plan, what.source, what.target, around, open_shadow, namespaces, whole=bool(missing))


def missing_rights(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """Return what the role may not do of what the plan does, each with the owner. Raises: DatabaseError."""
    return tuple(map(str, read_lacks(connection, needs(plan.changes, KIND_OF))))


_LACKS_SHOWN = 5


def require_rights(connection: Connection, plan: Plan) -> None:
    """Raises: NotSupported CHM4016 if the role lacks a right that the plan takes."""
    missing = missing_rights(connection, plan)
    if missing:
        hint = "connect as the owner, or as a member of that role; for a sequence, as the owner itself"
        raise NotSupported("CHM4016", lacking(missing), hint=hint)


def lacking(missing: Sequence[str]) -> str:
    """Say which rights are missing."""
    more = f"; and {len(missing) - _LACKS_SHOWN} more" if len(missing) > _LACKS_SHOWN else ""
    return f"the role lacks rights that the plan takes: {'; '.join(missing[:_LACKS_SHOWN])}{more}"


@frozen(kw_only=True)
class Purpose:
    """What a run is for, where a vault keeps the versions: the version that it applies, and how it is recorded."""

    registered: Registered
    schema_hash: str
    is_repair: bool = False  # the database has had the version already
    unverified: tuple[str, ...] = ()


_PLAN_HASH_MIN = 8


def require_reviewed(plan: Plan, expected: str | None) -> None:
    """Raises: StalePlan if the plan's hash does not begin with the one that was reviewed; None stands for any.

    UsageError CHM0535 for a beginning that is too short: an unset shell variable must not let any plan pass.
    """
    if expected is None:
        return
    if len(expected) < _PLAN_HASH_MIN:
        raise UsageError(
            "CHM0535",
            f"`{expected}` is not enough of a plan's hash: give at least {_PLAN_HASH_MIN} of its characters",
            hint="`chameleon migrate --dry-run -v` shows it; is the variable that you wrote there set?",
        )
    if not plan.hash.startswith(expected):
        raise StalePlan(
            "CHM1010",
            "the plan is not the one that was reviewed: the database or the schema has changed since",
            hint="review it again with `chameleon migrate --dry-run`",
        )


def apply(
    connection: Connection,
    what: Preview,
    watcher: Watcher,
    *,
    allowed: Iterable[str] = (),
    patience: Patience | None = None,
    expected_plan: str | None = None,
    purpose: Purpose | None = None,
) -> str | None:
    """Run the plan of a preview and record it; return the label of the version, or None if there was nothing to do.

    Without a `purpose`, no vault knows of the version: it is recorded in the ledger alone, unless it is there already.

    Raises: ConsentNeeded, StalePlan, LockNotAcquired, DatabaseError.
    """
    require_reviewed(what.plan, expected_plan)
    what.plan.require_consent(allowed)
    if purpose is None:
        target_hash = schema_hash(what.target.objects.values())
        recorded = what.head.schema_hash == target_hash and not what.plan.groups
        if what.recalled or (recorded and read_version(connection, what.head).followed == what.version.followed):
            return None
    else:
        target_hash = purpose.schema_hash
    run = Run(
        version=replace(what.version, unmanaged=frozenset(what.plan.unmanaged)),
        schema_hash=target_hash,
        plan_hash=what.plan.hash,
        statements=what.plan.sql,
        renames={s.sql: Renaming(c.id, c.renames) for c in what.plan.changes if c.renames for s in c.steps},
        creates=_may_be_left(what),
        is_repair=purpose is not None and purpose.is_repair,
        unverified=purpose.unverified if purpose else (),
    )
    book = Ledger(connection, what.head, run, purpose.registered if purpose else None)
    work = [Work(group.steps, group.transactional) for group in what.plan.groups]
    try:
        Executor(ApplySession(connection), book, watcher, patience or Patience()).run(work)
    except DatabaseUnreachable:
        raise  # whether the last COMMIT arrived is unknown; the next run finds out
    except DatabaseError as error:
        error.hint = "; ".join(filter(None, ((error.hint or "").rstrip("."), _what_stays(what.plan))))
        raise
    return book.registered.label


def _may_be_left(what: Preview) -> frozenset[Identity]:
    """Return what the plan makes, helpers included, unless all of it goes with its only transaction."""
    groups = what.plan.groups
    if all(group.transactional for group in groups) and len(groups) <= 1:
        return frozenset()
    renames = [pair for change in what.plan.changes for pair in change.renames]
    there = set(after(what.source.objects, renames).values()) if renames else what.source.objects
    return frozenset(i for step in what.plan.steps for i in step.creates if i not in there)


def _what_stays(plan: Plan) -> str:
    if len(plan.groups) == 1 and plan.groups[0].transactional:
        return "nothing was changed in the database, and the next --apply tries it again"
    return "what was committed before stays; with the cause mended, the next --apply goes on from there"


def _unfollowed(hints: Mapping[Identity, Hint], version: Callable[[], Version]) -> Mapping[Identity, Hint]:
    """Forget what the version at the head has followed; it is read only if there is anything to forget."""
    return (
        unfollowed(hints, version().followed, version().objects) if any(hint.was for hint in hints.values()) else hints
    )


def _rounds(desired: Desired, source: Schema) -> Rounds:
    """Return the statements of sql blocks that are to run, and when they can."""
    steps: dict[int, list[Step]] = defaultdict(list)
    for block in _missing(desired.blocks, source):
        where = Transaction.OUTSIDE if runs_alone(block.sql) else Transaction.INSIDE
        steps[block.round].append(Step(sql=block.sql, transaction=where))
    return Rounds({number: tuple(found) for number, found in steps.items()}, desired.late)


def _missing(blocks: Iterable[Block], source: Schema) -> list[Block]:
    """Return the statements that make what the database lacks."""
    present = {u.key for u in source.unmodelled}
    return [block for block in blocks if block.keys and present.isdisjoint(block.keys)]
