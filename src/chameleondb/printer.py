"""A schema to `.cham`: the inverse of parsing and checking, in the style of the formatter.

Each kind says how its objects are printed, as pieces; here they get their names, their order and their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from chameleondb import types
from chameleondb.diagnostics import Source
from chameleondb.formatter import is_in_style, reformat
from chameleondb.kinds import SYNTAXES
from chameleondb.language import Block, Doc, Entry, Line, Modifier, Piece
from chameleondb.model.schema import Object, Schema
from chameleondb.names import DEFAULT_NAMESPACE, Identity, qualified_type, shorten
from chameleondb.plurals import pascal_case
from chameleondb.syntax.tokens import name_text

_SYNTAX_OF = {syntax.model: syntax for syntax in SYNTAXES}
_RANK = {syntax.model: number for number, syntax in enumerate(SYNTAXES)}


def print_schema(schema: Schema, *, header: str = "") -> str:
    """Return `.cham` text that declares the objects of `schema`; `header` becomes comment lines at the top.

    Expressions are taken as the catalog has them; names are left out where PostgreSQL would choose them again. What
    lies in the schema `public` is meant without saying so.
    """
    page = _Page(schema)
    comment = "\n".join(f"// {line}".rstrip() for line in header.splitlines())
    parts = [*([comment + "\n"] if comment else []), *_declarations(list(page.pieces()))]
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
        self._objects = sorted(schema.objects.values(), key=lambda o: _RANK[type(o)])
        self._titles = _titles(self._objects)
        self._types = {qualified_type(i.path): name for i, name in self._titles.items() if i.space == "type"}
        self._fields: dict[Identity, set[str]] = defaultdict(set)
        self._described: set[Identity] = set()
        self._spelled: dict[str, str] = {}

    def pieces(self) -> Iterator[Piece]:
        """Print all objects, kind by kind; descriptions first, since they decide how other objects are printed."""
        for obj in self._objects:
            if _SYNTAX_OF[type(obj)].describe:
                for piece in self._print(obj):
                    if isinstance(piece, Doc):
                        self._described.add(piece.of)
                    yield piece
        for obj in self._objects:
            if not _SYNTAX_OF[type(obj)].describe:
                yield from self._print(obj)

    def _print(self, obj: Object) -> Iterable[Piece]:
        render = _SYNTAX_OF[type(obj)].print
        assert render is not None
        return render(obj, self)

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
        taken, candidates = self._fields[table], list(wanted)
        name = next((n for n in candidates if n not in taken), None) or _numbered(candidates[-1], taken)
        taken.add(name)
        return name


def _titles(objects: Iterable[Object]) -> dict[Identity, str]:
    """Return a name of its own for each entity and enum; of two that want one, the later says where it lies."""
    titles: dict[Identity, str] = {}
    taken: set[str] = set()
    for obj in objects:
        wish = _SYNTAX_OF[type(obj)].title
        if wish is None:
            continue
        name = wish(obj)
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


def _declarations(pieces: list[Piece]) -> Iterator[str]:
    """Yield the declarations; those without a body that follow one another stand together."""
    docs = {p.of: _doc_lines(p.text) for p in pieces if isinstance(p, Doc)}
    entries: dict[Identity, list[Entry]] = defaultdict(list)
    modifiers: dict[Identity, list[str]] = defaultdict(list)
    for piece in pieces:
        if isinstance(piece, Entry):
            entries[piece.owner].append(piece)
        elif isinstance(piece, Modifier):
            modifiers[piece.owner].append(piece.text)
    together: list[str] = []
    for piece in pieces:
        if isinstance(piece, Line) and "{" not in piece.text and piece.of not in docs:
            together.append(piece.text)
            continue
        if not isinstance(piece, Block | Line):
            continue
        if together:
            yield _styled(together)
            together = []
        above = docs.get(piece.of, [])
        if isinstance(piece, Line):
            yield _styled([*above, piece.text])
            continue
        # Fields come first: columns, then relations; the rest follows in the order of kinds.
        members = [
            (docs.get(entry.of, []), " ".join(w for w in (entry.text, *modifiers[entry.of], entry.tail) if w))
            for entry in sorted(entries[piece.of], key=lambda e: not e.is_field)
        ]
        yield _block(above, piece.head, members)
    if together:
        yield _styled(together)


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
