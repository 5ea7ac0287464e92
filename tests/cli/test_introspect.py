"""``chameleon introspect``: where from, where to, and what is said about the rest."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from tests.command import Chameleon

pytestmark = pytest.mark.server

MADE = """
CREATE SCHEMA blog;
CREATE DOMAIN blog.slug AS text CHECK (VALUE ~ '^[a-z-]+$');
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE);
CREATE TABLE blog.posts (id int PRIMARY KEY, slug blog.slug, user_id int REFERENCES users);
CREATE VIEW active AS SELECT * FROM users;
"""


@pytest.mark.parametrize("output", ["-", "tree/", "schema.cham"])
def test_that_there_is_nothing_is_said(output: str, project: Path, database_url: str) -> None:
    done = Chameleon(project, database_url).run("introspect", "-o", output)
    assert "Nothing was found that can be declared" in done.stderr


@pytest.fixture
def tool(project: Path, database_url: str) -> Chameleon:
    with psycopg.connect(database_url) as connection:
        connection.execute(MADE)
    return Chameleon(project, database_url)


def test_the_schema_goes_to_the_project_and_nothing_is_to_do(tool: Chameleon) -> None:
    done = tool.run("introspect")
    assert done.stdout == "✓ Schema written to schema.cham\n"
    assert "Carried as they are, in sql blocks, because tables need them: 1 type" in done.stderr
    assert "Not managed by Chameleon, left alone: 1 view" in done.stderr
    assert tool.run("migrate").stdout == "✓ Nothing to do: the database is what the schema says.\n"


def test_a_file_is_overwritten_only_by_force(tool: Chameleon) -> None:
    (tool.folder / "schema.cham").write_text("// mine\n")
    done = tool.run("introspect", status=64)
    assert "CHM0570" in done.stderr
    assert (tool.folder / "schema.cham").read_text() == "// mine\n"
    tool.run("introspect", "--force")
    assert "entity User {" in (tool.folder / "schema.cham").read_text()


def test_stdout_gets_one_self_contained_schema(tool: Chameleon) -> None:
    text = tool.run("introspect", "-o", "-").stdout
    assert not (tool.folder / "schema.cham").exists()
    tool.write(text)
    tool.run("validate")
    tool.run("migrate", "--check")


def test_a_directory_gets_a_file_for_each_schema(tool: Chameleon) -> None:
    tool.run("introspect", "-o", "schemas/")
    names = sorted(path.name for path in (tool.folder / "schemas").iterdir())
    assert names == ["_carried.sql", "_database.cham", "blog.cham", "public.cham"]
    tool.run("migrate", "--check")
    assert "CHM0570" in tool.run("introspect", "-o", "schemas/", status=64).stderr
    assert "CHM0572" in tool.run("introspect", "-o", "schemas", status=64).stderr


def test_who_writes_what_is_not_read_is_told(tool: Chameleon) -> None:
    unread = "`migrate` does not read {}: it reads schema.cham, schemas/; schema.paths can name others"
    assert unread.format("other.cham") in tool.run("introspect", "-o", "other.cham").stderr
    for place in ("schema.cham", "schemas/"):
        assert "does not read" not in tool.run("introspect", "-o", place).stderr
    assert unread.format("more.cham") in tool.run("introspect", "-o", "more.cham").stderr
    assert "does not read" not in tool.run("introspect", "-o", "-").stderr
    (tool.folder / ".chameleon.yml").write_text("schema:\n  paths: [other.cham]\n")
    assert "does not read" not in tool.run("introspect", "-f", "-o", "other.cham").stderr
    assert "`migrate` does not read schema.cham: it reads other.cham;" in tool.run("introspect", "-f").stderr


def test_what_is_read_besides_is_told(tool: Chameleon) -> None:
    with psycopg.connect(tool.url) as connection:
        connection.execute("CREATE SCHEMA gone CREATE TABLE t (id int)")
    assert "also reads" not in tool.run("introspect", "-o", "schemas/").stderr
    with psycopg.connect(tool.url) as connection:
        connection.execute("DROP SCHEMA gone CASCADE")
    told = "`migrate` also reads what was there before: schemas/gone.cham; delete"
    assert told in tool.run("introspect", "-f", "-o", "schemas/").stderr


def test_no_two_schemas_end_in_one_file(tool: Chameleon) -> None:
    with psycopg.connect(tool.url) as connection:
        for name in ("odd %", "SCHEMA_1", *(f"schema_{number}" for number in range(5))):
            connection.execute(f'CREATE SCHEMA "{name}" CREATE TABLE t (id int)'.encode())
    tool.run("introspect", "-o", "schemas/")
    tool.run("migrate", "--check")
    files = list((tool.folder / "schemas").iterdir())
    assert sum(path.read_text().count('table "t"') for path in files) == 7
    assert len({path.name.lower() for path in files}) == len(files)


def test_a_file_needs_a_folder(tool: Chameleon) -> None:
    assert "CHM0573" in tool.run("introspect", "-o", "nowhere/schema.cham", status=64).stderr


def test_one_schema_can_be_chosen(tool: Chameleon) -> None:
    text = tool.run("introspect", "-o", "-", "--schema", "public").stdout
    assert "entity User {" in text
    assert "Post" not in text
    assert "there is no schema shop" in tool.run("introspect", "--schema", "shop", status=64).stderr


def test_what_a_chosen_schema_needs_from_others_is_named(tool: Chameleon) -> None:
    tool.execute(
        'CREATE SCHEMA "my shop"',
        "CREATE TYPE blog.state AS ENUM ('new')",
        "CREATE SEQUENCE blog.numbers",
        "CREATE FUNCTION blog.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE \"my shop\".orders (id int DEFAULT nextval('blog.numbers'), state blog.state[], slug blog.slug,"
        " n int DEFAULT blog.one(), post_id int REFERENCES blog.posts, user_id int REFERENCES users)",
    )
    done = tool.run("introspect", "--schema", "my shop")
    assert "Carried" not in done.stderr
    assert "warning: the schema cannot be used by itself: its tables need " in done.stderr
    assert "; add --schema blog --schema public" in done.stderr
    found = json.loads(tool.run("introspect", "--schema", "my shop", "-o", "-", "--format", "json").stdout)
    assert {(each["type"], each["identity"]) for each in found["elsewhere"]} == {
        ("function", "blog.one()"),
        ("sequence", "blog.numbers"),
        ("table", "blog.posts"),
        ("table", "public.users"),
        ("type", "blog.slug"),
        ("type", "blog.state"),
    }
    done = tool.run("introspect", "--force", "--schema", "my shop", "--schema", "blog", "--schema", "public")
    assert "warning" not in done.stderr
    tool.run("migrate", "--check")


@pytest.mark.parametrize("form", ["{url}", "env:SOME_URL", "$SOME_URL", "${{SOME_URL}}", "file:url.txt"])
def test_every_form_of_a_url(tool: Chameleon, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", tool.url)
    (tool.folder / "url.txt").write_text(tool.url + "\n")
    url, tool.url = tool.url, "postgresql://nobody@nowhere.invalid/none"
    assert "entity User {" in tool.run("introspect", form.format(url=url), "-o", "-").stdout


@pytest.mark.parametrize(
    "url", ["", "mysql://root:secret@host/db", "sqlite:///x.db", "env:1X", "env:NOT_SET_AT_ALL", "a b"]
)
def test_a_url_that_is_none_is_refused(tool: Chameleon, url: str) -> None:
    done = tool.run("introspect", url, "-o", "-", status=64)
    assert done.stderr.startswith("error[CHM05")
    assert "secret" not in done.stderr


def test_json(tool: Chameleon) -> None:
    document = json.loads(tool.run("introspect", "--format", "json").stdout)
    assert "entity User {" in document["schema"]
    assert document["carried"] == [{"type": "type", "identity": "blog.slug"}]
    assert document["unmodelled"] == [{"type": "view", "identity": "public.active"}]


def test_json_and_a_file(tool: Chameleon) -> None:
    document = json.loads(tool.run("introspect", "--format", "json", "-o", "new.cham").stdout)
    assert document["written"] == ["new.cham"]
    assert (tool.folder / "new.cham").read_text(encoding="utf-8") == document["schema"]
    refused = json.loads(tool.run("introspect", "--format", "json", "-o", "new.cham", status=64).stdout)
    assert refused["error"]["code"] == "CHM0570"
    tree = json.loads(tool.run("introspect", "--format", "json", "-o", "tree/").stdout)
    assert sorted(tree["written"]) == sorted(f"tree/{path.name}" for path in (tool.folder / "tree").iterdir())
    assert json.loads(tool.run("introspect", "--format", "json").stdout)["written"] == []


def test_a_read_only_role_may_do_it(tool: Chameleon) -> None:
    with psycopg.connect(tool.url) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    tool.url = tool.url.replace("postgres@", "reader@")
    assert "entity User {" in tool.run("introspect", "-o", "-").stdout


def test_a_locked_project_takes_no_file(project: Path, database_url: str) -> None:
    tool = Chameleon(project, database_url)
    tool.write("entity User {\n    id: bigint primary,\n}\n")
    tool.run("migrate", "--apply")
    refused = tool.run("introspect", "--force", status=4)
    assert "readonly mode: writing a schema file from the database needs standard mode or higher" in refused.stderr
    assert tool.run("introspect", "-o", "-").stdout.startswith("entity User {")
    tool.unlock()
    tool.run("introspect", "--force")


def test_a_vault_without_its_log_opens_nothing(project: Path, database_url: str) -> None:
    tool = Chameleon(project, database_url)
    tool.write("entity User {\n    id: bigint primary,\n}\n")
    tool.run("migrate", "--apply")
    (project / ".chameleon" / "vault" / "integrity.log").unlink()
    refused = tool.run("introspect", "--force", status=5)
    assert "integrity.log: is missing" in refused.stderr
    assert "No file was written" in refused.stderr
    assert tool.run("introspect", "-o", "-").stdout.startswith("entity User {")
