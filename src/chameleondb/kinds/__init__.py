"""The object kinds: the one list. They are read and, where nothing else decides, created in this order."""

from __future__ import annotations

from typing import Any

from chameleondb.kind import Kind
from chameleondb.kinds import (
    check,
    column,
    comment,
    enum,
    exclusion,
    extension,
    foreign_key,
    index,
    namespace,
    primary_key,
    sequence,
    table,
    unique,
)

KINDS: tuple[Kind[Any], ...] = (
    namespace.KIND,
    extension.KIND,
    enum.KIND,
    table.KIND,
    column.KIND,
    sequence.KIND,
    primary_key.KIND,
    unique.KIND,
    check.KIND,
    exclusion.KIND,
    index.KIND,
    foreign_key.KIND,
    comment.KIND,
)

KIND_OF: dict[type[Any], Kind[Any]] = {kind.model: kind for kind in KINDS}
"""Each kind by its model class."""
