"""Environment Variables"""

from __future__ import annotations

from pathlib import Path

from tests.command import Chameleon
from tests.guide.story import V1, columns


def test_s55_database_url_of_the_environment(tool: Chameleon) -> None:
    """DATABASE_URL of the environment is the database that is used; it wins over `.env`."""
    tool.write(V1)
    Path(tool.folder, ".env").write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n")
    done = tool.run("migrate", "--apply", "-v")
    assert "(from environment variable DATABASE_URL)" in done.stderr
    assert columns(tool) == ["id", "email", "name"]


def test_s56_database_url_of_dot_env(tool: Chameleon) -> None:
    """Without it, DATABASE_URL of the project's `.env` is used, written without `export` and quotes."""
    tool.write(V1)
    Path(tool.folder, ".env").write_text(f"DATABASE_URL={tool.url}\n")
    done = Chameleon(tool.folder, "").run("migrate", "--apply", "-v")
    assert "(from .env)" in done.stderr
    assert columns(tool) == ["id", "email", "name"]
