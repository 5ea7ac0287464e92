"""docs/commands.md tells of every command and option, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from chameleondb import errors
from chameleondb.cli import app as shell
from chameleondb.cli.output import App

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def _section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {name}"
    return found[1]


def _options(command: click.Command) -> set[str]:
    return {
        o for p in command.params if isinstance(p, click.Option) and not p.hidden for o in (*p.opts, *p.secondary_opts)
    }


@pytest.mark.parametrize("name", sorted(shell.commands()))
def test_every_command_is_described_with_its_options(name: str) -> None:
    command = shell.cli.get_command(click.Context(shell.cli, obj=App()), name)
    assert command is not None
    described = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", _section(name)))
    assert _options(command) <= described
    inner = list(command.commands) if isinstance(command, click.Group) else []
    assert [word for word in inner if word not in _section(name)] == []


def test_the_page_describes_no_command_that_is_not_there() -> None:
    sections = set(re.findall(r"^## ([a-z]+)$", PAGE, re.MULTILINE))
    assert sections == set(shell.commands())


def test_the_common_options_are_described() -> None:
    head = PAGE.partition("\n## ")[0]
    assert [o for o in _options(shell.cli) if f"`{o}" not in head] == []


def test_every_exit_status_is_described() -> None:
    used = {
        c.exit_status for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.ChameleonError)
    }
    listed = {int(n) for line in _section("Exit statuses").splitlines() for n in re.findall(r"\d+", line[:12])}
    assert used <= listed
