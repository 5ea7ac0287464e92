"""What a table, column, key or index can be told, any of it may change together with any other, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chameleondb.model.facts import SMALL_TABLE_BYTES_DEFAULT
from tests.cluster import Cluster
from tests.property.test_random_schemas import CALM, check_there_and_back

TABLES = ("User", "Post")
HEADS = ("", "with (fillfactor = 70)", "with (fillfactor = 80, autovacuum_enabled = false)", "replica identity full")
TEXTS = ("string", "string(20)", "char(8)")
NUMBERS = ("int", "bigint", "smallint", "decimal(10, 2)")
COUNTING = ("", "(start 5 increment 2)", "(cache 7 cycle)", "(max 999)", "(cycle)")
OF_TEXTS = {
    "collation": ("", 'collate "C"', 'collate "POSIX"'),
    "storage": ("", "storage external", "storage main", "storage plain"),
    "compression": ("", "compression pglz"),
    "statistics": ("", "statistics 0", "statistics 77"),
    "options": ("", "with (n_distinct = 5)", "with (n_distinct = -0.5, n_distinct_inherited = 3)"),
    "default": ("", 'default "sad"', "default (lower('sad'))"),
}
INDEXES = (
    "index ({} desc)",
    "index ({} desc nulls last, id)",
    "index ({}) using hash",
    "index ({}) using brin",
    "index ({}) include (id)",
    "index ({}) where (id > 3)",
    "index ({}) with (fillfactor = 55)",
    "unique index ({}) nulls not distinct",
)
UNIQUES = ("", "deferrable", "deferrable initially deferred", "include (id)", "nulls not distinct", 'name "{}"')
CHECKS = ("", "no inherit", "not valid", 'name "{}"')
KEYS = ("", "on delete cascade", "on update cascade", "match full", "deferrable initially deferred", "not valid")
EXCLUSIONS = ("", "where (id > 2)", "deferrable", 'name "{}"')


def _field(draw: st.DrawFn, name: str, is_text: bool) -> str:
    if is_text:
        words = [draw(st.sampled_from(TEXTS)) + draw(st.sampled_from(("", "?")))]
        words += [draw(st.sampled_from(choices)) for choices in OF_TEXTS.values()]
    elif draw(st.booleans()):
        words = [draw(st.sampled_from(NUMBERS[:3])), draw(st.sampled_from(("identity", "identity always")))]
        words.append(draw(st.sampled_from(COUNTING)))
    else:
        words = [draw(st.sampled_from(NUMBERS)) + draw(st.sampled_from(("", "?")))]
        words += [draw(st.sampled_from(choices)) for choices in (("", "default 7"), ("", "unique"), ("", "index"))]
    return f"{name}: {' '.join(filter(None, words))}"


def _members(draw: st.DrawFn, table: str, columns: list[str]) -> list[str]:
    found = [draw(st.sampled_from(("primary (id)", 'primary (id) name "{}"', "primary (id) with (fillfactor = 60)")))]
    for column in columns:
        forms = (
            None,
            *INDEXES,
            *(f"unique ({{}}) {x}" for x in UNIQUES),
            *(f"check ({{}} is not null) {x}" for x in CHECKS),
        )
        form = draw(st.sampled_from(forms))
        found += [form.replace("({}", f"({column}")] if form else []
    if draw(st.booleans()):
        found += ["during: tstzrange?", f"exclude using gist (during with &&) {draw(st.sampled_from(EXCLUSIONS))}"]
    return [text.replace("{}", f"{table}_{number}".lower()) for number, text in enumerate(found)]


@st.composite
def schemas(draw: st.DrawFn) -> str:
    """Draw a schema of two tables as `.cham`."""
    parts = []
    for table in TABLES:
        columns = draw(st.lists(st.sampled_from(("a", "b", "n", "m")), unique=True, max_size=3))
        lines = [f"id: {draw(st.sampled_from(('int', 'bigint')))}"]
        lines += [_field(draw, column, is_text=column in "ab") for column in columns]
        lines += _members(draw, table, columns)
        if draw(st.booleans()):
            lines += ["user_id: int?", f"user: User? via user_id {draw(st.sampled_from(KEYS))}"]
        docs = [draw(st.sampled_from(("", "", "/// of note\n"))) for _ in lines]
        body = "".join(f"{doc}{line},\n" for doc, line in zip(docs, lines, strict=True))
        parts.append(f"entity {table} {draw(st.sampled_from(HEADS))} {{\n{body}}}\n")
    return "".join(parts)


@CALM
@given(one=schemas(), other=schemas(), is_large=st.booleans())
def test_any_attributes_become_any_others_and_go_back(cluster: Cluster, one: str, other: str, is_large: bool) -> None:
    check_there_and_back(cluster, one, other, -1 if is_large else SMALL_TABLE_BYTES_DEFAULT)
