"""The Syntax section of columns, which has too many clauses for the file of its kind."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from chameleondb import types
from chameleondb.kinds.column.model import Column, Generated, IdentityColumn, NotNull
from chameleondb.kinds.sequence import (
    COUNTING,
    Sequence,
    SequenceOptions,
    counting_text,
    is_serial,
    next_value,
    serial_sequence,
)
from chameleondb.language import Entry, FieldClause, Page, Syntax
from chameleondb.names import column, literal, object_name, quote
from chameleondb.scope import Entity, FieldDraft, Scope
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.tokens import enquote, name_text
from chameleondb.syntax.tree import Field
from chameleondb.syntax.values import KEYWORDS, Value, value

# --- clauses: productions ---


def _flag(_cursor: Cursor) -> bool:
    return True


def _not_null(cursor: Cursor) -> NotNull:
    options = productions.options(cursor, {**productions.NAMED, "no": productions.no_inherit, "not": _not_valid})
    return NotNull(**options)


def _not_valid(cursor: Cursor) -> tuple[str, bool]:
    cursor.advance()
    cursor.expect("valid", "after `not`")
    return "validated", False


def _generated(cursor: Cursor) -> Generated:
    expression = cursor.raw("after `generated`")
    stored = not cursor.accept("virtual")
    if stored:
        cursor.accept("stored")
    return Generated(expression=expression, stored=stored)


def _identity(cursor: Cursor) -> dict[str, Any]:
    values: dict[str, Any] = {"always": cursor.accept("always"), "options": {}}
    if cursor.accept("("):
        values["options"] = productions.options(cursor, COUNTING)
        cursor.expect(")", "after the options of a sequence")
    if cursor.accept("sequence"):
        values["sequence"] = cursor.name("a sequence name")
    return values


def _collation(cursor: Cursor) -> str:
    name = quote(cursor.name("a collation"))
    if cursor.text == ".":
        cursor.advance()
        name += "." + quote(cursor.name("a collation"))
    return name


def _was(cursor: Cursor) -> tuple[str, ...]:
    return cursor.name_or_names("after `was`")


# --- clauses: meaning ---


def _set(key: str) -> Any:
    def apply(_scope: Scope, draft: FieldDraft, value: Any) -> None:
        draft.values[key] = value

    return apply


def _hint(key: str) -> Any:
    def apply(_scope: Scope, draft: FieldDraft, value: Any) -> None:
        draft.hint[key] = value

    return apply


def _apply_default(scope: Scope, draft: FieldDraft, default: Value) -> None:
    labels = scope.type_labels.get(draft.type.removesuffix("[]"))
    if default.label is not None and (labels is None or default.label not in labels):
        span = draft.node.span_of(default.label)
        if labels is None:
            message, help = (
                f"`{default.label}` is no value of type `{draft.node.type.name}`",
                f'a text is quoted: "{default.label}"',
            )
            if default.label.lower() in KEYWORDS:
                help = f"did you mean `{default.label.lower()}`?"
        else:
            message = f"enum `{draft.node.type.name}` has no value `{default.label}`"
            help = scope.diagnostics.did_you_mean(default.label, labels) or f"its values are {', '.join(labels)}"
        scope.diagnostics.error("CHM0305", message, span, help=help)
    if default.is_array and not _may_be_array(scope, draft.type):
        clause = draft.node.clause("default")
        assert clause is not None
        message = f"an array is no value of type `{draft.node.type.name}`"
        help = f'an array has a type like `[{draft.node.type.name}]`; a JSON array is a text: "[]"'
        scope.diagnostics.error("CHM0305", message, draft.node.clause_span(clause), help=help)
    draft.values["default"] = default.sql


def _may_be_array(scope: Scope, type_: str) -> bool:
    """Whether a type is one of arrays, or of one's own, such as a domain: then PostgreSQL knows."""
    base = type_.partition("(")[0].rpartition(".")[2]
    known = type_ in scope.type_labels or base in types.BUILTIN or base in types.EXTENSION_TYPES
    return type_.endswith("[]") or not known


def _apply_identity(_scope: Scope, draft: FieldDraft, values: dict[str, Any]) -> None:
    options = SequenceOptions(type=draft.type, **values["options"])
    draft.values["identity"] = IdentityColumn(always=values["always"], options=options, sequence=values.get("sequence"))
    draft.values["not_null"] = _REQUIRED


def _apply_vector(scope: Scope, draft: FieldDraft, _value: bool) -> None:
    if draft.node.type.name not in types.DIMENSIONED:
        span, name = draft.node.span_of("vector"), draft.node.type.name
        message = f"field `{draft.id.name}` is marked @vector, but its type is `{name}`"
        scope.diagnostics.error("CHM0303", message, span, help="the type of such a field is vector(n)")


