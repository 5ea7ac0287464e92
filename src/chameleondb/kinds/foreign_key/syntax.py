"""The Syntax section of foreign keys: relations between entities, declared from one side or both."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from chameleondb import types
from chameleondb.diagnostics import Label, Span
from chameleondb.kinds.foreign_key.model import ForeignKey
from chameleondb.kinds.primary_key import PrimaryKey
from chameleondb.kinds.unique import Unique
from chameleondb.language import Entry, FieldClause, Page, Syntax
from chameleondb.names import DEFAULT_NAMESPACE, Identity, is_provisional, object_name, relation
from chameleondb.plurals import snake_case
from chameleondb.scope import Entity, Scope
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import enquote, name_text, names_text
from chameleondb.syntax.tree import Clause, Field

# --- productions ---

_ACTIONS = ("cascade", "restrict", "no action", "set null", "set default")


class ForeignTable(NamedTuple):
    """A table that no entity declares."""

    table: Identity
    columns: tuple[str, ...]


def _foreign_table(cursor: Cursor) -> ForeignTable:
    """ "table" [name "."] name ["(" columns ")"]."""
    schema, name = DEFAULT_NAMESPACE, cursor.name("a table name")
    if cursor.text == ".":
        cursor.advance()
        schema, name = name, cursor.name("a table name")
    return ForeignTable(relation(schema, name), cursor.names("") if cursor.text == "(" else ())


def _action(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    for action in _ACTIONS:
        if cursor.accept(*action.split()):
            columns = cursor.names("") if action.startswith("set") and cursor.text == "(" else ()
            return action, columns
    raise cursor.problem("expected `cascade`, `restrict`, `no action`, `set null` or `set default`")


def _true(_cursor: Cursor) -> bool:
    return True


def _relation(parse: Any, parentheses: bool = False) -> FieldClause:
    return FieldClause(parse, None, parentheses=parentheses, relation=True)


_CLAUSES = {
    "via": _relation(lambda cursor: cursor.name_or_names("after `via`"), parentheses=True),
    "references": _relation(lambda cursor: cursor.name_or_names("after `references`"), parentheses=True),
    "on delete": _relation(_action),
    "on update": _relation(_action),
    "match full": _relation(_true),
    "deferrable": _relation(productions.timing),
    "not valid": _relation(_true),
    "not enforced": _relation(_true),
    "period": _relation(_true),
    "name": _relation(lambda cursor: cursor.name("a name")),
}

# --- meaning ---


class _Option(NamedTuple):
    """What a clause says of a key, and where."""

    value: Any
    node: Field
    clause: Clause

    @property
    def span(self) -> Span:
        return self.node.clause_span(self.clause)


@dataclass(slots=True)
class _Key:
    """A foreign key with everything that its declarations say."""

    holder: Entity
    columns: tuple[str, ...]
    target: Identity
    target_columns: tuple[str, ...]
    options: dict[str, _Option]
    node: Field
    label: str
    docs: tuple[str, ...]

    @property
    def name(self) -> str | None:
        return self.options["name"].value if "name" in self.options else None


class _Relation(NamedTuple):
    owner: Entity
    node: Field
    other: Entity | None  # None: a table that no entity declares

    @property
    def many(self) -> bool:
        return bool(self.node.type.many or self.node.type.array)

    @property
    def via(self) -> tuple[str, ...] | None:
        clause = self.node.clause("via")
        return clause.value if clause else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of its key: those that `via` names, or the one that is called like it."""
        return self.via or (f"{self.node.name}_id",)

    @property
    def has_key(self) -> bool:
        """Whether it is a foreign key, and does not only name the way back of one."""
        return self.via is not None or (not self.many and self.columns[0] in self.owner.columns)

    @property
    def is_one_to_one(self) -> bool:
        """Whether no two rows of the owner have the same key."""
        keys = (o.columns for o in self.owner.objects.values() if isinstance(o, PrimaryKey | Unique))
        return not self.many and self.columns in keys


_Between = defaultdict[tuple[str, str], list[_Relation]]
"""Relations by the names of their two entities."""


def _claim(scope: Scope, entity: Entity, node: Field) -> bool:
    other = scope.entities.get(node.type.name) if node.type.outside is None and node.type.schema is None else None
    if other is None and not isinstance(node.type.outside, ForeignTable):
        return False
    for clause in node.clauses:
        if clause.words not in _CLAUSES and clause.words not in {"?", "nullable"}:
            _refuse(scope, node, clause)
    scope.pending.setdefault("relation", []).append(_Relation(entity, node, other))
    return True


def _refuse(scope: Scope, node: Field, clause: Clause) -> None:
    message = f"`{clause.words}` belongs to a field, but `{node.name}` is a relation"
    scope.diagnostics.error("CHM0119", message, node.clause_span(clause), help="put it on the field that holds the key")


