"""Chameleon: declare a PostgreSQL schema, see exactly what will change, apply it safely.

The library in six lines:

    from pathlib import Path
    import chameleondb as cham

    files = cham.Files(cham.read([Path("schema.cham")]))
    target = cham.parse_url("postgresql://localhost/shop")
    with cham.connect(target) as connection:
        what = cham.preview(connection, files, cham.Shadows(connection, target, Path(".chameleon/local")))
        print(*what.plan.sql, sep=";\\n")

Everything else may change between minor releases. The names are imported when they are first used, so that importing
the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chameleondb.errors import ChameleonError
    from chameleondb.postgres.session import connect
    from chameleondb.postgres.url import parse as parse_url
    from chameleondb.workflow.introspect import introspect
    from chameleondb.workflow.migrate import Preview, preview, prove_first
    from chameleondb.workflow.migrate import apply as migrate
    from chameleondb.workflow.shadow import Shadows
    from chameleondb.workflow.source import Files, read

__version__ = "0.1.0"

_HOMES = {
    "ChameleonError": "errors",
    "Files": "workflow.source",
    "Preview": "workflow.migrate",
    "Shadows": "workflow.shadow",
    "connect": "postgres.session",
    "introspect": "workflow.introspect",
    "migrate": "workflow.migrate:apply",
    "parse_url": "postgres.url:parse",
    "preview": "workflow.migrate",
    "prove_first": "workflow.migrate",
    "read": "workflow.source",
}

__all__ = [
    "ChameleonError",
    "Files",
    "Preview",
    "Shadows",
    "connect",
    "introspect",
    "migrate",
    "parse_url",
    "preview",
    "prove_first",
    "read",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, original = home.partition(":")
    return getattr(importlib.import_module(f"chameleondb.{module}"), original or name)
