"""Finding the project, reading its configuration, choosing the database."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chameleondb.config import CONFIG_FILE, Settings, database_setting, find_project, shadow_setting
from chameleondb.errors import UsageError


def _write(root: Path, text: str) -> Path:
    (root / CONFIG_FILE).write_text(text)
    return root


def _fails(root: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_project(root)
    return caught.value


# --- Discovery -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [".chameleon.yml", "schema.cham"])
def test_a_project_is_found_from_below(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below).root == tmp_path


def test_a_data_directory_is_a_sign(tmp_path: Path) -> None:
    (tmp_path / ".chameleon").mkdir()
    assert find_project(tmp_path).data == tmp_path / ".chameleon"


def test_pyproject_counts_only_with_our_table(tmp_path: Path) -> None:
    (tmp_path / "schema.cham").write_text("")
    below = tmp_path / "package"
    below.mkdir()
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_project(below).root == tmp_path
    (below / "pyproject.toml").write_text("[tool.chameleon.schema]\npaths = ['db']\n")
    project = find_project(below)
    assert (project.root, project.settings.schema_paths) == (below, ("db",))


def test_of_two_configurations_one_is_read_and_the_other_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.chameleon.schema]\npaths = ['db']\n")
    (note,) = find_project(_write(tmp_path, "schema: {paths: [here]}\n")).notes
    assert "[tool.chameleon] is not read" in note


def test_the_search_ends_at_the_repository(tmp_path: Path) -> None:
    (tmp_path / "schema.cham").write_text("")
    inner = tmp_path / "repository" / "folder"
    inner.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    assert find_project(inner).root == inner


def test_the_search_ends_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schema.cham").write_text("")
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert find_project(home / "work").root == home / "work"


def test_a_missing_directory() -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        find_project(Path("/nowhere/at/all"))


# --- Schema files --------------------------------------------------------------------------------------------------


def test_schema_files_by_default(tmp_path: Path) -> None:
    for name in (
        "schema.cham",
        "schemas/b.cham",
        "schemas/deep/a.sql",
        "schemas/deep/V.SQL",
        "schemas/.hidden.cham",
        "schemas/.b.cham.swp",
        "schemas/x.txt",
        "o.cham",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    files = [path.relative_to(tmp_path).as_posix() for path in find_project(tmp_path).schema_files()]
    assert files == ["schema.cham", "schemas/b.cham", "schemas/deep/V.SQL", "schemas/deep/a.sql"]


def test_configured_schema_files_are_listed_once(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "a.cham").write_text("")
    project = find_project(_write(tmp_path, "schema:\n  paths: [./db, db/a.cham]\n"))
    assert project.schema_files() == (tmp_path / "db" / "a.cham",)


def _linked(root: Path, **links: str) -> list[str]:
    """Return the schema files of a project with three files and links below `schemas`."""
    for name in ("schemas/a/one.cham", "schemas/b/two.cham", "elsewhere/deep/three.cham"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("")
    for name, target in links.items():
        (root / "schemas" / name).symlink_to(target)
    return [path.relative_to(root).as_posix() for path in find_project(root).schema_files()]


@pytest.mark.parametrize(
    ("links", "more"),
    [
        ({}, []),
        ({"c": "../elsewhere"}, ["schemas/c/deep/three.cham"]),
        ({"c": "../elsewhere", "again": "../elsewhere/deep"}, ["schemas/again/three.cham"]),
        ({"c": "a", "d": "c", "loop": "."}, []),
    ],
)
def test_links_to_directories_are_followed_once(tmp_path: Path, links: dict[str, str], more: list[str]) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "schema.cham").write_text("")
    files = ["schema.cham", "schemas/a/one.cham", "schemas/b/two.cham", *more]
    assert _linked(tmp_path, **links) == sorted(files)


@pytest.mark.parametrize(("target", "code"), [("../../outside", "CHM0503"), ("../gone", "CHM0521")])
def test_a_link_that_cannot_be_followed_is_an_error(tmp_path: Path, target: str, code: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "project").mkdir()
    with pytest.raises(UsageError) as caught:
        _linked(tmp_path / "project", c=target)
    assert caught.value.code == code
    assert "schemas/c" in caught.value.message


@pytest.mark.parametrize(
    ("paths", "code"), [("[db]", "CHM0504"), ("['../x']", "CHM0503"), ("[empty]", "CHM0502"), ("[link]", "CHM0503")]
)
def test_wrong_schema_paths(tmp_path: Path, paths: str, code: str) -> None:
    root = tmp_path / "project"
    (root / "empty").mkdir(parents=True)
    (tmp_path / "x").mkdir()
    (root / "link").symlink_to(tmp_path / "x")
    with pytest.raises(UsageError) as caught:
        find_project(_write(root, f"schema:\n  paths: {paths}\n")).schema_files()
    assert caught.value.code == code


def _unreadable(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "dangling": "nowhere"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "device", "dangling"])
@pytest.mark.parametrize("name", ["schema.cham", "schemas/b.cham", CONFIG_FILE])
def test_what_is_no_file_is_not_passed_over(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "a.cham").write_text("")
    _unreadable(tmp_path / name, kind)
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path).schema_files()
    assert caught.value.code == "CHM0521"
    assert name in caught.value.message


def test_a_directory_that_cannot_be_listed_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas" / "more").mkdir(parents=True)
    (tmp_path / "schemas" / "a.cham").write_text("")
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("more"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)  # root may list everything
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path).schema_files()
    assert caught.value.message == f"cannot read {tmp_path / 'schemas' / 'more'}: permission denied"


def test_no_schema(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no schema found"):
        find_project(tmp_path).schema_files()


# --- The configuration file ----------------------------------------------------------------------------------------


def test_all_settings(tmp_path: Path) -> None:
    text = """