def _apply_cache(scope: Scope, draft: FieldDraft, _value: bool) -> None:
    for word in ("primary", "unique"):
        if draft.node.clause(word):
            message = f"field `{draft.id.name}` is {word} and cannot be marked @cache"
            scope.diagnostics.error("CHM0304", message, draft.node.span_of("cache"), help="take `@cache` off")


def _one_of(*words: str) -> Any:
    return lambda cursor: cursor.one_of(words, " or ".join(f"`{w}`" for w in words))


_CLAUSES = {
    "?": FieldClause(_flag, _set("nullable"), relation=True),
    "nullable": FieldClause(_flag, _set("nullable"), relation=True),
    "not null": FieldClause(_not_null, _set("not_null")),
    "default": FieldClause(value, _apply_default, parentheses=True),
    "generated": FieldClause(_generated, _set("generated"), parentheses=True),
    "identity": FieldClause(_identity, _apply_identity, parentheses=True),
    "was": FieldClause(_was, _hint("was"), parentheses=True),
    "collate": FieldClause(_collation, _set("collation")),
    "storage": FieldClause(_one_of("plain", "external", "extended", "main"), _set("storage")),
    "compression": FieldClause(_one_of("pglz", "lz4"), _set("compression")),
    "statistics": FieldClause(lambda cursor: cursor.integer("a number"), _set("statistics")),
    "with": FieldClause(productions.parameters, _set("options"), parentheses=True),
    "backfill": FieldClause(lambda cursor: cursor.raw("after `backfill`"), _hint("backfill"), parentheses=True),
    "using": FieldClause(lambda cursor: cursor.raw("after `using`"), _hint("using"), parentheses=True),
    "@ cache": FieldClause(_flag, _apply_cache),
    "@ vector": FieldClause(_flag, _apply_vector),
    "@ olap": FieldClause(_flag, _set("annotated")),
    "@ ml": FieldClause(_flag, _set("annotated")),
}


# --- fields ---


_REQUIRED = NotNull()


def _serial(scope: Scope, node: Field) -> str | None:
    name = node.type
    serial = types.SERIALS.get(name.name.lower())
    if serial is None or name.quoted or name.schema or name.many or name.array or name.name in scope.named_types:
        return None
    return serial


def _claim(scope: Scope, entity: Entity, node: Field) -> bool:
    if node.type.outside is not None:
        return False
    serial = _serial(scope, node)
    type_ = serial or scope.resolve_type(node)
    if type_ is None:
        return False
    identity = column(entity.key, node.name)
    draft = FieldDraft(entity, node, identity, type_)
    if serial:
        _make_serial(scope, draft)
    for clause in node.clauses:
        apply = scope.clauses[clause.words]
        if apply is None:
            _refuse(scope, node, clause.words)
        else:
            apply(scope, draft, clause.value)
    entity.columns[node.name] = node
    entity.types[node.name] = type_
    values = draft.values
    values.pop("annotated", None)
    nullable = values.pop("nullable", False)
    if nullable and "not_null" in values:
        message = f"field `{node.name}` cannot be both nullable and required"
        help = "serial, identity and `not null` make it required: take one off"
        scope.diagnostics.error("CHM0310", message, node.head_span, help=help)
    if not nullable:
        values.setdefault("not_null", _REQUIRED)
    obj = Column(id=identity, type=type_, position=len(entity.columns), **values)
    scope.add(entity, obj, node.head_span, docs=node.docs)
    for extra, span in draft.after:
        scope.add(entity, extra, span)
    if draft.hint:
        was = node.clause("was")
        scope.hint(identity, "field", node.clause_span(was) if was else node.head_span, **draft.hint)
    return True


def _make_serial(scope: Scope, draft: FieldDraft) -> None:
    sequence = serial_sequence(draft.entity.key, draft.id.name, draft.type)
    scope.claim_relation(sequence.id, draft.node.head_span)
    draft.values["default"] = next_value(sequence.id)
    draft.values["not_null"] = _REQUIRED
    draft.after.append((sequence, draft.node.head_span))


def _refuse(scope: Scope, node: Field, words: str) -> None:
    clause = node.clause(words)
    assert clause is not None
    scope.diagnostics.error(
        "CHM0119",
        f"`{words}` belongs to a relation, but `{node.name}` is a field of type `{node.type.name}`",
        node.clause_span(clause),
        help=scope.diagnostics.did_you_mean(node.type.name, scope.entities),
    )


