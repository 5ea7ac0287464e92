"""The record that every object kind fills in, and the rules by which a field may change.

A kind is complete or the import fails: every field of its model has exactly one change rule. Stages look kinds up by
model class and call these functions; they never name a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any, Generic, TypeVar

from chameleondb.frozen import frozen
from chameleondb.model.declared import Hint
from chameleondb.model.facts import Facts, TableFacts
from chameleondb.model.renamed import Renamed
from chameleondb.model.schema import Object, Schema
from chameleondb.names import Identity, is_provisional, relation
from chameleondb.steps import Step

M = TypeVar("M", bound=Object)
T = TypeVar("T")


@frozen()
class Context:
    """What a change rule may look at: both schemas, the facts and the hints. Pure data."""

    source: Schema
    target: Schema
    kinds: Mapping[type[Any], Kind[Any]]
    facts: Facts = field(default_factory=Facts)
    hints: Mapping[Identity, Hint] = field(default_factory=dict)
    unfinished: frozenset[Identity] = frozenset()  # what an interrupted run may have left half done
    # The old forms of what the plan drops and creates anew; `source` is without them.
    replaced: Mapping[Identity, Object] = field(default_factory=dict)
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, find: Callable[[Context], T]) -> T:
        """Return what `find` finds in this context, looking only once."""
        if find not in self._known:
            self._known[find] = find(self)
        found: T = self._known[find]
        return found

    def inline(self, obj: Object) -> str | None:
        """Return the text by which `obj` stands inside its parent's CREATE statement, if it can stand there."""
        render = self.kinds[type(obj)].inline
        return render(obj, self) if render and not self._is_apart(obj) else None

    def is_inline(self, obj: Object, table: Identity) -> bool:
        """Whether `obj` comes with the CREATE statement of its table."""
        return self.is_new(table) and not self._is_apart(obj)

    def _is_apart(self, obj: Object) -> bool:
        """Whether it has a statement of its own, being a twin, or because that must tell the name PostgreSQL chooses.

        The latter is so with all of a table as soon as a comment needs one, lest the choice depend on comments.
        """
        if is_provisional(obj.id.name) and obj.id.table in self.once(_tables_with_awaited_names):
            return True
        return obj.id in self.once(_twins)

    def is_new(self, identity: Identity) -> bool:
        """Whether the plan creates this object: nobody can be waiting for it."""
        return identity not in self.source

    def table_facts(self, table: Identity) -> TableFacts:
        """Return the size of a table; zero when it is new."""
        return self.facts.tables.get(table, TableFacts(0, 0))

    def is_large(self, table: Identity) -> bool:
        """Whether changes of `table` take the online form."""
        return self.table_facts(table).bytes > self.facts.small_table_bytes

    def hint(self, identity: Identity) -> Hint:
        """Return the hint declared for an object, or an empty one."""
        return self.hints.get(identity, Hint())


def _twins(context: Context) -> frozenset[Identity]:
    """Return what PostgreSQL would take for one with something before it."""
    seen, found = set(), []
    for obj in context.target.objects.values():
        twin = context.kinds[type(obj)].twin(obj)
        if twin is None:
            continue
        if (obj.id.table, twin) in seen:
            found.append(obj.id)
        seen.add((obj.id.table, twin))
    return frozenset(found)


def _tables_with_awaited_names(context: Context) -> frozenset[Identity]:
    comments = (i for i in context.target.objects if i.space == "comment" and is_provisional(i.name))
    return frozenset(relation(*i.path[1:3]) for i in comments)


class Alter(Generic[M]):
    """The field changes in place: `steps(old, new, context)`. None for steps means that it must be replaced.

    `finish` are those that come when all other fields have changed.
    """

    def __init__(
        self,
        steps: Callable[[M, M, Context], Sequence[Step] | None],
        finish: Callable[[M, M, Context], Sequence[Step]] = lambda _old, _new, _context: (),
    ) -> None:
        self.steps = steps
        self.finish = finish


