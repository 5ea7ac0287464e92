"""Ordinary tables. Their columns, constraints and indexes are objects of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chameleondb.frozen import frozen
from chameleondb.kind import Alter, Context, Kind
from chameleondb.kinds.clauses import (
    alter_table,
    exclusive,
    follow,
    losing,
    rename_or_move,
    set_options,
    with_sql,
)
from chameleondb.kinds.counting import owned_sequences
from chameleondb.kinds.sequence import Sequence, set_logged
from chameleondb.language import Block, Page, Syntax
from chameleondb.model.oids import Oids
from chameleondb.names import (
    DEFAULT_NAMESPACE,
    NAME_BYTES_MAX,
    Identity,
    bytes_of,
    namespace,
    qualified,
    quote,
    relation,
    type_,
)
from chameleondb.plurals import entity_name, is_entity_name, table_name
from chameleondb.scope import Entity, Scope
from chameleondb.steps import Effort, Lock, LockMode, Step
from chameleondb.syntax import productions
from chameleondb.syntax.cursor import Cursor
from chameleondb.syntax.parser import Lead
from chameleondb.syntax.tokens import enquote, name_text
from chameleondb.syntax.tree import Declaration

# --- Model ---------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Table:
    """A table, ``relation/<schema>/<name>``.

    `replica_identity` is ``default``, ``nothing``, ``full`` or the name of an index; `options` are storage parameters
    as ``name=value``, sorted, those of the TOAST table with their ``toast.`` prefix.
    """

    id: Identity
    unlogged: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None  # None: the database's default
    access_method: str = "heap"
    replica_identity: str = "default"
    replica_index: str | None = None  # set when replica_identity is "index"


# --- Syntax --------------------------------------------------------------------------------------------------------


def _table(cursor: Cursor) -> tuple[str, str]:
    cursor.advance()
    return "table", cursor.name("a table name")


def _was(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    """A quoted former name is a table's, a word is an entity's."""

    def meant(name: str, quoted: bool) -> tuple[str, ...]:
        if quoted:
            return (name,)
        return (table_name(name), name) if name.islower() else (table_name(name),)

    cursor.advance()
    return "was", productions.former_names(cursor, meant)


def _replica(cursor: Cursor) -> tuple[str, tuple[str, str | None]]:
    cursor.advance()
    cursor.expect("identity", "after `replica`")
    word = cursor.one_of(("full", "nothing", "default", "index"), "`full`, `nothing`, `default` or `index`")
    return "replica", (word, cursor.name("an index name") if word == "index" else None)


_HEAD: dict[str, productions.Option] = {
    "in": productions.in_namespace,
    "table": _table,
    "was": _was,
    "unlogged": productions.unlogged,
    "with": productions.storage,
    "tablespace": productions.tablespace,
    "using": productions.using,
    "replica": _replica,
}


def _enter(scope: Scope, node: Declaration) -> None:
    span, help = node.name_span, "names must be unique across all files"
    if not scope.claim(("name", node.name), span, "CHM0201", f"`{node.name}` is declared twice", help):
        return
    name = node.values.get("table") or table_name(node.name)
    if bytes_of(name) > NAME_BYTES_MAX:
        scope.diagnostics.error(
            "CHM0205", f"table name `{name}` has {bytes_of(name)} bytes", span, help='set a shorter one: table "…"'
        )
    identity = relation(scope.use_namespace(node.values.get("schema"), span), name)
    scope.claim_relation(identity, span)
    entity = scope.entities[node.name] = Entity(identity, name=node.name, node=node)
    scope.drafts.append(entity)


def _lower(scope: Scope, node: Declaration) -> None:
    entity = scope.entities.get(node.name)
    if entity is None or entity.node is not node:
        return
    values = node.values
    replica, index = values.get("replica", ("default", None))
    table = Table(
        id=entity.key,
        unlogged="unlogged" in values,
        options=values.get("options", ()),
        tablespace=values.get("tablespace"),
        access_method=values.get("method", "heap"),
        replica_identity=replica,
        replica_index=index,
    )
    scope.add(entity, table, node.name_span, node.name, node.docs)
    if "was" in values:
        scope.hint(entity.key, "entity", node.name_span, was=values["was"])


def _finish(scope: Scope) -> None:
    for entity in scope.entities.values():
        assert entity.node is not None
        if not is_entity_name(entity.name):
            message = f"entity `{entity.name}` is not named in the singular and in Pascal case"
            help = f'usual is `entity {entity_name(entity.name)} table "{entity.table}"`'
            scope.diagnostics.warning("CHM0206", message, entity.node.name_span, help=help)
        unread = entity.node.broken or any(field.clause("primary") for field in entity.node.fields)
        if entity.columns and entity.primary is None and not unread:
            scope.diagnostics.warning(
                "CHM0408",
                f"entity `{entity.name}` has no primary key",
                entity.node.name_span,
                help="add one: id: uuid primary default uuid()",
            )


def _print(obj: Table, page: Page) -> list[Block]:
    title = page.title(obj.id)
    assert title is not None
    head = f"entity {name_text(title)}"
    if obj.id.path[0] != DEFAULT_NAMESPACE:
        head += f" in {name_text(obj.id.path[0])}"
    if table_name(title) != obj.id.name:
        head += f" table {enquote(obj.id.name)}"
    if obj.unlogged:
        head += " unlogged"
    head += productions.storage_text(obj.options) + productions.tablespace_text(obj.tablespace)
    if obj.access_method != "heap":
        head += f" using {name_text(obj.access_method)}"
    if obj.replica_identity != "default":
        head += f" replica identity {obj.replica_identity}"
        head += f" {enquote(obj.replica_index)}" if obj.replica_index else ""
    return [Block(obj.id, head)]


SYNTAX = Syntax(
    model=Table,
    leads={"entity": Lead(lambda cursor: productions.options(cursor, _HEAD), "an entity name", has_members=True)},
    enter=_enter,
    lower=_lower,
    finish=_finish,
    print=_print,
    title=lambda obj: entity_name(obj.id.name),
)


# --- Catalog -------------------------------------------------------------------------------------------------------


_REPLICA_IDENTITY = {"d": "default", "n": "nothing", "f": "full", "i": "index"}


def _query(_version: int) -> str:
    # Partitioned tables, partitions and inheritance children are not modelled: the catalog reader reports them.
    return """
        SELECT c.oid, n.nspname, c.relname, c.relpersistence = 'u',
               c.reloptions, t.reloptions, s.spcname, a.amname, c.relreplident::text,
               (SELECT i.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                 WHERE c.relreplident = 'i' AND x.indrelid = c.oid AND x.indisreplident)
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
          LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
          LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
         WHERE c.relkind = 'r' AND c.relnamespace = ANY(%(namespaces)s) AND NOT c.relispartition AND c.reloftype = 0
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
         ORDER BY n.nspname, c.relname"""


def _decode(row: tuple[Any, ...], _oids: Oids) -> Table:
    _, schema, name, unlogged, options, toast_options, tablespace, method, replica, replica_index = row
    if replica == "i" and replica_index is None:
        replica = "n"  # the index was dropped, and the server takes it so
    return Table(
        id=relation(schema, name),
        unlogged=unlogged,
        options=tuple(sorted([*(options or ()), *(f"toast.{o}" for o in toast_options or ())])),
        tablespace=tablespace,
        access_method=method,
        replica_identity=_REPLICA_IDENTITY[replica],
        replica_index=replica_index,
    )


# --- Changes -------------------------------------------------------------------------------------------------------


def _create(obj: Table, context: Context) -> list[Step]:
    """One CREATE TABLE with every column and constraint that can stand inside it."""
    parts, created = [], [obj.id]
    needs = {namespace(obj.id.path[0])}
    for child in context.target.children(obj.id):
        text = context.inline(child)
        if text is not None:
            parts.append(text)
            created.append(child.id)
            needs.update(context.kinds[type(child)].references(child))
            needs.update(context.target.edges.get(child.id, ()))
    body = ",\n".join(f"    {part}" for part in parts)
    sql = f"CREATE {'UNLOGGED ' if obj.unlogged else ''}TABLE {qualified(obj.id.path)} (\n{body}\n)"
    if not parts:
        sql = sql.replace("\n", "")
    if obj.access_method != "heap":
        sql += f" USING {quote(obj.access_method)}"
    sql += with_sql(obj.options)
    if obj.tablespace:
        sql += f" TABLESPACE {quote(obj.tablespace)}"
    create = Step(sql=sql, creates=tuple(created), needs=tuple(sorted(needs - set(created))))
    return [create, *_set_replica_identity(None, obj, context)] if obj.replica_identity != "default" else [create]


def _set_replica_identity(_old: Table | None, new: Table, context: Context) -> list[Step]:
    word, needs = new.replica_identity.upper(), [new.id]
    if new.replica_index is not None:
        word = f"USING INDEX {quote(new.replica_index)}"
        # The index may be one of its own or belong to a constraint of that name.
        candidates = (
            relation(new.id.path[0], new.replica_index),
            Identity("constraint", (*new.id.path, new.replica_index)),
        )
        needs += [c for c in candidates if c in context.target]
    sql = f"{alter_table(new.id)} REPLICA IDENTITY {word}"
    return [Step(sql=sql, needs=tuple(needs), locks=exclusive(new.id))]


def _drop(obj: Table, context: Context) -> list[Step]:
    # What goes with it takes its locks, such as a foreign key that of the table it refers to.
    steps = (s for o in context.source.children(obj.id) for s in context.kinds[type(o)].drop(o, context))
    locks = dict.fromkeys((*exclusive(obj.id), *(lock for step in steps for lock in step.locks)))
    step = Step(sql=f"DROP TABLE {qualified(obj.id.path)}", drops=(obj.id,), locks=tuple(locks))
    return [losing(step, obj.id, obj.id, context, f"table {obj.id} is dropped with its rows")]


def _set_logged(_old: Table, new: Table, context: Context) -> list[Step]:
    sql = f"{alter_table(new.id)} SET {'UNLOGGED' if new.unlogged else 'LOGGED'}"
    sequences = owned_sequences(new.id, context) if context.facts.server_version >= 150000 else []
    locks = (lock for relation in (new.id, *sequences) for lock in exclusive(relation))
    step = Step(sql=sql, locks=tuple(locks), effort=Effort.REWRITE)
    if new.unlogged:
        what = f"table {new.id} becomes unlogged: a crash of the server empties it"
        step = replace(losing(step, new.id, new.id, context, what), requires_empty=None)
    return [step, *_keep_sequences(new, context)]


def _keep_sequences(table: Table, context: Context) -> list[Step]:
    """From 15, sequences that columns own follow their table: those that are meant to differ are set again."""
    if context.facts.server_version < 150000:
        return []
    owned = (
        o
        for o in context.target.objects.values()
        if isinstance(o, Sequence) and o.id in context.source and o.owned_by and o.owned_by.table == table.id
    )
    return [step for o in owned if o.unlogged != table.unlogged for step in set_logged(o)]


def _set_options(old: Table, new: Table, context: Context) -> list[Step]:
    locks = (Lock(new.id, LockMode.SHARE_UPDATE_EXCLUSIVE),)
    # PostgreSQL forgets those of a TOAST table that is not there yet: a column may bring it.
    toast = any(option.startswith("toast.") and option not in old.options for option in new.options)
    needs = tuple(c.id for c in context.target.children(new.id) if toast and c.id.space == "column")
    statements = set_options(alter_table(new.id), old.options, new.options)
    return [Step(sql=sql, locks=locks, needs=needs) for sql in statements]


def _set_tablespace(_old: Table, new: Table, _context: Context) -> list[Step]:
    sql = f"{alter_table(new.id)} SET TABLESPACE {quote(new.tablespace or 'pg_default')}"
    return [Step(sql=sql, locks=exclusive(new.id), effort=Effort.REWRITE)]


def _set_access_method(_old: Table, new: Table, _context: Context) -> list[Step]:
    sql = f"{alter_table(new.id)} SET ACCESS METHOD {quote(new.access_method)}"
    return [Step(sql=sql, locks=exclusive(new.id), effort=Effort.REWRITE)]


def _rename(old: Table, new: Table) -> Step:
    return rename_or_move(alter_table(old.id), old.id, new.id, exclusive(old.id))


KIND = Kind(
    name="table",
    plural="tables",
    model=Table,
    catalog="pg_class",
    query=_query,
    decode=_decode,
    references=lambda o: [namespace(o.id.path[0])] if o.id.path[0] != DEFAULT_NAMESPACE else [],
    create=_create,
    drop=_drop,
    also_named=lambda o: [type_(*o.id.path)],
    holds_data=True,
    owns_columns=True,
    on_change={
        "unlogged": Alter(_set_logged),
        "options": Alter(_set_options),
        "tablespace": Alter(_set_tablespace),
        "access_method": Alter(_set_access_method),
        "replica_identity": Alter(_set_replica_identity),
        # Said by the rule above unless only the index changes.
        "replica_index": Alter(
            lambda old, new, context: (
                _set_replica_identity(old, new, context) if old.replica_identity == new.replica_identity else []
            )
        ),
    },
    rename=_rename,
    renamed=lambda o, ids: replace(o, id=follow(o.id, ids)),
    resembles=lambda _old, _new: True,
    sql_name=lambda o: f"TABLE {qualified(o.id.path)}",
)
