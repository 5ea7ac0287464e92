"""Functions whose bodies are text to PostgreSQL: it lets be dropped or renamed what they speak of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chameleondb.names import Identity, quote
from chameleondb.postgres.session import Connection, translated

# Bodies in SQL's own syntax (BEGIN ATOMIC) are no text: what they speak of is known, and follows.
_BODIES = """
    SELECT i.type || ' ' || i.identity, p.prosrc
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     CROSS JOIN LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_proc'::regclass, p.oid, 0) i
     WHERE l.lanname IN ('sql', 'plpgsql') AND p.prosrc <> ''
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'chameleon')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
     ORDER BY 1"""

_WORD = re.compile(r"[^\W\d][\w$]*")


def read_mentions(connection: Connection, names: Mapping[Identity, Identity]) -> dict[Identity, tuple[str, ...]]:
    """Return the functions that may speak of something, rather too many; `names` maps that to what it is called now.

    Of a column, its table's name must stand in the body, too. Raises: DatabaseError.
    """
    if not names:
        return {}
    with translated():
        bodies = connection.execute(_BODIES.encode()).fetchall()
    found: dict[Identity, tuple[str, ...]] = {}
    for function, body in bodies:
        words = {word.lower() for word in _WORD.findall(body)}
        for identity, name in names.items():
            if all(_stands(part, words, body) for part in name.path[1:]):
                found[identity] = (*found.get(identity, ()), function)
    return found


def _stands(name: str, words: set[str], body: str) -> bool:
    return name in words or (quote(name) != name and quote(name) in body)
