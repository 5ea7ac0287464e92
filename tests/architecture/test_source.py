"""House rules that no linter knows: sizes, docstrings, who may write files, who may name a kind."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chameleondb.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "chameleondb"
MODULES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 50

# Generic stages: a word for one kind in them is a fact in the wrong place.
STAGES = ("checker", "scope", "diff", "renames", "planner", "formatter", "printer", "syntax", "apply", "postgres")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _stage_modules() -> list[Path]:
    return [m for m in MODULES if any(_name(m).startswith((f"{stage}.py", f"{stage}/")) for stage in STAGES)]


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_every_module_says_what_it_is(module: Path) -> None:
    assert ast.get_docstring(_tree(module))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_modules_and_functions_are_short(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [m for m in map(_name, MODULES) if Path(m).stem in VAGUE_NAMES] == []


_WRITERS = {"write_text", "write_bytes", "touch", "mkdir", "unlink", "rmtree", "makedirs"}
_OS_WRITERS = {"open", "replace", "rename", "remove", "link", "symlink"}


def _writes(tree: ast.Module) -> Iterator[str]:
    """Yield calls that may write a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if "os.devnull" in ast.unparse(node):
            continue  # what a broken pipe is replaced with
        if isinstance(called, ast.Name) and called.id == "open" and not _reads(node):
            yield f"line {node.lineno}: open"
        if isinstance(called, ast.Attribute):
            of_os = isinstance(called.value, ast.Name) and called.value.id == "os"
            if called.attr in _WRITERS or (of_os and called.attr in _OS_WRITERS):
                yield f"line {node.lineno}: {called.attr}"


def _reads(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return all(isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rbt") for mode in modes)


@pytest.mark.parametrize("module", [m for m in MODULES if _name(m) != "disk.py"], ids=_name)
def test_only_disk_writes_files(module: Path) -> None:
    assert list(_writes(_tree(module))) == []


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_only_postgres_knows_the_driver(module: Path) -> None:
    imported = {name.split(".")[0] for name in _imports(_tree(module))}
    assert "psycopg" not in imported or _name(module).startswith("postgres/")


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports when it runs; what only the type checker sees costs nothing and couples nothing."""
    unseen = {
        node
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _named_kinds(tree: ast.Module) -> Iterator[str]:
    """Yield where a module imports one kind or asks for it by name."""
    modules = {f"chameleondb.kinds.{kind.name}" for kind in KINDS}
    yield from (f"import of {name}" for name in _imports(tree) if any(name.startswith(module) for module in modules))
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and "kind.name" in ast.unparse(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_there_are_stages_to_guard() -> None:
    assert _stage_modules() != []


@pytest.mark.parametrize("module", _stage_modules(), ids=_name)
def test_stages_name_no_kind(module: Path) -> None:
    assert list(_named_kinds(_tree(module))) == []


def _raised(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the code, the package and the message of each error; the codes of the language are of forms."""
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.Call) or len(node.args) < 2 or not isinstance(node.args[0], ast.Constant):
            continue
        code = node.args[0].value
        if isinstance(code, str) and re.fullmatch(r"CHM(0[5-9]|[1-9]\d)\d\d", code):
            yield code, _name(path).split("/")[0], ast.unparse(node.args[1])


def test_a_code_means_one_thing() -> None:
    """A code that two packages raise has the same message in both: it is what users look up and scripts test for."""
    found: dict[str, dict[str, set[str]]] = {}
    for code, package, message in (r for m in MODULES for r in _raised(m)):
        found.setdefault(code, {}).setdefault(package, set()).add(message)
    shared = {code: places for code, places in found.items() if len(places) > 1}
    assert found
    assert {code: places for code, places in shared.items() if len(set.union(*places.values())) > 1} == {}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_of_one_machine_gets_in() -> None:
    # Spelled with classes of one letter, so that this file passes too.
    forbidden = re.compile(r"/[w]ork/|/[r]oot/|/[h]ome/[a-z]|[C]o-Authored-By")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _tracked()
        if (match := forbidden.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []
