"""SQL clauses and steps that several kinds share; no kind is named here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chameleondb.kind import Context
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object
from chameleondb.names import Identity, is_provisional, literal, namespace, qualified, quote, quote_all, relation
from chameleondb.sqltext import identifiers, rename_identifiers
from chameleondb.steps import Effort, Hazard, HazardName, Lock, LockMode, Step, Transaction

_BARE_VALUE = re.compile(r"[\w.+-]+\Z", re.ASCII)


def deferrability(deferrable: bool, deferred: bool) -> str:
    """Return the model's word for condeferrable and condeferred."""
    return "deferred" if deferred else "immediate" if deferrable else "no"


def deferrable_sql(word: str) -> str:
    """Return the clause for the model's word, with a leading blank."""
    return {"no": "", "immediate": " DEFERRABLE", "deferred": " DEFERRABLE INITIALLY DEFERRED"}[word]


def option_sql(option: str) -> str:
    """Return ``name=value`` as SQL, the value quoted where it is no plain word."""
    name, _, value = option.partition("=")
    if not value:
        return name
    return f"{name}={value if _BARE_VALUE.match(value) else literal(value)}"


def with_sql(options: Sequence[str]) -> str:
    """Return a WITH clause for storage parameters, with a leading blank."""
    return f" WITH ({', '.join(map(option_sql, options))})" if options else ""