def _finish(scope: Scope) -> None:
    relations: list[_Relation] = scope.pending.get("relation", [])
    between: _Between = defaultdict(list)
    for found in relations:
        if found.other:
            between[found.owner.name, found.other.name].append(found)
    keys: defaultdict[tuple[Any, ...], list[tuple[_Key, _Relation]]] = defaultdict(list)
    for relation_ in relations:
        key = _resolve(scope, relation_, between)
        if key is None:
            continue
        alike = keys[key.holder.key, key.columns, key.target, key.target_columns]
        first = _same(key, relation_, alike)
        if first is None:
            alike.append((key, relation_))
        else:
            _merge(scope, first, key)
    for key in (key for alike in keys.values() for key, _ in alike):
        _add(scope, key)


def _same(key: _Key, found: _Relation, alike: list[tuple[_Key, _Relation]]) -> _Key | None:
    """Return the key that is meant again: by the other side, or under the same name; one side may have several."""
    for other, _ in alike:
        if other.name == key.name:
            return other
    sides = ((other, found.owner is not far.owner or found.many != far.many) for other, far in alike)
    return next((other for other, is_other_side in sides if is_other_side), None)


def _resolve(scope: Scope, found: _Relation, between: _Between) -> _Key | None:
    """Return the key that a relation means; None for one that only navigates, or is wrong and reported."""
    owner, node, other = found
    via = found.via
    if found.many:
        if other is None or via is None:
            if not _points_back(scope, found, between):
                help = f"name the field of `{node.type.name}` that points here: via {snake_case(owner.name)}_id"
                scope.diagnostics.error(
                    "CHM0402",
                    f"relation `{node.name}` does not say which field holds its key",
                    node.type_span,
                    help=help,
                )
            return None
        return _key(scope, other, via, owner, node, f"{owner.name}.{node.name}")
    if via is None:
        via = found.columns
        if via[0] not in owner.columns:
            if not _points_back(scope, found, between):
                _no_key_field(scope, owner, node, via[0])
            return None
    elif other and other is not owner and via[0] not in owner.columns and all(c in other.columns for c in via):
        return _key(scope, other, via, owner, node, f"{owner.name}.{node.name}")
    target = other if other is not None else node.type.outside
    key = _key(scope, owner, via, target, node, f"{owner.name}.{node.name}")
    if key:
        _agree_on_null(scope, key)
    return key


def _agree_on_null(scope: Scope, key: _Key) -> None:
    """Only the fields of a key make it optional; a mark on the relation promises what they do not keep."""
    fields = [key.holder.columns[name] for name in key.columns]
    if _nullable(key.node) and not any(map(_nullable, fields)):
        message = f"relation `{key.node.name}` may be missing, but its key `{names_text(key.columns)}` is required"
        help = f"mark the field: {name_text(fields[0].name)}: …?"
        scope.diagnostics.warning("CHM0410", message, key.node.span_of("?"), help=help)


def _nullable(node: Field) -> bool:
    return bool(node.clause("?") or node.clause("nullable"))


def _points_back(scope: Scope, found: _Relation, between: _Between) -> bool:
    """Whether the other entity declares the key, and has many or is one for it; then no option of it stands here."""
    back = between.get((found.other.name, found.owner.name), ()) if found.other else ()
    if not any(r.has_key and (r.many != found.many or (r.is_one_to_one and not found.many)) for r in back):
        return False
    for clause in found.node.clauses:
        if clause.words in _CLAUSES:
            message = f"`{clause.words}` is about a key, but `{found.node.name}` only names the way back"
            help = f"say it at the relation of `{found.node.type.name}`, or name the key's field here: via …"
            scope.diagnostics.error("CHM0119", message, found.node.clause_span(clause), help=help)
    return True


def _no_key_field(scope: Scope, owner: Entity, node: Field, name: str) -> None:
    if owner.node and name in owner.node.broken:
        return
    near = scope.diagnostics.did_you_mean(name, owner.columns)
    help = near or f"declare the field, e.g. `{name}: uuid`, or name another one: via …"
    message = f"relation `{node.name}` needs a field for its key, and `{owner.name}` has no `{name}`"
    scope.diagnostics.error("CHM0402", message, node.head_span, help=help)


def _key(
    scope: Scope, holder: Entity, columns: tuple[str, ...], target: Entity | ForeignTable, node: Field, label: str
) -> _Key | None:
    via = node.clause("via")
    missing = [c for c in columns if c not in holder.columns]
    for name in missing:
        scope.no_field(
            holder, name, node.clause_span(via)._replace(start=_start(node, via, name)) if via else node.head_span
        )
    if missing:
        return None
    references = node.clause("references")
    if isinstance(target, ForeignTable):
        target_id, wanted = target.table, (references.value if references else target.columns)
        help = f'name them: table "{target.table.name}" (id)'
    else:
        target_id, wanted = target.key, (references.value if references else target.primary)
        help = f"give `{target.name}` a primary key or name a unique field: references email"
    if not wanted:
        scope.diagnostics.error(
            "CHM0405", f"relation `{node.name}` does not know which fields it refers to", node.type_span, help=help
        )
        return None
    if not _fits(scope, holder, columns, target, wanted, node):
        return None
    options = _options(node)
    return _Key(holder, columns, target_id, wanted, options, node, label, node.docs)


