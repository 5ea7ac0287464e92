"""Source texts, spans and diagnostics: mistakes in a schema file are values, collected and shown together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Source:
    """One schema text and what the user calls it (a path, or ``<stdin>``)."""

    name: str
    text: str = field(repr=False)


class Span(NamedTuple):
    """A piece of a source, in characters: `start` inclusive, `end` exclusive."""

    source: Source
    start: int
    end: int