def set_options(prefix: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the statements that lead from one list of storage parameters to another; `prefix` ends before SET."""
    statements = []
    changed = [o for o in new if o not in old]
    gone = sorted({o.partition("=")[0] for o in old} - {o.partition("=")[0] for o in new})
    if changed:
        statements.append(f"{prefix} SET ({', '.join(map(option_sql, changed))})")
    if gone:
        statements.append(f"{prefix} RESET ({', '.join(gone)})")
    return statements


def include_sql(columns: tuple[str, ...]) -> str:
    """Return an INCLUDE clause, with a leading blank."""
    return f" INCLUDE ({quote_all(columns)})" if columns else ""


def index_tail(include: tuple[str, ...], options: tuple[str, ...], tablespace: str | None) -> str:
    """Return the clauses of a constraint that shape its index."""
    space = f" USING INDEX TABLESPACE {quote(tablespace)}" if tablespace else ""
    return include_sql(include) + with_sql(options) + space


def named(identity: Identity) -> str:
    """Return ``CONSTRAINT name`` with a trailing blank; nothing while the name is PostgreSQL's to choose."""
    return "" if is_provisional(identity.name) else f"CONSTRAINT {quote(identity.name)} "


def index_of(constraint: Identity) -> Identity:
    """Return what the index of a constraint is called: it has the constraint's name, among the relations."""
    return relation(constraint.path[0], constraint.name)


def alter_table(table: Identity) -> str:
    """Return ``ALTER TABLE name``."""
    return f"ALTER TABLE {qualified(table.path)}"


def exclusive(table: Identity) -> tuple[Lock, ...]:
    """Return the lock of nearly every ALTER TABLE."""
    return (Lock(table, LockMode.ACCESS_EXCLUSIVE),)


def rename_or_move(prefix: str, old: Identity, new: Identity, locks: tuple[Lock, ...] = ()) -> Step:
    """Return the step that gives what others call by name a new one, or moves it to another schema: one of the two.

    `prefix` ends before RENAME.
    """
    hazards = (Hazard(HazardName.BREAKS_CODE, new, f"code that still says {old} fails"),)
    schema = new.path[0]
    if schema == old.path[0]:
        return Step(sql=f"{prefix} RENAME TO {quote(new.name)}", locks=locks, hazards=hazards)
    sql = f"{prefix} SET SCHEMA {quote(schema)}"
    return Step(sql=sql, needs=(namespace(schema),), locks=locks, hazards=hazards)


def add_constraint(
    identity: Identity,
    definition: str,
    *,
    needs: tuple[Identity, ...] = (),
    locks: tuple[Lock, ...] | None = None,
    effort: Effort = Effort.SCAN,
    hazards: tuple[Hazard, ...] = (),
) -> Step:
    """Return the step ALTER TABLE … ADD …; `definition` begins after the constraint's name."""
    table = identity.table
    return Step(
        sql=f"{alter_table(table)} ADD {named(identity)}{definition}",
        creates=(identity,),
        needs=(table, *needs),
        locks=exclusive(table) if locks is None else locks,
        effort=effort,
        hazards=hazards,
    )


def drop_constraint(identity: Identity, *, also_locks: tuple[Identity, ...] = ()) -> Step:
    """Return the step ALTER TABLE … DROP CONSTRAINT."""
    return Step(
        sql=f"{alter_table(identity.table)} DROP CONSTRAINT {quote(identity.name)}",
        drops=(identity,),
        locks=tuple(Lock(t, LockMode.ACCESS_EXCLUSIVE) for t in (identity.table, *also_locks)),
    )


def rename_constraint(old: Identity, new: Identity) -> Step:
    """Return the step ALTER TABLE … RENAME CONSTRAINT; `new` lies in the same table."""
    return Step(
        sql=f"{alter_table(new.table)} RENAME CONSTRAINT {quote(old.name)} TO {quote(new.name)}",
        locks=exclusive(new.table),
    )


def validate_constraint(identity: Identity, locks: tuple[Lock, ...] | None = None) -> Step:
    """Return the step ALTER TABLE … VALIDATE CONSTRAINT, which lets reads and writes go on."""
    return Step(
        sql=f"{alter_table(identity.table)} VALIDATE CONSTRAINT {quote(identity.name)}",
        needs=(identity,),
        locks=(Lock(identity.table, LockMode.SHARE_UPDATE_EXCLUSIVE),) if locks is None else locks,
        effort=Effort.SCAN,
    )


def locks_of_dependents(identity: Identity, context: Context) -> tuple[Lock, ...]:
    """Return the locks that it takes to make what refers to `identity` anew, such as those of keys on other tables."""
    referring = context.once(_referring).get(identity, ())
    steps = (step for obj in referring for step in context.kinds[type(obj)].drop(obj, context))
    return tuple(dict.fromkeys(lock for step in steps if step.drops for lock in step.locks))


def _referring(context: Context) -> dict[Identity, list[Object]]:
    found: dict[Identity, list[Object]] = {}
    for obj in context.source.objects.values():
        for identity in context.kinds[type(obj)].references(obj):
            found.setdefault(identity, []).append(obj)
    return found


def by_itself(steps: Iterable[Step], table: Identity, context: Context) -> list[Step]:
    """Return the steps, each of them committed by itself where the table is large: a scan under the locks of what was
    done before would hold up everybody.
    """
    own = context.is_large(table)
    return [replace(step, transaction=Transaction.OWN) if own else step for step in steps]


def in_place(add: Step, validate: Step, obj: Object, context: Context) -> list[Step]:
    """Return the online form of a new rule. In the place of another, it comes in the transaction in which that goes:
    there is no moment at which rows may break both.
    """
    own = Transaction.INSIDE if obj.id in context.replaced else Transaction.OWN
    return [replace(add, transaction=own), replace(validate, transaction=Transaction.OWN)]


def constraint_sql_name(identity: Identity) -> str:
    """Return a constraint as COMMENT ON takes it."""
    return f"CONSTRAINT {quote(identity.name)} ON {qualified(identity.table.path)}"


def may_fail(identity: Identity, table: Identity, context: Context, why: str) -> tuple[Hazard, ...]:
    """Return the hazard that existing rows may break a new rule, unless the table has none."""
    facts = context.table_facts(table)
    if facts.rows == 0 and facts.exact:
        return ()
    return (Hazard(HazardName.MAY_FAIL_ON_DATA, identity, f"{why} in {facts.rows_text} of {table}"),)


def keep_replica_identity(index: Identity, table: Identity, context: Context) -> list[Step]:
    """Return the step that a table needs whose replica identity is an index, or its constraint, that is made anew.

    With the old index PostgreSQL forgets it. Where the table's identity itself changes, the table says so.
    """
    old, new = context.source.get(table), context.target.get(table)
    if {getattr(old, "replica_index", None), getattr(new, "replica_index", None)} != {index.name}:
        return []
    sql = f"{alter_table(table)} REPLICA IDENTITY USING INDEX {quote(index.name)}"
    return [Step(sql=sql, needs=(table, index), locks=exclusive(table))]


def columns_of(table: Identity, names: Sequence[str]) -> tuple[Identity, ...]:
    """Return the identities of several columns of one table."""
    return tuple(Identity("column", (*table.path, name)) for name in names)


def column_words(table: Identity, *texts: str | None) -> tuple[Identity, ...]:
    """Return every column of `table` that expressions may mention: each of their words, rather too many."""
    names = {name for text in texts if text for name in identifiers(text)}
    return columns_of(table, sorted(names))


def losing(step: Step, identity: Identity, table: Identity, context: Context, what: str) -> Step:
    """Return a step that drops `identity` with its hazard: its data where `table` has rows, otherwise the object only.

    What needs no consent because the table is empty runs only if it still is.
    """
    facts = context.table_facts(table)
    if facts.rows == 0 and facts.exact:
        hazard = Hazard(HazardName.DROPS_OBJECT, identity, f"{what}; the table is empty")
        return replace(step.with_hazards([hazard]), requires_empty=table)
    return step.with_hazards([Hazard(HazardName.DROPS_DATA, identity, f"{what} ({facts.rows_text})")])


def follow(identity: Identity, ids: Mapping[Identity, Identity]) -> Identity:
    """Return what an identity is called after renames."""
    return ids.get(identity, identity)


def follow_columns(names: tuple[str, ...], table: Identity, ids: Mapping[Identity, Identity]) -> tuple[str, ...]:
    """Return what columns of `table` (its name before the renames) are called afterwards."""
    return tuple(follow(i, ids).name for i in columns_of(table, names))


def follow_text(text: str, table: Identity, ids: Renamed) -> str:
    """Return a deparsed expression over the columns of `table` as PostgreSQL prints it after renames."""
    if "'::regclass" in text:
        text = _REGCLASS.sub(lambda m: f"'{ids.relations.get(m[1], m[1])}'::regclass", text)
    columns = ids.columns(table)
    if columns:
        text = rename_identifiers(text, columns)
    return follow_types(text, ids)


_REGCLASS = re.compile(r"'((?:[^']|'')*)'::regclass")


def follow_types(text: str, ids: Renamed) -> str:
    """Return a type or expression with the names of renamed types, and their labels, replaced."""
    if ids.labels:
        text = _LABEL.sub(lambda m: f"{ids.labels.get((m[2], m[1]), m[1])}::{m[2]}", text)
    return _QUALIFIED.sub(lambda m: ids.types.get(m[0], m[0]), text) if ids.types else text


_NAME = r'(?:(?:[uU]&)?"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_LABEL = re.compile(rf"((?:U&)?'(?:[^']|'')*')::({_NAME}\.{_NAME})(?![\w\"\[])")
_QUALIFIED = re.compile(rf'(?<![\w".]){_NAME}\.{_NAME}(?![\w"])')