schema: {paths: [schemas, extra.sql]}
database:
  url: ${SHOP_URL}
  shadow_url: embedded
migration: {lock_timeout: 250ms, lock_deadline: 2min, small_table: 16MB}
"""
    assert find_project(_write(tmp_path, text)).settings == Settings(
        schema_paths=("schemas", "extra.sql"),
        database_url="${SHOP_URL}",
        shadow_url="embedded",
        lock_timeout_s=0.25,
        lock_deadline_s=120.0,
        small_table_bytes=16 * 1024 * 1024,
    )


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    project = find_project(_write(tmp_path, "# nothing\n"))
    assert (project.settings, project.notes) == (Settings(), ())


def test_an_unknown_key_is_a_warning_with_its_place(tmp_path: Path) -> None:
    project = find_project(_write(tmp_path, "schema:\n  pahts: [a]\n"))
    assert project.notes == (f"{tmp_path / CONFIG_FILE}:2:3: unknown key `schema.pahts`; did you mean `schema.paths`?",)


def test_a_section_that_is_left_empty_names_its_settings(tmp_path: Path) -> None:
    project = find_project(_write(tmp_path, "schema:\n"))
    place = f"{tmp_path / CONFIG_FILE}:1:1"
    assert project.notes == (f"{place}: `schema` says nothing by itself; its settings are schema.paths",)


def test_keys_that_never_did_anything_are_said_once(tmp_path: Path) -> None:
    text = "version: 0.1.4\nfeatures:\n  auto_migration: true\ndatabase:\n  driver: postgresql\n"
    assert find_project(_write(tmp_path, text)).notes == (
        f"{tmp_path / CONFIG_FILE}: has no effect: version, features.auto_migration, database.driver",
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("schema:\n  paths: 7\n", ":2:3: `schema.paths` must be a list of paths"),
        ("database:\n  url: [a]\n", ":2:3: `database.url` must be a text"),
        ("migration:\n  lock_timeout: 5\n", ":2:3: `migration.lock_timeout` must be a duration"),
        ("migration:\n  lock_timeout: 600h\n", ":2:3: `migration.lock_timeout` must be a duration of 24 days at most"),
        ("migration:\n  small_table: big\n", ":2:3: `migration.small_table` must be a size"),
        ("schema:\n  paths: [a]\n  paths: [b]\n", ":3:3: `schema.paths` stands here twice"),
        ("- a\n", ":1:1: expected `key: value` lines"),
        ("a: &x 1\nb: *x\n", ":1:4: anchors and aliases are not supported"),
        ("a: [1\nb: 2\n", ": this is not valid YAML"),
        ("a: \x01\n", ": this is not valid YAML"),
        ("? [a]\n: 1\n", ":1:3: a key must be a word"),
    ],
)
def test_mistakes_have_places(tmp_path: Path, text: str, place: str) -> None:
    assert place in _fails(_write(tmp_path, text)).message


def test_messages_do_not_quote_values(tmp_path: Path) -> None:
    error = _fails(_write(tmp_path, "database:\n  url: postgres://u:s3cret@h/d\n bad\n"))
    assert "s3cret" not in f"{error.message}{error.hint}"


def test_huge_and_unreadable_files(tmp_path: Path) -> None:
    assert "larger than 1 MiB" in _fails(_write(tmp_path, "#" * (1024 * 1024 + 1))).message
    (tmp_path / CONFIG_FILE).write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in _fails(tmp_path).message


def test_bad_toml(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    assert "not valid TOML" in _fails(tmp_path).message
    (tmp_path / "pyproject.toml").write_text("tool.chameleon = 1")
    assert "must be a table" in _fails(tmp_path).message


# --- Which database ------------------------------------------------------------------------------------------------


def test_precedence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://dotenv\n")
    project = find_project(_write(tmp_path, "database: {url: 'postgres://config'}\n"))
    environment = {"CHAMELEON_DATABASE_URL": "postgres://own", "DATABASE_URL": "postgres://env", "PGHOST": "h"}
    seen = [database_setting(project, flag="postgres://flag", environment=environment)]
    for name in ("CHAMELEON_DATABASE_URL", "DATABASE_URL", "PGHOST"):
        seen.append(database_setting(project, environment=environment))
        del environment[name]
    seen.append(database_setting(project, environment={}))
    (tmp_path / CONFIG_FILE).unlink()
    (tmp_path / "schema.cham").write_text("")
    seen.append(database_setting(find_project(tmp_path), environment={}))
    assert [(s.value, s.origin) for s in seen] == [
        ("postgres://flag", "the command line"),
        ("postgres://own", "environment variable CHAMELEON_DATABASE_URL"),
        ("postgres://env", "environment variable DATABASE_URL"),
        ("", "PG* environment variables"),
        ("postgres://config", ".chameleon.yml"),
        ("postgres://dotenv", ".env"),
    ]


def test_nothing_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        database_setting(find_project(tmp_path), environment={"PGPORT": "5432", "DATABASE_URL": ""})
    assert (caught.value.code, caught.value.message) == ("CHM0501", "DATABASE_URL not set")
    assert caught.value.hint is not None
    assert all(way in caught.value.hint for way in ("export DATABASE_URL=", ".env", "embedded"))


def test_the_configuration_may_refer_to_dot_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# comment\nSHOP='postgres://a:$x@h/d'\n")
    project = find_project(_write(tmp_path, "database:\n  connection_string: ${SHOP}\n"))
    found = database_setting(project, environment={})
    assert (found.value, found.origin) == ("postgres://a:$x@h/d", ".env")
    assert "postgres" not in repr(found)
    with pytest.raises(UsageError, match="DATABASE_URL not set"):
        database_setting(project, environment={}, dot_env=False)


def test_two_names_of_one_setting_are_refused(tmp_path: Path) -> None:
    error = _fails(_write(tmp_path, "database:\n  url: postgres://a\n  connection_string: postgres://b\n"))
    assert error.code == "CHM0518"
    assert "`database.connection_string` says the same as `database.url`" in error.message


@pytest.mark.parametrize("line", ['DATABASE_URL="postgres://a:secret@h/d', "DATABASE_URL: postgres://a:secret@h/d"])
def test_a_line_of_dot_env_that_cannot_be_read_is_told_by_its_place(
    tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"# of others\nFOO='\n{line}\n")
    project = find_project(_write(tmp_path, ""))
    with pytest.raises(UsageError, match=r"^\.env:3: DATABASE_URL cannot be read$"):
        database_setting(project, environment={})
    (tmp_path / ".env").write_text("FOO='\nDATABASE_URL=postgres://mine\n")
    assert database_setting(project, environment={}).value == "postgres://mine"
    assert caplog.text == ""


def test_dot_env_is_read_from_the_root_only(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://above\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "schema.cham").write_text("")
    with pytest.raises(UsageError, match="DATABASE_URL not set"):
        database_setting(find_project(root), environment={})


def test_another_env_file(tmp_path: Path) -> None:
    (tmp_path / "test.env").write_text("DATABASE_URL=postgres://test\n")
    environment = {"CHAMELEON_ENV_FILE": "test.env"}
    assert database_setting(find_project(tmp_path), environment=environment).origin == "test.env"
    with pytest.raises(UsageError, match="names other, which is not a file"):
        database_setting(find_project(tmp_path), environment={"CHAMELEON_ENV_FILE": "other"})


def test_the_shadow(tmp_path: Path) -> None:
    project = find_project(_write(tmp_path, "database: {shadow_url: '${SHADOW}'}\n"))
    assert shadow_setting(project, environment={}) is None
    found = shadow_setting(project, environment={"SHADOW": "embedded"})
    assert found is not None
    assert (found.value, found.origin) == ("embedded", ".chameleon.yml")
    found = shadow_setting(project, environment={"CHAMELEON_SHADOW_URL": "x"})
    assert found is not None
    assert found.origin == "environment variable CHAMELEON_SHADOW_URL"
