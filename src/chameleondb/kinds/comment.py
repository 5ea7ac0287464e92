"""Comments, a kind of its own that points at what it describes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds.clauses import follow
from chameleondb.language import Doc, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import Identity, comment, literal
from chameleondb.steps import Lock, LockMode, Step

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Comment:
    """COMMENT ON `target`; its identity is ``comment/<space>/<path…>``."""

    id: Identity
    target: Identity
    text: str


# --- Syntax --------------------------------------------------------------------------------------------------------


def _describe(target: Identity, text: str) -> Comment:
    return Comment(id=comment(target), target=target, text=text)


def _print(obj: Comment, _page: Page) -> list[Doc]:
    return [Doc(obj.target, obj.text)]


SYNTAX = Syntax(model=Comment, describe=_describe, print=_print)


# --- Catalog -------------------------------------------------------------------------------------------------------


def _query(_version: int) -> str:
    return """
        SELECT d.objoid, c.relname, d.objsubid, d.description
          FROM pg_catalog.pg_description d
          JOIN pg_catalog.pg_class c ON c.oid = d.classoid
         WHERE d.objoid >= 16384
           AND NOT (c.relname = 'pg_extension'  -- CREATE EXTENSION has made this one
                    AND d.description IS NOT DISTINCT FROM
                        (SELECT a.comment FROM pg_catalog.pg_available_extensions a
                           JOIN pg_catalog.pg_extension e ON e.extname = a.name WHERE e.oid = d.objoid))
         ORDER BY d.classoid, d.objoid, d.objsubid"""


def _decode(row: tuple[Any, ...], oids: Oids) -> Comment | None:
    oid, catalog, number, text = row
    target = oids.described(catalog, oid)
    if target is None:
        return None  # of an object that is not modelled
    if number:
        target = Identity("column", (*target.path, oids.columns[oid][number]))
    # A `///` line cannot say how it ends, so line ends are all the same to us.
    return Comment(id=comment(target), target=target, text=text.replace("\r\n", "\n").replace("\r", "\n"))


# --- Changes -------------------------------------------------------------------------------------------------------


def _statement(target: Identity, text: str | None, context: Context) -> Step:
    obj = context.target.get(target) or context.source.get(target)
    assert obj is not None
    name = context.kinds[type(obj)].sql_name(obj)
    value = "NULL" if text is None else literal(text)
    locked = target.table if target.space in ("column", "constraint") else target
    locks = (Lock(locked, LockMode.SHARE_UPDATE_EXCLUSIVE),) if locked.space == "relation" else ()
    return Step(sql=f"COMMENT ON {name} IS {value}", needs=(target,), locks=locks)


def _create(obj: Comment, context: Context) -> list[Step]:
    return [replace(_statement(obj.target, obj.text, context), creates=(obj.id,))]


def _drop(obj: Comment, context: Context) -> list[Step]:
    if obj.id in context.target:  # what it is about is made anew, and so described anew
        return []
    return [replace(_statement(obj.target, None, context), needs=(), drops=(obj.id,))]


KIND = Kind(
    name="comment",
    plural="comments",
    model=Comment,
    catalog="pg_description",
    query=_query,
    decode=_decode,
    references=lambda o: (o.target,),
    create=_create,
    drop=_drop,
    parent=lambda o: o.target,
    on_change={
        "target": Alter(lambda _old, _new, _context: []),
        "text": Alter(lambda _old, new, context: [_statement(new.target, new.text, context)]),
    },
    renamed=lambda o, ids: replace(o, id=comment(follow(o.target, ids)), target=follow(o.target, ids)),
    sql_name=lambda _: "",
)
