"""The cache of elaborated declarations: less work, the same result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chameleondb.diagnostics import Source
from chameleondb.errors import SchemaError
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target
from chameleondb.workflow.cache import Cache
from chameleondb.workflow.elaboration import Desired, elaborate
from chameleondb.workflow.shadow import Shadows
from chameleondb.workflow.source import Files

BASE = """
enum Plan { free, pro }
/// People.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    plan: Plan default free,
    number: serial,
    check (length(email) > 3),
    index (lower(email)),
}
entity Post in blog {
    id: bigint primary identity,
    author_id: uuid,
    author: User via author_id on delete cascade,
    number: int?,
}
entity Tag { id: int primary, label: string(20) default "none" }
sequence numbers
sequence counted in blog owned by Post.number
enum Mood { sad, happy }
entity Numbered {
    id: bigint primary default (nextval('numbers'::regclass)),
    mood: string,
    check (mood::mood <> cast('sad' as Mood)),
    table_name: string? default ('users'::regclass::text),
    numbered_id: bigint?,
}
"""

CHANGES = {
    "a column": ("label: string(20)", "label: string(30)"),
    "a referenced table": ("email: string unique", "email: string(99) unique"),
    "an enum": ("{ free, pro }", "{ free, pro, team }"),
    "a referring table": ("on delete cascade", "on delete restrict"),
    "a comment": ("/// People.", "/// Persons."),
    "a new entity": (
        "entity Tag",
        "entity Note { id: int primary, post_id: bigint, post: Post via post_id }\nentity Tag",
    ),
    "an entity less": ('entity Tag { id: int primary, label: string(20) default "none" }', ""),
    "an sql block": ("entity Tag", 'sql """ CREATE VIEW v AS SELECT email FROM users """\nentity Tag'),
    "what a sequence is owned by": ("number: int?", "number: bigint?"),
    "an owned sequence": ("counted in blog", "counted in blog increment 2"),
    "beside a sequence that a default draws from": ("numbered_id: bigint?", "numbered_id: int?"),
    "a sequence that a default draws from": ("sequence numbers", "sequence numbers increment 2"),
    "a reference to what draws from a sequence": (
        "entity Tag",
        "entity Note { id: int primary, numbered_id: bigint, n: Numbered via numbered_id }\nentity Tag",
    ),
    "an enum that a check mentions": ("{ sad, happy }", "{ sad, happy, calm }"),
    "an extension type": ("label: string(20)", "spot: vector(3)?, label: string(20)"),
}


class Counting:
    """Opens shadows and counts them."""

    def __init__(self, shadows: Shadows) -> None:
        self.shadows, self.opened = shadows, 0

    @contextmanager
    def __call__(self, extensions: frozenset[str]) -> Iterator[Connection]:
        self.opened += 1
        with self.shadows(extensions) as connection:
            yield connection


@pytest.fixture
def shadows(database: str, tmp_path: Path) -> Iterator[Counting]:
    target = Target(database, "the test database", "a test")
    connection = connect(target)
    yield Counting(Shadows(connection, target, tmp_path))
    connection.close()


def _elaborate(text: str, shadows: Counting, cache: Cache) -> Desired:
    major = shadows.shadows.connection.info.server_version // 10_000
    return elaborate(Files((Source("schema.cham", text),)), shadows, major=major, cache=cache)


def _needs(change: str, shadows: Counting) -> None:
    if change == "an extension type":
        found = shadows.shadows.connection.execute(
            "SELECT FROM pg_available_extensions WHERE name = 'vector'"
        ).fetchone()
        if found is None:
            pytest.skip("this server lacks pgvector")


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_incremental_elaboration_equals_the_full_one(change: str, shadows: Counting, tmp_path: Path) -> None:
    _needs(change, shadows)
    text = BASE.replace(*CHANGES[change])
    assert text != BASE
    cache = Cache(tmp_path / "cache")
    _elaborate(BASE, shadows, cache)
    incremental, full = _elaborate(text, shadows, cache), _elaborate(text, shadows, Cache(None))
    assert dict(incremental.schema.objects) == dict(full.schema.objects)
    assert incremental == full


def test_an_unchanged_schema_needs_no_shadow(shadows: Counting, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = _elaborate(BASE, shadows, cache)
    assert _elaborate(BASE, shadows, cache) == first
    assert shadows.opened == 1


def test_an_edit_that_means_nothing_needs_no_shadow(shadows: Counting, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = _elaborate(BASE, shadows, cache)
    assert _elaborate(f"// A remark.\n{BASE}\n\n", shadows, cache) == first
    assert shadows.opened == 1


@pytest.mark.parametrize("file", ["json", "lines"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format":"other"}', b"\xff\xfe", b"null", None])
def test_a_damaged_cache_is_no_cache(damage: bytes | None, file: str, shadows: Counting, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = _elaborate(BASE, shadows, cache)
    (path,) = (tmp_path / "cache").glob(f"*.{file}")
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert _elaborate(BASE, shadows, cache) == first
    assert shadows.opened == 2
    assert _elaborate(BASE, shadows, cache) == first
    assert shadows.opened == 2  # it is mended


@pytest.mark.parametrize("file", ["json", "lines"])
@pytest.mark.parametrize("rest", [b"", b"\0"], ids=["missing", "zeros"])
def test_a_cache_that_a_power_cut_tore_is_no_cache(rest: bytes, file: str, shadows: Counting, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = _elaborate(BASE, shadows, cache)
    (path,) = (tmp_path / "cache").glob(f"*.{file}")
    content = path.read_bytes()
    for kept in range(0, len(content), len(content) // 7):
        path.write_bytes(content[:kept] + rest * (len(content) - kept))
        assert _elaborate(BASE, shadows, cache) == first
    assert shadows.opened > 7


@pytest.mark.parametrize(
    ("file", "old", "new"), [("lines", '"Table"', '"Chair"'), ("lines", '"text"', '"texts'), ("json", ",0,", ",1,")]
)
def test_a_cache_with_foreign_entries_is_no_cache(
    file: str, old: str, new: str, shadows: Counting, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    first = _elaborate(BASE, shadows, cache)
    (path,) = (tmp_path / "cache").glob(f"*.{file}")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert _elaborate(BASE, shadows, cache) == first


def test_what_is_out_of_use_goes(shadows: Counting, tmp_path: Path) -> None:
    cache, sizes = Cache(tmp_path / "cache"), []
    for number in range(12):
        text = BASE.replace("label: string(20)", f"label: string({20 + number})")
        assert _elaborate(text, shadows, cache) == _elaborate(text, shadows, Cache(None))
        (path,) = (tmp_path / "cache").glob("*.lines")
        sizes.append(path.stat().st_size)
    assert max(sizes) < 4 * sizes[0]
    assert sizes != sorted(sizes)


def test_two_runs_at_once_disturb_nothing(shadows: Counting, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    texts = [BASE.replace("label: string(20)", f"label: string({size})") for size in (20, 30, 40)]
    full = [_elaborate(text, shadows, Cache(None)) for text in texts]
    _elaborate(texts[0], shadows, cache)

    class Meanwhile(Counting):
        @contextmanager
        def __call__(self, extensions: frozenset[str]) -> Iterator[Connection]:
            assert _elaborate(texts[1], shadows, cache) == full[1]
            with shadows(extensions) as connection:
                yield connection

    assert _elaborate(texts[2], Meanwhile(shadows.shadows), cache) == full[2]
    assert [_elaborate(text, shadows, cache) for text in texts] == full


def test_without_a_place_for_a_cache_everything_works(shadows: Counting, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert _elaborate(BASE, shadows, Cache(tmp_path / "cache")) == _elaborate(BASE, shadows, Cache(None))


@pytest.mark.parametrize(
    "member",
    [
        "b: int generated (a + 1) virtual",
        "check (a > 0) not enforced",
        "b: int not null no inherit",
        "unique (r, p) without overlaps",
        "b: int not null name bb not valid",
        "unique (r, p) without overlaps, t: T via (r, p) references (r, p) period",
    ],
)
def test_what_needs_a_newer_server_says_so(member: str, shadows: Counting, server_version: int) -> None:
    text = f"entity T {{ a: int primary, r: int4range?, p: int4range?, {member} }}"
    if server_version >= 180000:
        _elaborate(text, shadows, Cache(None))
        return
    with pytest.raises(SchemaError) as caught:
        _elaborate(text, shadows, Cache(None))
    told = str(caught.value.diagnostics)
    assert f"this server is PostgreSQL {server_version // 10000}; `virtual`, `without overlaps`, `period`," in told
