"""Any schema can become any other and go back: every plan runs, leads where it should, and a second one is empty."""

from __future__ import annotations

import re
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from chameleondb.kinds import KINDS
from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from chameleondb.model.schema import Object
from chameleondb.names import Identity
from chameleondb.postgres.catalog import read_schema
from tests.cluster import Cluster, Databases
from tests.migrating import Database
from tests.server.test_edit import Looking

# A column's name stands for types that PostgreSQL converts into each other, with defaults that suit them all.
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "amount": (("int", "bigint", "smallint", "decimal(10, 2)", "float"), ("0", "7", "(1 + 2)")),
    "label": (("string", "string(20)", "char(8)", "Mood"), ('"sad"', "(lower('sad'))")),
    "at": (("timestamptz", "timestamp", "date"), ("now()", "current_date")),
    "Flag": (("bool",), ("true", "false")),
    "data": (("jsonb", "json"), ("('{}')",)),
    "key": (("uuid",), ("uuid()",)),
    "list": (("[int]", "[bigint]"), ("[]",)),
    "serial": (("serial", "bigserial", "bigint identity", "int identity always"), ()),
}
# What may be computed from such a column, whatever its type.
COMPUTED = {"amount": '"amount" > 1', "label": "\"label\" = 'sad'"}
LABELS = ("sad", "happy", "so so", "glücklich")
TABLES = ("User", "Post", "OrderItem")
SINGLE_INDEXES = ("index ({c})", "index ({c} desc)", 'index ({c}) name "by_{t}"', "index ({c}) where ({c} is not null)")


@dataclass(frozen=True, slots=True)
class Column:
    """A field; `name` is of FAMILIES."""

    name: str
    type: str
    nullable: bool
    default: str | None
    comment: str | None

    @property
    def text(self) -> str:
        comment = f"    /// {self.comment}\n" if self.comment else ""
        if self.name == "serial":
            return f"{comment}    serial: {self.type},\n"
        default = self.default
        if self.type == "Mood" and default is not None:
            default = "sad"
        parts = [f"{self.type}{'?' if self.nullable else ''}", f"default {default}" if default else ""]
        return f"{comment}    {self.name}: {' '.join(filter(None, parts))},\n"


@st.composite
def _columns(draw: st.DrawFn) -> list[Column]:
    names = draw(st.lists(st.sampled_from(sorted(FAMILIES)), unique=True, max_size=5))
    columns = []
    for name in names:
        types, defaults = FAMILIES[name]
        columns.append(
            Column(
                name=name,
                type=draw(st.sampled_from(types)),
                nullable=draw(st.booleans()),
                default=draw(st.sampled_from((None, *defaults))),
                comment=draw(st.sampled_from((None, None, "it's", "two"))),
            )
        )
    return columns


@st.composite
def _members(draw: st.DrawFn, entity: str, columns: list[Column]) -> str:
    lines = []
    plain = [c.name for c in columns if c.name not in ("data", "list")]
    if plain:
        for _ in range(draw(st.integers(0, 2))):
            form = draw(st.sampled_from(SINGLE_INDEXES))
            column = draw(st.sampled_from(plain))
            quoted = f'"{column}"'
            lines.append(form.format(c=quoted, t=f"{entity}_{column}".lower()))
        picked = draw(st.lists(st.sampled_from(plain), unique=True, max_size=2))
        if picked:
            form = draw(st.sampled_from(("unique ({})", f'unique ({{}}) name "u_{entity}"', "unique index ({})")))
            lines.append(form.format(", ".join(f'"{p}"' for p in picked)))
        if draw(st.booleans()):
            lines.append(f'check ("{draw(st.sampled_from(plain))}" is not null)')
    return "".join(f"    {line},\n" for line in dict.fromkeys(lines))


@st.composite
def schemas(draw: st.DrawFn) -> str:
    """Draw a schema as `.cham`."""
    entities = draw(st.lists(st.sampled_from(TABLES), unique=True, max_size=3))
    parts = []
    labels = draw(st.lists(st.sampled_from(LABELS[1:]), unique=True, max_size=3))
    parts.append(
        f"enum Mood {{ {', '.join(f'{chr(34)}{x}{chr(34)}' for x in draw(st.permutations(['sad', *labels])))} }}"
    )
    if draw(st.booleans()):
        parts.append(f"sequence ticket start {draw(st.integers(1, 3))}")
    for entity in entities:
        columns = draw(_columns())
        body = draw(st.sampled_from(("    id: bigint primary,\n", "    id: bigint primary identity,\n")))
        body += "".join(c.text for c in columns)
        for column in columns:
            if column.name in COMPUTED and draw(st.booleans()):
                index = draw(st.sampled_from(("", " index")))
                body += f"    is_{column.name}: bool? generated ({COMPUTED[column.name]}){index},\n"
        for target in draw(st.lists(st.sampled_from(entities), unique=True, max_size=2)):
            field = f"{target.lower()}_id"
            action = draw(st.sampled_from(("", " on delete cascade", " on delete set null")))
            body += f"    {field}: bigint?,\n    {target.lower()}: {target}? via {field}{action},\n"
        body += draw(_members(entity, columns))
        comment = draw(st.sampled_from(("", "/// of note\n")))
        parts.append(f"{comment}entity {entity} {{\n{body}}}")
    return "\n".join(parts) + "\n"