def _start(node: Field, via: Clause, name: str) -> int:
    for index in range(via.first + 1, via.last + 1):
        if node.tokens.texts[index].strip('"') == name:
            return node.tokens.starts[index]
    return node.tokens.starts[via.first]


def _fits(
    scope: Scope,
    holder: Entity,
    columns: tuple[str, ...],
    target: Entity | ForeignTable,
    wanted: tuple[str, ...],
    node: Field,
) -> bool:
    if len(columns) != len(wanted):
        message = f"relation `{node.name}` has {len(columns)} key fields for {len(wanted)}: {', '.join(wanted)}"
        scope.diagnostics.error("CHM0406", message, node.span, help="list as many in `via (…)`")
        return False
    if isinstance(target, ForeignTable):
        return True
    if not scope.require_columns(target, wanted, node):
        return False
    for name, other in zip(columns, wanted, strict=True):
        own, theirs = holder.types[name], target.types[other]
        if not types.comparable(own, theirs):
            message = f"`{holder.name}.{name}` is {own}, but `{target.name}.{other}`, to which it refers, is {theirs}"
            others = (
                Label(holder.columns[name].type_span, own),
                Label(target.columns[other].type_span, theirs),
            )
            scope.diagnostics.error("CHM0404", message, node.head_span, others=others, help="give both the same type")
            return False
    return True


def _options(node: Field) -> dict[str, _Option]:
    found: dict[str, _Option] = {}
    for clause in node.clauses:
        match clause.words:
            case "on delete" | "on update":
                action, columns = clause.value
                found[clause.words.replace(" ", "_")] = _Option(action, node, clause)
                if columns:
                    found["set_columns"] = _Option(columns, node, clause)
            case "match full":
                found["match"] = _Option("full", node, clause)
            case "not valid":
                found["validated"] = _Option(False, node, clause)
            case "not enforced":
                found["enforced"] = _Option(False, node, clause)
            case "deferrable" | "period" | "name":
                found[clause.words] = _Option(clause.value, node, clause)
            case _:
                pass  # `via` and `references` are read elsewhere
    return found


def _merge(scope: Scope, first: _Key, second: _Key) -> None:
    """Both sides may declare one key; what they say must agree."""
    for word, option in second.options.items():
        earlier = first.options.setdefault(word, option)
        if earlier.value != option.value:
            scope.diagnostics.error(
                "CHM0403",
                f"relations `{first.label}` and `{second.label}` are one key and contradict each other",
                option.span,
                others=(Label(earlier.span, "the other side says this"),),
                help="say it on one side",
            )
    first.docs = first.docs or second.docs


def _add(scope: Scope, key: _Key) -> None:
    values = {word: option.value for word, option in key.options.items()}
    name = values.pop("name", None)
    identity = scope.constraint_id(key.holder, name, key.node.head_span)
    obj = ForeignKey(id=identity, columns=key.columns, target=key.target, target_columns=key.target_columns, **values)
    scope.add(key.holder, obj, key.node.span, docs=key.docs)


# --- printing ---


def _print(obj: ForeignKey, page: Page) -> list[Entry]:
    table, schema_table = obj.id.table, obj.id.path[1]
    title = page.title(obj.target)
    first = obj.columns[0]
    wanted = [first.removesuffix("_id")] if len(obj.columns) == 1 and first.endswith("_id") and first != "_id" else []
    wanted += [snake_case(title or obj.target.name)]
    name = page.field_name(table, wanted)
    if title is None:
        target = ".".join(map(enquote, obj.target.path)) + f" ({names_text(obj.target_columns)})"
        text = f"{name_text(name)}: table {target}"
    else:
        text = f"{name_text(name)}: {name_text(title)}"
    text += " via " + (name_text(first) if len(obj.columns) == 1 else f"({names_text(obj.columns)})")
    if title is not None and obj.target_columns != _primary_of(obj.target, page):
        text += f" references ({names_text(obj.target_columns)})"
    default = obj.id.name == object_name(schema_table, "_".join(obj.columns), "fkey") or is_provisional(obj.id.name)
    text += _options_text(obj) + productions.named_text(obj.id.name, default)
    return [Entry(table, obj.id, text, is_field=True)]


def _primary_of(table: Identity, page: Page) -> tuple[str, ...] | None:
    constraints = reversed(page.schema.children(table))  # they come after the columns
    return next((o.columns for o in constraints if isinstance(o, PrimaryKey)), None)


def _options_text(obj: ForeignKey) -> str:
    text = " match full" if obj.match == "full" else ""
    if obj.on_delete != "no action":
        text += f" on delete {obj.on_delete}" + (f" ({names_text(obj.set_columns)})" if obj.set_columns else "")
    if obj.on_update != "no action":
        text += f" on update {obj.on_update}"
    text += " period" if obj.period else ""
    return text + productions.deferrable_text(obj.deferrable) + productions.negation_text(obj.validated, obj.enforced)


SYNTAX = Syntax(
    model=ForeignKey, clauses=_CLAUSES, types={"table": _foreign_table}, claim=_claim, finish=_finish, print=_print
)
