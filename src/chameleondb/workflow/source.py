"""Schema files to a declared schema: the library's way in, e.g. ``load(read(project.schema_files()))``.

Files are only read. A `.sql` file holds statements in PostgreSQL's words, anything else is `.cham`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from chameleondb.canonical import sha256
from chameleondb.checker import check
from chameleondb.config import is_sql
from chameleondb.diagnostics import Diagnostic, Diagnostics, Source, Span
from chameleondb.errors import UsageError
from chameleondb.frozen import frozen
from chameleondb.grammar import grammar
from chameleondb.model.declared import Declared, SqlBlock
from chameleondb.syntax import sql
from chameleondb.syntax.parser import parse
from chameleondb.syntax.tokens import SOURCE_BYTES_MAX
from chameleondb.syntax.tree import Tree


@frozen()
class Loaded:
    """A checked schema, its sources, and the warnings that did not stop it."""

    declared: Declared
    sources: tuple[Source, ...]
    warnings: tuple[Diagnostic, ...]
    entities: tuple[str, ...]  # names, in order of declaration
    fields: int  # of all entities, relations not counted


class Files:
    """Schema files that are parsed and checked only when somebody asks what they declare."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)

    @property
    def key(self) -> str:
        """A hash of every byte: the same key means the same declared schema."""
        parts = [part for source in self.sources for part in (source.name, source.text)]
        return sha256("\0".join([str(len(parts)), *(f"{len(part)}:{part}" for part in parts)]))

    @cached_property
    def declared(self) -> Declared:
        """What they declare. Raises: SchemaError."""
        return load(self.sources).declared


def read(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Read schema files; each is named as the user would, relative to the current directory if it lies below it.

    Raises:
        UsageError: a file cannot be read.
        SchemaError: a file is too large or not UTF-8.
    """
    diagnostics = Diagnostics()
    sources = tuple(_read(path, diagnostics) for path in paths)
    diagnostics.raise_errors()
    return sources


def _read(path: Path, diagnostics: Diagnostics) -> Source:
    name = _shown(path)
    try:
        if path.stat().st_size > SOURCE_BYTES_MAX:
            _refuse_size(name, diagnostics)
            return Source(name, "")
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError("CHM0521", f"cannot read {name}: {reason}") from None
    return _decode(name, data, diagnostics)


def read_bytes(name: str, data: bytes) -> Source:
    """Return bytes as a source.

    Raises:
        SchemaError: they are too many or not UTF-8.
    """
    diagnostics = Diagnostics()
    if len(data) > SOURCE_BYTES_MAX:
        _refuse_size(name, diagnostics)
    source = _decode(name, data, diagnostics)
    diagnostics.raise_errors()
    return source


def _refuse_size(name: str, diagnostics: Diagnostics) -> None:
    message = f"the file is larger than {SOURCE_BYTES_MAX // 1024 // 1024} MiB"
    diagnostics.error("CHM0111", message, Span(Source(name, ""), 0, 0), help="split it into several files")


def _decode(name: str, data: bytes, diagnostics: Diagnostics) -> Source:
    try:
        return Source(name, data.decode())
    except UnicodeDecodeError as error:
        source = Source(name, data.decode(errors="replace"))
        at = len(data[: error.start].decode())
        diagnostics.error("CHM0112", "the file is not UTF-8", Span(source, at, at + 1), help="save it as UTF-8")
        return source


def _shown(path: Path) -> str:
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return str(path) if relative.startswith("..") else relative


def load(sources: Sequence[Source]) -> Loaded:
    """Check sources together, as one schema.

    Raises:
        SchemaError: with the diagnostics of all sources, sorted.
    """
    diagnostics = Diagnostics()
    with _paused_collector():
        trees, blocks = parse_all(sources, diagnostics)
        declared = check(trees, blocks, diagnostics)
    diagnostics.raise_errors()
    leads = grammar().leads
    entities = tuple(d.name for tree in trees for d in tree.declarations if leads[d.word].has_members)
    fields = sum(o.id.space == "column" for unit in declared.units for o in unit.objects)
    return Loaded(declared, tuple(sources), diagnostics.sorted, entities, fields)


def parse_all(sources: Sequence[Source], diagnostics: Diagnostics) -> tuple[list[Tree], list[SqlBlock]]:
    """Parse sources one by one; returns the trees of `.cham` and all single statements of SQL."""
    trees: list[Tree] = []
    blocks: list[SqlBlock] = []
    for source in sources:
        if is_sql(source.name):
            blocks += [SqlBlock(text, span) for text, span in sql.statements(source, diagnostics)]
            continue
        tree = parse(source, grammar(), diagnostics)
        if tree is None:
            continue
        trees.append(tree)
        for raw in tree.blocks:
            found = sql.statements(source, diagnostics, start=raw.span.start, end=raw.span.end)
            blocks += [SqlBlock(text, span) for text, span in found]
    return trees, blocks


@contextmanager
def _paused_collector() -> Iterator[None]:
    """A tree has no cycles worth collecting, and looking for them would take a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
