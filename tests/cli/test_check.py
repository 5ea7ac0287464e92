"""check, validate and fmt from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = """entity User {
    id: uuid primary,
    email: string unique,
    name: string,
    age: int,  // ← New field
}
"""
WRONG = "entity User {\n    id: strnig primary,\n}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "schema.cham").write_text(GUIDE, encoding="utf-8")
    return tmp_path


def _run(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chameleondb", *words]
    return subprocess.run(
        command, cwd=folder, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8"
    )


def test_validate_prints_what_the_guide_shows(project: Path) -> None:
    done = _run(project, "validate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "✅ Schema validated successfully\n   Entities: 1 (User)\n   Fields: 4\n"


def test_validate_as_json(project: Path) -> None:
    found = json.loads(_run(project, "validate", "--format", "json").stdout)
    assert found == {"format_version": "1.0", "valid": True, "entities": ["User"], "fields": 4}


def test_files_of_a_project_are_one_schema(project: Path) -> None:
    (project / "schemas").mkdir()
    (project / "schemas" / "post.cham").write_text(
        "entity Post { id: int primary, author_id: uuid, author: User, mood: mood }", encoding="utf-8"
    )
    (project / "schemas" / "types.sql").write_text("CREATE DOMAIN mood AS text;", encoding="utf-8")
    assert "Entities: 2 (User, Post)" in _run(project, "validate").stdout


def test_check_shows_the_mistake(project: Path) -> None:
    (project / "schema.cham").write_text(WRONG, encoding="utf-8")
    done = _run(project, "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error[CHM0301]: unknown type `strnig`\n --> schema.cham:2:9\n")
    assert "did you mean `string`?" in done.stderr
    assert _run(project, "validate").returncode == 1


def test_check_as_json_on_standard_input(project: Path) -> None:
    done = _run(project, "check", "-", "--json", stdin=WRONG)
    found = json.loads(done.stdout)
    assert (done.returncode, found["valid"], found["format_version"]) == (1, False, "1.0")
    assert [(e["file"], e["line"], e["column"]) for e in found["errors"]] == [("<stdin>", 2, 9)]
    done = _run(project, "check", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"format_version": "1.0", "valid": True, "errors": []})


def test_warnings_go_to_stderr(project: Path) -> None:
    done = _run(project, "check", "-", stdin="entity users { id: int }")
    assert (done.returncode, done.stdout) == (0, "✅ Schema is valid\n")
    assert done.stderr.count("warning[") == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"entity A { id: int primary }\xff", "CHM0112"), (b"\0", "CHM0112"), (b"\xef\xbb\xbfx", "CHM0107")],
)
def test_unreadable_files(project: Path, data: bytes, code: str) -> None:
    (project / "schema.cham").write_bytes(data)
    done = _run(project, "check")
    assert done.returncode == 1
    assert f"error[{code}]" in done.stderr


def test_a_missing_file(project: Path) -> None:
    done = _run(project, "check", "nope.cham")
    assert done.returncode == 64
    assert "cannot read nope.cham: no such file or directory" in done.stderr


def test_fmt_writes_and_check_does_not(project: Path) -> None:
    schema = project / "schema.cham"
    messy = GUIDE.replace("    ", "\t").encode()
    schema.write_bytes(messy)
    done = _run(project, "fmt", "--check")
    assert (done.returncode, done.stdout, schema.read_bytes()) == (1, "schema.cham\n", messy)
    assert _run(project, "fmt").returncode == 0
    assert schema.read_text(encoding="utf-8") == GUIDE
    done = _run(project, "fmt", "--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_fmt_of_standard_input(project: Path) -> None:
    assert _run(project, "fmt", "-", stdin="entity A{id:int}").stdout == "entity A {\n    id: int,\n}\n"


def test_fmt_as_json(project: Path) -> None:
    (project / "a.cham").write_text("entity A{id:int}")
    listed = _run(project, "fmt", "a.cham", "--check", "--format", "json")
    assert (listed.returncode, json.loads(listed.stdout)) == (1, {"format_version": "1.0", "changed": ["a.cham"]})
    printed = json.loads(_run(project, "fmt", "-", "--format", "json", stdin="entity A{id:int}").stdout)
    assert (printed["changed"], printed["text"]) == ([], "entity A {\n    id: int,\n}\n")
    assert (project / "a.cham").read_text() == "entity A{id:int}"
    assert json.loads(_run(project, "fmt", "a.cham", "--format", "json").stdout)["changed"] == ["a.cham"]
    assert (project / "a.cham").read_text() == "entity A {\n    id: int,\n}\n"


def test_fmt_touches_nothing_if_one_file_is_broken(project: Path) -> None:
    (project / "a.cham").write_text("entity A{id:int}", encoding="utf-8")
    (project / "b.cham").write_text("entity B {", encoding="utf-8")
    done = _run(project, "fmt", "a.cham", "b.cham")
    assert done.returncode == 1
    assert (project / "a.cham").read_text(encoding="utf-8") == "entity A{id:int}"
