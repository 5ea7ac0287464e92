"""The plan: ordered steps in transaction groups, with every hazard named and every consent that is missing."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from chameleondb.diff import Action, Change, Difference
from chameleondb.errors import ConsentNeeded, PlanError
from chameleondb.frozen import frozen
from chameleondb.kind import Kind
from chameleondb.model.facts import Facts, TableFacts
from chameleondb.model.schema import Schema, Unmodelled
from chameleondb.names import Identity
from chameleondb.planner.estimate import seconds
from chameleondb.planner.graph import NO_ROUNDS, Rounds, order
from chameleondb.planner.likely import former_text, likely_renames, rename_hints
from chameleondb.renames import Rename
from chameleondb.steps import Effort, Hazard, HazardName, Lock, LockMode, Step, Transaction

Kinds = Mapping[type[Any], Kind[Any]]


@frozen()
class Group:
    """Steps that are committed together. A group outside a transaction holds one step."""

    steps: tuple[Step, ...]
    transactional: bool = True


@frozen(kw_only=True)
class Plan:
    """What will run, statement for statement."""

    groups: tuple[Group, ...] = ()
    changes: tuple[Change, ...] = ()
    unmanaged: tuple[Identity, ...] = ()
    unmodelled: tuple[Unmodelled, ...] = ()
    large: Mapping[Identity, TableFacts] = field(default_factory=dict)  # tables over the threshold, and what they hold
    notes: tuple[str, ...] = ()
    likely: tuple[Rename, ...] = ()  # what is dropped and may have been renamed

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order."""
        return tuple(step for group in self.groups for step in group.steps)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """Every hazard, in the order of the steps."""
        return tuple(dict.fromkeys(h for step in self.steps for h in step.hazards))

    @property
    def sql(self) -> tuple[str, ...]:
        """The statements, without semicolons."""
        return tuple(step.sql for step in self.steps)

    @property
    def hash(self) -> str:
        """SHA-256 over the statements and their grouping, in hexadecimal."""
        digest = hashlib.sha256(b"chameleon.plan/1\n")
        for group in self.groups:
            digest.update(b"tx\n" if group.transactional else b"solo\n")
            for step in group.steps:
                digest.update(len(step.sql.encode()).to_bytes(8, "big") + step.sql.encode())
        return digest.hexdigest()

    def missing_consent(self, allowed: Iterable[str]) -> tuple[str, ...]:
        """Return the consents that destructive steps still need, e.g. ``drops-data:users.age``."""
        given = set(allowed)
        keys = dict.fromkeys(h.key for h in self.hazards if h.name.destructive)
        return () if "*" in given else tuple(key for key in keys if key not in given)

    def unused_consent(self, allowed: Iterable[str]) -> tuple[str, ...]:
        """Return the consents that no step asks for: perhaps misspelled, perhaps of a plan that has run."""
        keys = {h.key for h in self.hazards} | {"*"}
        return tuple(key for key in allowed if key not in keys)

    def require_consent(self, allowed: Iterable[str]) -> None:
        """Raise ConsentNeeded unless every destructive step was allowed by name."""
        missing = self.missing_consent(allowed)
        if missing:
            flags = tuple(f"--allow {shlex.quote(key)}" for key in missing)
            what = "; ".join(h.detail for h in self.hazards if h.key in missing)
            raise ConsentNeeded(
                f"the plan needs consent by name: {what}",
                flags,
                hint="; ".join((f"if that is meant, add {' '.join(flags)}", *rename_hints(self.likely))),
            )


def make_plan(difference: Difference, target: Schema, kinds: Kinds, facts: Facts, rounds: Rounds = NO_ROUNDS) -> Plan:
    """Return the plan for a difference, with the statements of sql blocks that `rounds` holds.

    Raises: PlanError when the change cannot be planned as asked, with every reason.
    """
    likely = likely_renames(difference.changes, difference.source, target, kinds)
    if difference.refused:
        raise _together(difference.refused, rename_hints(likely))
    steps = []
    ordered = order(difference.changes, difference.source, target, kinds, rounds)
    new = _new_relations(difference, ordered)
    for step in ordered:
        locks = tuple(k for k in step.locks if k.relation not in new or k.relation in step.drops)
        took = seconds(step.effort, step.transaction, locks, facts)
        hazards = (
            *_lock_hazards(locks, step.effort, facts),
            *_companion_hazards(step, facts),
            *_loss_hazards(step, facts),
            *_mention_hazards(step, facts),
        )
        steps.append(replace(step, locks=locks, seconds=took).with_hazards(hazards))
    groups, split = _group(steps, facts)
    notes = []
    if split:
        notes.append(
            f"{len(groups)} transactions: a single one would need more locks than max_locks_per_transaction allows"
        )
    elif len(groups) > 1:
        notes.append(f"{len(groups)} transactions: some steps must be committed before, or run outside, the others")
    batched = dict.fromkeys(step.batched for step in steps if step.batched)
    notes += [
        f"`was {former_text(r)}` of {r.new} is not followed: {r.new} exists already" for r in difference.unfollowed
    ]
    lost = {companion.id for companion in facts.lost}
    notes += [f"{table} is filled in batches, each committed by itself" for table in batched]
    return Plan(
        groups=tuple(groups),
        changes=difference.changes,
        unmanaged=tuple(i for i in difference.unmanaged if i not in lost),
        unmodelled=difference.source.unmodelled,
        large={table: known for table, known in facts.tables.items() if known.bytes > facts.small_table_bytes},
        notes=tuple(notes),
        likely=likely,
    )