def _finish(scope: Scope) -> None:
    """A primary key makes its columns required."""
    for entity in scope.entities.values():
        for name in entity.primary or ():
            node = entity.columns[name]
            identity = column(entity.key, name)
            obj = entity.objects.get(identity)  # none if its type is unknown, which was said
            if isinstance(obj, Column) and obj.not_null is None:
                entity.objects[identity] = replace(obj, not_null=_REQUIRED)
                message = f"field `{name}` is part of the primary key and never null"
                scope.diagnostics.warning("CHM0309", message, node.span_of("?"), help="take `?` off")


# --- printing ---

_PLAIN_DEFAULT = re.compile(r"-?\d+(?:\.\d+)?\Z|true\Z|false\Z|\w+\(\)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?\Z")
_INTEGERS = (("integer", 31), ("bigint", 63))  # what PostgreSQL tries for a number without a point, with their bits
_LONGEST_BIGINT = len(str(-(2**63)))
_TYPED_STRING = re.compile(r"'((?:[^']|'')*)'::([\w\s\".]+(?:\[\])?)\Z")


def _default_text(obj: Column) -> str:
    default = obj.default
    assert default is not None
    if default == "gen_random_uuid()":
        return "uuid()"
    if _PLAIN_DEFAULT.match(default) and default not in {"uuid()", "uuid_v4()"}:
        return default
    if default in KEYWORDS.values():
        return default.lower()
    if default == f"'{{}}'::{obj.type}" and obj.type.endswith("[]"):
        return "[]"
    typed = _TYPED_STRING.match(default)
    if typed and _NUMBER.match(typed[1]) and typed[2] == _type_of_number(typed[1]):
        return typed[1]
    if typed and typed[2] == obj.type.partition("(")[0] and not obj.type.endswith("[]"):
        text = typed[1].replace("''", "'")
        if literal(text) == f"'{typed[1]}'":
            return enquote(text)
    return f"({default})"


def _type_of_number(text: str) -> str:
    """Return the type of a bare number; PostgreSQL prints a negative or large one as a text of that type."""
    if "." in text or len(text) > _LONGEST_BIGINT:
        return "numeric"
    number = int(text)
    return next((name for name, bits in _INTEGERS if -(2**bits) <= number < 2**bits), "numeric")


def _words(obj: Column, is_serial: bool) -> list[str]:
    """Return the modifiers of a column in the order in which they are printed."""
    words: list[str] = []
    if obj.generated:
        words.append(f"generated ({obj.generated.expression})" + ("" if obj.generated.stored else " virtual"))
    if obj.identity:
        words.append(_identity_text(obj.identity))
    if obj.default is not None and not is_serial:
        words.append(f"default {_default_text(obj)}")
    if obj.collation:
        words.append(f"collate {obj.collation}")
    words += [f"storage {obj.storage}"] if obj.storage else []
    words += [f"compression {obj.compression}"] if obj.compression else []
    words += [f"statistics {obj.statistics}"] if obj.statistics is not None else []
    words += [productions.storage_text(obj.options).strip()] if obj.options else []
    rule = obj.not_null
    if rule and (not rule.inherit or not rule.validated or _is_named(obj)):
        words.append(_not_null_text(obj))
    return words


def _is_named(obj: Column) -> bool:
    name = obj.not_null.name if obj.not_null else None
    return name is not None and name != object_name(obj.id.path[1], obj.id.name, "not_null")


def _not_null_text(obj: Column) -> str:
    rule = obj.not_null
    assert rule is not None
    text = "not null" + (productions.named_text(rule.name or "", not _is_named(obj)))
    return text + ("" if rule.inherit else " no inherit") + ("" if rule.validated else " not valid")


def _identity_text(identity: IdentityColumn) -> str:
    counting = counting_text(identity.options)
    text = "identity" + (" always" if identity.always else "") + (f" ({counting})" if counting else "")
    return text + (f" sequence {enquote(identity.sequence)}" if identity.sequence else "")


def _owns_serial(obj: Column, page: Page) -> bool:
    if obj.default is None or not obj.default.startswith("nextval("):
        return False
    sequence = page.schema.get(serial_sequence(obj.id.table, obj.id.name, obj.type).id)
    return isinstance(sequence, Sequence) and is_serial(sequence, obj) and not page.is_described(sequence.id)


def _print(obj: Column, page: Page) -> list[Entry]:
    identity, table = obj.id, obj.id.table
    is_serial = _owns_serial(obj, page)
    type_text = _SERIALS[obj.type] if is_serial else page.type_text(obj.type)
    name = page.field_name(table, (identity.name,))
    question = "" if obj.not_null else "?"
    tail = " ".join(_words(obj, is_serial))
    return [Entry(table, identity, f"{name_text(name)}: {type_text}{question}", tail, is_field=True)]


_SERIALS = {"integer": "serial", "bigint": "bigserial", "smallint": "smallserial"}


SYNTAX = Syntax(model=Column, clauses=_CLAUSES, claim=_claim, finish=_finish, print=_print)