class Replace:
    """The field cannot change in place: drop the object and create it anew."""


REPLACE = Replace()


@frozen()
class Refuse:
    """The field cannot change; the plan stops and says why and what to do."""

    why: str
    hint: str


@frozen()
class Ignore:
    """A difference in this field means nothing; `why` says for what reason."""

    why: str


@frozen(kw_only=True)
class Kind(Generic[M]):
    """Everything the stages need to know about one kind of object.

    `query` gives the catalog query for a server version (e.g. 180004); its first column is the object's OID, its rows
    go to `decode(row, names)`. `rename` says how one object takes another's name, or moves to its schema;
    `inferred_rename` allows pairing two objects that differ in nothing but the name, which is safe only where a name
    carries no data.
    """

    name: str
    plural: str
    model: type[M]
    catalog: str  # the system catalog that lists it, e.g. pg_class
    query: Callable[[int], str]
    decode: Callable[[Any, Any], M | None]
    references: Callable[[M], Iterable[Identity]]
    create: Callable[[M, Context], Sequence[Step]]
    drop: Callable[[M, Context], Sequence[Step]]
    on_change: Mapping[str, Alter[M] | Replace | Refuse | Ignore]
    sql_name: Callable[[M], str]  # as COMMENT ON takes it: ``TABLE users``
    parent: Callable[[M], Identity | None] = lambda _: None
    inline: Callable[[M, Context], str | None] | None = None
    # What makes two of a table one where they stand in its CREATE TABLE: PostgreSQL leaves the second out.
    twin: Callable[[M], object] = lambda _: None
    rename: Callable[[M, M], Step] | None = None
    # What is renamed by itself and is no object, such as a label: all of them; a step for one, by old and new name.
    parts: Callable[[M], Iterable[Identity]] | None = None
    rename_part: Callable[[M, str, str], Step] | None = None
    inferred_rename: Callable[[M], bool] = lambda _: False
    renamed: Callable[[M, Renamed], M] | None = None
    # (dropped, created): whether they may be one thing under two names; asked only to tell how a rename is said.
    resembles: Callable[[M, M], bool] | None = None
    # Names that it has besides its own, such as that of a constraint's index: nothing else may be called so.
    also_named: Callable[[M], Iterable[Identity]] = lambda _: ()
    moves_with: Callable[[M], Identity | None] = lambda _: None  # the table in whose schema it always lies
    # What only the rows can tell, as SELECT count(*) …, by old and new object and by the schemas that they are of, the
    # old one as the database has it; asked before planning, answered in Facts.counts.
    question: Callable[[M, M, Schema, Schema], str | None] | None = None
    settle: Callable[[M, M], M] | None = None  # (declared, elaborated): forget what nobody declared
    # (new, source): what becomes part of it, such as the index that an interrupted run has built for a key.
    adopts: Callable[[M, Schema], Identity | None] = lambda _new, _source: None
    # (old, new, context): what a change in place gives another type, or builds anew as a type.
    unsettles: Callable[[M, M, Context], Iterable[Identity]] = lambda _old, _new, _context: ()
    # (object, what it refers to): whether it must be dropped before that is unsettled, and made anew after.
    gives_way: Callable[[M, Identity], bool] = lambda _, referred: referred.space == "type"
    owns_columns: bool = False  # its OIDs are what later queries take as %(tables)s
    order: Callable[[M], int] = lambda _: 0
    holds_data: bool = False  # dropping one loses rows or values, so it is never replaced on another's behalf

    def __post_init__(self) -> None:
        names = {f.name for f in fields(self.model) if f.compare} - {"id"}
        missing, extra = names - self.on_change.keys(), self.on_change.keys() - names
        if missing or extra:
            raise TypeError(f"{self.name}: fields without a change rule: {sorted(missing)}; unknown: {sorted(extra)}")
