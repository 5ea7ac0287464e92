"""Database URLs: every accepted form, and no password in any message."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from chameleondb.errors import UsageError
from chameleondb.postgres.url import Target, parse, redact

SECRET = "s3cret"


def _fields(text: str, **environment: str) -> dict[str, object]:
    found: dict[str, object] = dict(conninfo_to_dict(parse(text, environment=environment).conninfo))
    assert found.pop("connect_timeout") == "10"
    return found


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "PostgreSQL", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"],
)
def test_schemes(scheme: str) -> None:
    fields = _fields(f"{scheme}://ann:{SECRET}@db.example:5433/shop")
    assert fields == {"user": "ann", "password": SECRET, "host": "db.example", "port": "5433", "dbname": "shop"}


def test_many_hosts_and_parameters() -> None:
    fields = _fields("postgres://a:1,b:2/shop?target_session_attrs=read-write")
    assert fields == {"host": "a,b", "port": "1,2", "dbname": "shop", "target_session_attrs": "read-write"}


def test_a_password_with_a_question_mark() -> None:
    assert _fields("postgres://ann:a?ssl=b@db/shop?ssl=true") == {
        "user": "ann", "password": "a?ssl=b", "host": "db", "dbname": "shop", "sslmode": "require"
    }  # fmt: skip


def test_keywords_and_service() -> None:
    assert _fields("host=db dbname = shop password='a b'") == {"host": "db", "dbname": "shop", "password": "a b"}
    assert _fields("service=shop") == {"service": "shop"}
    assert parse("service=shop", environment={}).display == "service=shop"


def test_nothing_means_the_variables_of_libpq() -> None:
    target = parse("", environment={"PGHOST": "db", "PGUSER": "ann", "PGDATABASE": "shop", "PGPASSWORD": SECRET})
    assert target.display == "postgresql://ann@db/shop"


def test_a_time_limit_of_the_user_stays() -> None:
    assert conninfo_to_dict(parse("host=db connect_timeout=3", environment={}).conninfo)["connect_timeout"] == "3"
    assert "connect_timeout" not in parse("host=db", environment={"PGCONNECT_TIMEOUT": "5"}).conninfo


@pytest.mark.parametrize("reference", ["env:SHOP", "$SHOP", "${SHOP}"])
def test_references_to_variables(reference: str) -> None:
    target = parse(reference, environment={"SHOP": "postgres://db/shop"})
    assert (target.display, target.origin) == ("postgresql://db/shop", "environment variable SHOP")


def test_a_reference_to_nothing() -> None:
    with pytest.raises(UsageError, match="environment variable SHOP is not set or empty"):
        parse("env:SHOP", environment={"SHOP": ""})


@pytest.mark.parametrize("name", ["1X", "ÄÖ"])
def test_a_reference_to_what_no_variable_can_be_called(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be the name of an environment variable"):
        parse(f"env:{name}", environment={name: "postgres://db/shop"})


def test_a_reference_to_itself() -> None:
    with pytest.raises(UsageError) as caught:
        parse("$A", environment={"A": "$B", "B": "$A"})
    assert caught.value.code == "CHM0531"


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgres://ann:{SECRET}@db/shop\n")
    target = parse("file:url", folder=tmp_path, origin="--database-url", environment={})
    assert target.display == "postgresql://ann:***@db/shop"
    assert target.origin == f"{tmp_path / 'url'}, named by --database-url"
    with pytest.raises(UsageError, match="cannot read"):
        parse("file:other", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "name"), [("embedded", "main"), ("embedded:shop", "shop"), ("embedded:shop-16", "shop-16")]
)
def test_embedded(text: str, name: str) -> None:
    assert parse(text, origin="here") == Target("", f"embedded:{name}", "here", embedded=name)


def test_embedded_names_cannot_leave_their_folder() -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        parse("embedded:../../etc")


@pytest.mark.parametrize("text", ["mysql://h/d", "sqlite:///x.db", "mysql+pymysql://h/d", "mongodb://h"])
def test_other_databases(text: str) -> None:
    with pytest.raises(UsageError, match="is not supported"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://u:{SECRET}%zz@h/d",
        f"postgres://u:x@{SECRET}@h/d",
        f"postgres://u:x/{SECRET}@h/d",
        f"postgres://u:x?y@{SECRET}@h/d",
        f"postgres://u:{SECRET}#x",
        f"postgres:/u:{SECRET}@h/d",
        f"postgresql+asyncp://u:{SECRET}@h/d",
        f"postgresql://u:{SECRET}@[::1/d",
        f"postgresql://u:{SECRET}@h:port/d",
        f"postgresql://u:{SECRET}@h/d?nonsense=1",
        f"host=h password={SECRET} nonsense",
        f"host=h password='{SECRET}",
        f"host=h passwort={SECRET}",
        f"u:{SECRET}@h/d",
        f"postgres://u:{SECRET}\n@h/d",
        f"http://u:{SECRET}@h/d",
    ],
)
def test_malformed_texts_are_never_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, environment={})
    assert caught.value.message == "the database URL cannot be read"
    assert SECRET not in f"{caught.value.message}{caught.value.hint}{caught.value.__cause__}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgres://ann:{SECRET}@db:5433/shop", "postgresql://ann:***@db:5433/shop"),
        (f"postgres://db/shop?user=ann&password={SECRET}", "postgresql://ann:***@db/shop"),
        (f"host=db user=ann password={SECRET} dbname=shop", "postgresql://ann:***@db/shop"),
        ("postgres://a:1,b:2/shop", "postgresql://a:1,b:2/shop"),
        ("postgres://[::1]:5432/shop", "postgresql://[::1]:5432/shop"),
        (f"host=/run/pg user=ann password={SECRET} dbname=shop", "host=/run/pg user=ann dbname=shop"),
        ("", "the local server"),
    ],
)
def test_display(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert SECRET not in repr(parse(text, environment={}))


def test_parameters_of_other_tools() -> None:
    target = parse("postgresql+asyncpg://db/shop?ssl=require&schema=public&application_name=x%20y", environment={})
    fields = conninfo_to_dict(target.conninfo)
    assert (fields["sslmode"], fields["application_name"]) == ("require", "x y")
    assert target.notes == ("the database URL's parameter `schema` means nothing to PostgreSQL and is ignored",)