def _new_relations(difference: Difference, steps: Iterable[Step]) -> frozenset[Identity]:
    """Return what nobody can wait for: a table that is new. One that is renamed has its old name in its first step."""
    on_the_way = (k.relation for c in difference.changes if c.action is Action.RENAME for s in c.steps for k in s.locks)
    made = {*(i for step in steps for i in step.creates), *on_the_way}
    return frozenset(made.difference(difference.source.objects, difference.former.values()))


def _together(refused: Sequence[PlanError], more_hints: Iterable[str]) -> PlanError:
    hints = [*dict.fromkeys(error.hint for error in refused if error.hint), *more_hints]
    return PlanError(refused[0].code, "; ".join(e.message for e in refused), hint="; ".join(hints) or None)


def _lock_hazards(locks: Iterable[Lock], effort: Effort, facts: Facts) -> Iterable[Hazard]:
    """Name what a step does to others: for how long depends on its effort and on the size of the table."""
    if effort is Effort.CATALOG:
        return
    for lock in locks:
        table = facts.tables.get(lock.relation)
        if table is None or table.bytes <= facts.small_table_bytes:
            continue
        what = f"{effort.value} of {lock.relation} ({table.rows_text}) under {lock.mode.label}"
        if effort is Effort.REWRITE:
            yield Hazard(HazardName.REWRITES_TABLE, lock.relation, what)
        if lock.mode is LockMode.ACCESS_EXCLUSIVE:
            yield Hazard(HazardName.BLOCKS_READS, lock.relation, what)
        elif lock.mode >= LockMode.SHARE:
            yield Hazard(HazardName.BLOCKS_WRITES, lock.relation, what)


def _companion_hazards(step: Step, facts: Facts) -> Iterable[Hazard]:
    """Name what nobody declared and goes all the same."""
    for identity in step.drops:
        found = facts.companions.get(identity)
        if found:
            what = ", ".join(f"{companion.type} {companion.identity}" for companion in found)
            detail = f"with {identity} goes what the schema does not declare: {what}"
            yield Hazard(HazardName.DROPS_UNMANAGED, identity, detail)


def _loss_hazards(step: Step, facts: Facts) -> Iterable[Hazard]:
    """Name what somebody has set on the old form of an object and its new form has not."""
    for identity in step.retypes:
        what = ", ".join(f"{loss.type} {loss.identity}" for loss in facts.losses.get(identity, ()))
        if what:
            detail = f"what is built on {identity} is made anew, without what it has now: {what}"
            yield Hazard(HazardName.DROPS_UNMANAGED, identity, detail)
    for identity in dict.fromkeys((*step.drops, *step.rebuilds)):
        found = facts.losses.get(identity, ())
        for name, is_right in ((HazardName.CHANGES_PRIVILEGES, True), (HazardName.DROPS_UNMANAGED, False)):
            what = ", ".join(f"{loss.type} {loss.identity}" for loss in found if loss.is_right is is_right)
            if what:
                yield Hazard(name, identity, f"{identity} is made anew, without what it has now: {what}")


_MENTIONS_SHOWN = 5


def _mention_hazards(step: Step, facts: Facts) -> Iterable[Hazard]:
    """Name the functions that may break: PostgreSQL does not look into bodies that are text."""
    renamed = (hazard.object for hazard in step.hazards if hazard.name is HazardName.BREAKS_CODE)
    for identity in (*step.drops, *renamed):
        found = facts.mentions.get(identity, ())
        if found:
            more = f" and {len(found) - _MENTIONS_SHOWN} more" if len(found) > _MENTIONS_SHOWN else ""
            what = ", ".join(found[:_MENTIONS_SHOWN]) + more
            yield Hazard(HazardName.BREAKS_CODE, identity, f"its name stands in the body of {what}")


# A new table locks itself, its TOAST table with index, and each index: measured, about 5 entries with 3 indexes.
_LOCKS_PER_STEP = 3
_LOCKS_SHARE = 0.6  # other sessions need locks, too


def _group(steps: Sequence[Step], facts: Facts) -> tuple[list[Group], bool]:
    """Put neighbours into one transaction unless a step forbids it or the lock table would overflow."""
    groups: list[Group] = []
    current: list[Step] = []
    locks, limit, split = 0, int(facts.locks_max * _LOCKS_SHARE), False

    def close() -> None:
        nonlocal locks
        if current:
            groups.append(Group(tuple(current)))
            current.clear()
        locks = 0

    for step in steps:
        if step.transaction is not Transaction.INSIDE:
            close()
            groups.append(Group((step,), transactional=step.transaction is Transaction.OWN))
            continue
        cost = _LOCKS_PER_STEP + sum(1 for i in step.creates if i.space == "constraint") + len(step.locks)
        if current and locks + cost > limit:
            close()
            split = True
        current.append(step)
        locks += cost
    close()
    return groups, split
