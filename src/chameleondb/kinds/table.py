"""Ordinary tables. Their columns, constraints and indexes are objects of their own."""

from __future__ import annotations

from dataclasses import dataclass

from chameleondb.names import Identity

# --- Model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, ``relation/<schema>/<name>``.

    `replica_identity` is ``default``, ``nothing``, ``full`` or the name of an index; `options` are storage parameters as
    ``name=value``, sorted, those of the TOAST table with their ``toast.`` prefix.
    """

    id: Identity
    unlogged: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None  # None: the database's default
    access_method: str = "heap"
    replica_identity: str = "default"
    replica_index: str | None = None  # set when replica_identity is "index"