@st.composite
def renamed(draw: st.DrawFn, text: str) -> str:
    """Draw a schema that renames an entity or a field of another one, and is otherwise as it was."""
    entity = draw(st.sampled_from(TABLES))
    if f"entity {entity} " in text and draw(st.booleans()):
        text = text.replace(f"entity {entity} {{", f"entity New was {entity} {{").replace(f": {entity}?", ": New?")
    name = draw(st.sampled_from(sorted(FAMILIES)))
    lines = []
    for line in text.splitlines(keepends=True):
        if line.startswith(f"    {name}: "):
            lines.append(line.replace(f"    {name}: ", "    other: ").replace(",\n", f" was {name},\n"))
        else:
            lines.append(line.replace(f'"{name}"', '"other"') if line.startswith("    ") else line)
    return "".join(lines)


def _objects(db: Database) -> dict[Identity, Object]:
    with db.session() as (connection, _):
        return dict(read_schema(connection, KINDS).objects)


def check_there_and_back(cluster: Cluster, one: str, other: str, small_table_bytes: int) -> None:
    """Migrate from one schema to another and back, and see that each is what a database built directly is."""
    databases = Databases(cluster)
    try:
        with tempfile.TemporaryDirectory() as folder:
            db, direct = (Database(databases.new(), Path(folder), small_table_bytes) for _ in range(2))
            note(one)
            db.migrate(one)
            first = _objects(db)
            note("→ " + other)
            note("\n".join(db.statements(other)))
            db.migrate(other)
            direct.migrate(other)
            assert _objects(db) == _objects(direct)
            note("← " + "\n".join(db.statements(one)))
            db.migrate(one)
            assert _objects(db) == first
    finally:
        databases.drop_all()


CALM = settings(
    max_examples=settings().max_examples // 10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@CALM
@given(one=schemas(), other=schemas())
def test_any_schema_becomes_any_other_and_goes_back(cluster: Cluster, one: str, other: str) -> None:
    check_there_and_back(cluster, one, other, SMALL_TABLE_BYTES_DEFAULT)


@CALM
@given(one=schemas(), other=schemas())
def test_and_so_does_any_online(cluster: Cluster, one: str, other: str) -> None:
    check_there_and_back(cluster, one, other, small_table_bytes=-1)  # the empty tables are large, too


@CALM
@given(data=st.data())
def test_renames_keep_what_they_rename(cluster: Cluster, data: st.DataObject) -> None:
    one = data.draw(schemas())
    databases = Databases(cluster)
    try:
        with tempfile.TemporaryDirectory() as folder:
            db = Database(databases.new(), Path(folder))
            db.migrate(one)
            other = data.draw(renamed(one))

            statements = db.migrate(other)
            note("\n".join(statements))
            assert not [s for s in statements if "DROP" in s or "ADD" in s or "CREATE" in s]

    finally:
        databases.drop_all()


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """Draw a schema in which some entities are as in another one."""
    own, other = _entities(text), _entities(draw(schemas()))
    common = sorted(own.keys() & other.keys())
    for name in draw(st.lists(st.sampled_from(common), min_size=1, unique=True)) if common else ():
        text = text.replace(own[name], other[name])
    return text


def _entities(text: str) -> dict[str, str]:
    return {found[2]: found[0] for found in re.finditer(r"(/// of note\n)?entity (\w+) \{.*?^\}", text, re.M | re.S)}


@CALM
@given(data=st.data())
def test_an_edit_is_planned_as_with_everything_in_sight(cluster: Cluster, data: st.DataObject) -> None:
    one = data.draw(schemas())
    databases = Databases(cluster)
    try:
        with tempfile.TemporaryDirectory() as folder:
            database = databases.new()
            Database(database, Path(folder)).migrate(one)
            with closing(Looking(database, Path(folder))) as looking:
                looking.look(one, recall=True)
                for _ in range(3):
                    other = data.draw(edited(one))
                    note(other)
                    assert looking.tell(other, recall=True) == looking.tell(other, recall=False)
    finally:
        databases.drop_all()
