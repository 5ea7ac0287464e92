"""A schema to `.cham`: the inverse of parsing and checking, in the style of the formatter.

Each kind says how its objects are printed, as pieces; here they get their names, their order and their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chameleondb import types
from chameleondb.diagnostics import Source
from chameleondb.formatter import is_in_style, reformat
from chameleondb.kinds import SYNTAXES
from chameleondb.language import Block, Doc, Entry, Line, Modifier, Piece, Syntax
from chameleondb.model.schema import Object, Schema
from chameleondb.names import DEFAULT_NAMESPACE, Identity, qualified_type, shorten
from chameleondb.plurals import pascal_case
from chameleondb.syntax.tokens import name_text


def print_schema(schema: Schema, *, header: str = "") -> str:
    """Return `.cham` text that declares the objects of `schema`; `header` becomes comment lines at the top.

    Expressions are taken as the catalog has them; names are left out where PostgreSQL would choose them again. What
    lies in the schema `public` is meant without saying so.
    """
    page = _Page(schema)
    comment = "\n".join(f"// {line}".rstrip() for line in header.splitlines())
    parts = [*([comment + "\n"] if comment else []), *_declarations(page.pieces())]
    return "\n".join(parts)


def print_files(schema: Schema) -> dict[str, str]:
    """Return the same text in parts: one for each schema of the database, and one, named "", for what lies in none."""
    parts: dict[str, list[Piece]] = defaultdict(list)
    for piece in _Page(schema).pieces():
        owner = piece.of if isinstance(piece, Doc | Block | Line) else piece.owner
        parts[owner.path[0] if len(owner.path) > 1 else ""].append(piece)
    return {name: "\n".join(_declarations(pieces)) for name, pieces in parts.items()}


class _Page:
    """What kinds may ask while they print (`language.Page`)."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._objects: dict[Any, list[Any]] = {syntax.model: [] for syntax in SYNTAXES}
        for obj in schema.objects.values():
            self._objects[type(obj)].append(obj)
        self._titles = _titles(self._objects)
        self._types = {qualified_type(i.path): name for i, name in self._titles.items() if i.space == "type"}
        self._fields: dict[Identity, set[str]] = defaultdict(set)
        self._described: set[Identity] = set()
        self._spelled: dict[str, str] = {}

    def pieces(self) -> Iterator[Piece]:
        """Print all objects, kind by kind; descriptions first, since they decide how other objects are printed."""
        for syntax in SYNTAXES:
            if syntax.describe:
                for piece in self._print(syntax):
                    if isinstance(piece, Doc):
                        self._described.add(piece.of)
                    yield piece
        for syntax in SYNTAXES:
            if not syntax.describe:
                yield from self._print(syntax)

    def _print(self, syntax: Syntax) -> Iterator[Piece]:
        render = syntax.print
        assert render is not None
        for obj in self._objects[syntax.model]:
            yield from render(obj, self)

    def title(self, of: Identity) -> str | None:
        """Return the name of an entity or enum, None if the schema has no such object."""
        return self._titles.get(of)

    def is_described(self, of: Identity) -> bool:
        """Whether an object has a description."""
        return of in self._described

    def type_text(self, sql: str) -> str:
        """Return a type as the language spells it."""
        if sql not in self._spelled:
            self._spelled[sql] = self._spell(sql)
        return self._spelled[sql]

    def _spell(self, sql: str) -> str:
        base = sql.removesuffix("[]")
        if base in self._types:
            return name_text(self._types[base]) + sql[len(base) :]
        spelled = (syntax.spell(sql, self) for syntax in SYNTAXES if syntax.spell)
        return next((text for text in spelled if text), None) or types.friendly(sql)

    def field_name(self, table: Identity, wanted: Iterable[str]) -> str:
        """Take the first free name among the fields of a table; a number is added if none is free."""
        taken, name = self._fields[table], ""
        for name in wanted:
            if name not in taken:
                break
        else:
            name = _numbered(name, taken)
        taken.add(name)
        return name


def _titles(objects: Mapping[Any, Iterable[Object]]) -> dict[Identity, str]:
    """Return a name of its own for each entity and enum; of two that want one, the later says where it lies."""
    titles: dict[Identity, str] = {}
    taken: set[str] = set()
    for syntax in SYNTAXES:
        if syntax.title is None:
            continue
        for obj in objects[syntax.model]:
            name = syntax.title(obj)
            if name in taken and obj.id.path[0] != DEFAULT_NAMESPACE:
                name = shorten(pascal_case(obj.id.path[0]) + name)
            if name in taken:
                name = _numbered(name, taken)
            taken.add(name)
            titles[obj.id] = name
    return titles


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while (candidate := shorten(name, f"_{number}")) in taken:
        number += 1
    return candidate


def _declarations(pieces: Iterable[Piece]) -> Iterator[str]:
    """Yield the declarations; those without a body that follow one another stand together."""
    docs: dict[Identity, list[str]] = {}
    entries: dict[Identity, list[Entry]] = defaultdict(list)
    modifiers: dict[Identity, list[str]] = defaultdict(list)
    declared: list[Block | Line] = []
    for piece in pieces:
        if isinstance(piece, Entry):
            entries[piece.owner].append(piece)
        elif isinstance(piece, Modifier):
            words = modifiers[piece.owner]
            if any(said.partition(" ")[0] == piece.text.partition(" ")[0] for said in words):
                entries[piece.otherwise.owner].append(piece.otherwise)
            else:
                words.append(piece.text)
        elif isinstance(piece, Doc):
            docs[piece.of] = _doc_lines(piece.text)
        else:
            declared.append(piece)
    together: list[str] = []
    for piece in declared:
        if isinstance(piece, Line) and "{" not in piece.text and piece.of not in docs:
            together.append(piece.text)
            continue
        if together:
            yield _styled(together)
            together = []
        above = docs.get(piece.of, [])
        if isinstance(piece, Line):
            yield _styled([*above, piece.text])
            continue
        # Fields come first: columns, then relations; the rest follows in the order of kinds.
        found = entries.pop(piece.of, ())
        members = [(docs.get(e.of, _NO_DOCS), _member(e, modifiers)) for e in found if e.is_field]
        members += [(docs.get(e.of, _NO_DOCS), _member(e, modifiers)) for e in found if not e.is_field]
        yield _block(above, piece.head, members)
    if together:
        yield _styled(together)


_NO_DOCS: list[str] = []


def _member(entry: Entry, modifiers: Mapping[Identity, list[str]]) -> str:
    words = modifiers.get(entry.of)
    if words is None:
        return f"{entry.text} {entry.tail}" if entry.tail else entry.text
    return " ".join((entry.text, *words, *([entry.tail] if entry.tail else [])))


def _block(docs: list[str], head: str, members: list[tuple[list[str], str]]) -> str:
    """Lay out a declaration with members; most are in style as the kinds print them, which saves reading them again."""
    lines = [line for above, text in members for line in (*above, f"{text},")]
    if members and is_in_style(head) and all(is_in_style(text) for _, text in members):
        return "\n".join([*docs, f"{head} {{", *(f"    {line}" for line in lines), "}\n"])
    return _styled([*docs, f"{head} {{", *lines, "}"])


def _styled(lines: list[str]) -> str:
    return reformat(Source("<printed>", "\n".join(lines) + "\n"))


def _doc_lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return [f"/// {line}".rstrip("\r") if line else "///" for line in lines]
