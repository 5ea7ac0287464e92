"""Other tools on the same databases, in a virtual environment of their own: migra and alembic.

migra compares two databases, alembic a database with models; each gets what it wants, made from the same tables.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.bench.measure import Contender

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv-bench"
# migra imports pkg_resources, which setuptools 81 has given up, and means psycopg2, as SQLAlchemy did before 2.1.
PACKAGES = ("migra", "alembic", "sqlalchemy<2.1", "psycopg2-binary", "setuptools<81")


def install() -> None:
    """Make the environment, unless it is there."""
    if (VENV / "bin" / "migra").exists():
        return
    print("installing migra and alembic …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip: list[str | Path] = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)


def contenders(folder: Path, same: str, copy: str, changed: str, alembics: str, tables: int) -> Iterator[Contender]:
    """Yield the peers, given two equal databases, one with a column more, and one that alembic may write to."""
    migra = VENV / "bin" / "migra"
    yield Contender(name="migra, nothing to do", command=[migra, copy, same], folder=folder)
    # 2: there are differences.
    yield Contender(name="migra, one column", command=[migra, same, changed], folder=folder, statuses=(2,))
    _write_alembic(folder, alembics, tables)
    # 255: it finds differences that are none, e.g. of indexes with an order.
    yield Contender(name="alembic check", command=[VENV / "bin" / "alembic", "check"], folder=folder, statuses=(0, 255))


def _write_alembic(folder: Path, url: str, tables: int) -> None:
    """Write an alembic project whose models are the tables of the workload."""
    scripts = folder / "alembic"
    (scripts / "versions").mkdir(parents=True, exist_ok=True)
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {scripts}\nsqlalchemy.url = {url}\n")
    (scripts / "script.py.mako").write_text("")
    (scripts / "env.py").write_text(_ENVIRONMENT.replace("TABLES", str(tables)))


_ENVIRONMENT = """
import sqlalchemy as sa
from alembic import context
from sqlalchemy.dialects.postgresql import JSONB

types = (sa.Text, sa.Integer, sa.DateTime(True), sa.Numeric(12, 2), sa.Boolean, JSONB,
         sa.String(80), sa.Uuid, sa.Double, sa.Date)
meta = sa.MetaData()
for n in range(TABLES):
    owner = sa.ForeignKey(f"thing_{max(0, n - 1)}.id", ondelete="CASCADE")
    parent = sa.ForeignKey(f"thing_{n * 7 % TABLES}.id")
    sa.Table(
        f"thing_{n}", meta,
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, unique=True, nullable=False),
        sa.Column("owner_id", sa.BigInteger, owner, nullable=False),
        sa.Column("parent_id", sa.BigInteger, parent),
        *(sa.Column(f"field_{i}", kind) for i, kind in enumerate(types)),
        sa.Column("created_at", sa.DateTime(True), nullable=False, server_default=sa.text("now()")),
        sa.Index(f"idx_thing_{n}_created_at", sa.text("created_at DESC")),
        sa.Index(f"idx_thing_{n}_owner_id_field_1", "owner_id", "field_1"),
        sa.CheckConstraint("field_1 >= 0"),
    )
with sa.create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, target_metadata=meta)
    with context.begin_transaction():
        context.run_migrations()
"""
