"""What names mean while a tree becomes a model: the checker lends a `Scope` to the kinds.

Entities and enums share one set of names; tables, indexes and sequences of a schema another, as in PostgreSQL. Every
object goes in by `add`, so that its place and the user's word for it are known to whatever reports on it later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chameleondb import types
from chameleondb.diagnostics import Diagnostics, Label, Span
from chameleondb.model.declared import Hint, Places
from chameleondb.model.schema import Object
from chameleondb.names import DEFAULT_NAMESPACE, Identity, constraint, former_places, provisional, qualified_type, quote
from chameleondb.syntax.habits import TYPES, advice
from chameleondb.syntax.tree import Declaration, Field, Member, TypeName


@dataclass(slots=True)
class Draft:
    """The objects of one declaration, on their way to a unit."""

    key: Identity
    objects: dict[Identity, Object] = field(default_factory=dict)


@dataclass(slots=True)
class Entity(Draft):
    """A declared entity and what is known of it so far."""

    name: str = ""
    node: Declaration | None = None
    columns: dict[str, Field] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # of columns, as SQL
    primary: tuple[str, ...] | None = None
    primary_span: Span | None = None
    unnamed: int = 0

    @property
    def schema(self) -> str:
        """The namespace of its table."""
        return self.key.path[0]

    @property
    def table(self) -> str:
        """The name of its table."""
        return self.key.path[1]


@dataclass(slots=True)
class FieldDraft:
    """A field on its way to a column: clauses fill `values`; objects that they add beside it go to `after`."""

    entity: Entity
    node: Field
    id: Identity
    type: str
    values: dict[str, Any] = field(default_factory=dict)
    hint: dict[str, Any] = field(default_factory=dict)
    after: list[tuple[Object, Span]] = field(default_factory=list)


class Scope:
    """All names of a schema, and the objects made so far."""

    def __init__(
        self, diagnostics: Diagnostics, sql_words: Callable[[], frozenset[str]], describe: Callable[..., Object]
    ) -> None:
        self.diagnostics = diagnostics
        self.describe = describe
        self.drafts: list[Draft] = []
        self.entities: dict[str, Entity] = {}
        self.named_types: dict[str, str] = {}
        self.type_labels: dict[str, tuple[str, ...]] = {}  # enum type as SQL → its labels
        self.extensions: dict[str, str | None] = {}  # declared ones and their schema
        self.needed_extensions: dict[str, Span] = {}
        self.namespaces: dict[str, Span] = {}  # used ones
        self.pending: dict[str, list[Any]] = {}  # what a kind keeps until its `finish`
        self.hints: dict[Identity, Hint] = {}
        self.places = Places()
        self.labels: dict[Identity, str] = {}
        self._former: dict[tuple[str, Identity], tuple[Identity, Span]] = {}  # who says to have been it, and where
        self._names: dict[tuple[str, ...], Span] = {}
        self._types: dict[tuple[Any, ...], str | None] = {}
        self._sql_words = sql_words
        self.clauses: dict[str, Callable[[Scope, FieldDraft, Any], None] | None] = {}  # what each means for a column

    # --- objects ---

    def draft(self, key: Identity) -> Draft:
        """Open the unit of a declaration."""
        draft = Draft(key)
        self.drafts.append(draft)
        return draft

    def add(self, draft: Draft, obj: Object, span: Span, label: str | None = None, docs: tuple[str, ...] = ()) -> None:
        """Put an object into a unit; `docs` become its description."""
        draft.objects[obj.id] = obj
        self.places.add(obj.id, span)
        if label:
            self.labels[obj.id] = label
        if docs:
            comment = self.describe(obj.id, "\n".join(docs))
            draft.objects[comment.id] = comment
            self.places.add(comment.id, span)

    def hint(self, identity: Identity, word: str, span: Span, **values: Any) -> None:
        """Keep facts about the way to an object; `word` says what it is, `span` where its former names are said."""
        hint = self.hints[identity] = Hint(**values)
        for place in dict.fromkeys(place for name in hint.was for place in former_places(identity, name)):
            first, at = self._former.setdefault((word, place), (identity, span))
            if first != identity:
                both = " and ".join(f"`{self.labels.get(i, i.name)}`" for i in (first, identity))
                self.diagnostics.error(
                    "CHM0210",
                    f"{both} both say that they were `{place}`",
                    span,
                    "said again here",
                    others=(Label(at, "said here first"),),
                    help="only one of them gets what that holds: take the name out of the other `was`",
                )
                return

    def constraint_id(self, entity: Entity, name: str | None, span: Span) -> Identity:
        """Return the identity of a constraint; a provisional one when the user gave no name."""
        if name is None:
            entity.unnamed += 1
            return constraint(entity.key, provisional(entity.unnamed))
        self.claim(
            ("constraint", *entity.key.path, name),
            span,
            "CHM0207",
            f"constraint `{name}` of `{entity.name}` is declared twice",
        )
        return constraint(entity.key, name)

    # --- names ---

    def claim(self, key: tuple[str, ...], span: Span, code: str, message: str, help: str | None = None) -> bool:
        """Take a name that may occur once; report both places and return False if it is taken."""
        first = self._names.setdefault(key, span)
        if first is span:
            return True
        self.diagnostics.error(
            code, message, span, "declared again here", others=(Label(first, "declared here first"),), help=help
        )
        return False

    def is_taken(self, identity: Identity) -> bool:
        """Whether a relation name is in use."""
        return ("relation", *identity.path) in self._names

    def claim_relation(self, identity: Identity, span: Span) -> bool:
        """Take a name among tables, indexes and sequences, which share one set of names."""
        message = f"two tables, indexes or sequences are called `{identity}`"
        return self.claim(("relation", *identity.path), span, "CHM0203", message, help="give one of them another name")

    def use_namespace(self, name: str | None, span: Span) -> str:
        """Return the namespace, `public` by default, and note that it is needed."""
        if name is None:
            return DEFAULT_NAMESPACE
        self.namespaces.setdefault(name, span)
        return name

    # --- lookups ---

    def require_columns(self, entity: Entity, names: Iterable[str], node: Field | Member) -> bool:
        """Report names that are no columns of `entity`; return whether all are."""
        valid = True
        for name in names:
            if name not in entity.columns:
                valid = False
                self.no_field(entity, name, node.span_of(name))
        return valid

    def no_field(self, entity: Entity, name: str, span: Span) -> None:
        """Report a field that does not exist; one that was declared but did not parse has been reported."""
        if entity.node and name in entity.node.broken:
            return
        known = ", ".join(list(entity.columns)[:12])
        help = self.diagnostics.did_you_mean(name, entity.columns) or (f"its fields are {known}" if known else None)
        others = (Label(entity.node.name_span, f"`{entity.name}` is declared here"),) if entity.node else ()
        self.diagnostics.error(
            "CHM0214",
            f"entity `{entity.name}` has no field `{name}`",
            span,
            f"not a field of `{entity.name}`",
            help=help,
            others=others,
        )

    def resolve_type(self, field: Field) -> str | None:
        """Return a field's type as SQL, as the catalog spells it where that is known; None if the name is no type."""
        node = field.type
        key = (node.name, node.schema, node.quoted, node.arguments, node.tail)
        base = self._types.get(key)
        if base is None and key not in self._types:
            mistakes = len(self.diagnostics)
            base = self._resolve(field)
            if len(self.diagnostics) == mistakes:
                self._types[key] = base
        return base + "[]" if base and (node.many or node.array) else base

    def _resolve(self, field: Field) -> str | None:
        node = field.type
        arguments = f"({node.arguments})" if node.arguments else ""
        if node.schema is not None:
            return self._qualified(node, arguments)
        if node.name in self.named_types:
            return self.named_types[node.name]
        if node.quoted:
            return '"char"' if node.name == "char" else self._provided(field, arguments)
        if node.name in self.entities:
            return None
        try:
            found = types.builtin(node.name, node.arguments, node.tail)
        except ValueError as error:
            self.diagnostics.error("CHM0302", str(error), field.type_span)
            return types.builtin(node.name, None, "")
        return found or self._provided(field, arguments)

    def _qualified(self, node: TypeName, arguments: str) -> str:
        assert node.schema is not None
        if node.schema == "pg_catalog":
            found = (
                '"char"' if node.quoted and node.name == "char" else types.builtin(node.name, node.arguments, node.tail)
            )
            if found:
                return found
        return qualified_type((node.schema, node.name)) + arguments

    def _provided(self, field: Field, arguments: str) -> str | None:
        """Find a type that an extension or a statement of the user provides."""
        node = field.type
        name = node.name if node.quoted else node.name.lower()
        extension = types.EXTENSION_TYPES.get(name)
        if extension:
            if extension not in self.extensions:
                self.needed_extensions.setdefault(extension, field.type_span)
            if name in types.DIMENSIONED and node.arguments == "0":
                self.diagnostics.error("CHM0306", f"type `{name}` needs at least 1 dimension", field.type_span)
            return qualified_type((self.extensions.get(extension) or DEFAULT_NAMESPACE, name)) + arguments
        unknown_extensions = self.extensions.keys() - types.TYPELESS_EXTENSIONS
        if name.lower() in self._sql_words():
            return qualified_type((DEFAULT_NAMESPACE, name)) + arguments
        return quote(name) + arguments if unknown_extensions else None

    def no_entity(self, name: str, span: Span) -> None:
        """Report an entity that does not exist."""
        help = self.diagnostics.did_you_mean(name, self.entities)
        help = help or 'declare it, or name a table that no entity declares: `table "…" (id)`'
        self.diagnostics.error("CHM0401", f"unknown entity `{name}`", span, "no entity has this name", help=help)

    @cached_property
    def _type_names(self) -> Collection[str]:
        """All that a field's type can be called, once every declaration has entered its name."""
        return dict.fromkeys((*self.named_types, *self.entities, *types.BUILTIN, *types.EXTENSION_TYPES))

    def unknown_type(self, node: Field) -> None:
        """Report a field whose type is neither a type nor an entity."""
        name = node.type.name
        if node.clause("via"):
            self.no_entity(name, node.type_span)
            return
        if node.type.quoted and name.lower() in types.BUILTIN:
            help: str | None = f"take the quotes off: {name}"
        else:
            help = advice(name, self._type_names, TYPES, self.diagnostics)
        help = help or ('a type of an extension needs `extension "…"`, any other a `sql` block that creates it')
        self.diagnostics.error(
            "CHM0301", f"unknown type `{name}`", node.type_span, "neither a type nor an entity", help=help
        )
