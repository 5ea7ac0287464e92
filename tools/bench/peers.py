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


def contenders(folder: Path, same: str, copy: str, changed: str, alembics: str) -> Iterator[Contender]:
    """Yield the peers, given two equal databases, one with a column more, and one that alembic may write to."""
    migra = VENV / "bin" / "migra"
    yield Contender(name="migra, nothing to do", command=[migra, copy, same], folder=folder)
    # 2: there are differences.
    yield Contender(name="migra, one column", command=[migra, same, changed], folder=folder, statuses=(2,))
    _write_alembic(folder, alembics)
    # 255: it finds differences that are none, e.g. of indexes with an order.
    yield Contender(name="alembic check", command=[VENV / "bin" / "alembic", "check"], folder=folder, statuses=(0, 255))


def _write_alembic(folder: Path, url: str) -> None:
    """Write an alembic project; its models are those that sqlacodegen would write, held in one file."""
    scripts = folder / "alembic"
    (scripts / "versions").mkdir(parents=True, exist_ok=True)
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {scripts}\nsqlalchemy.url = {url}\n")
    (scripts / "script.py.mako").write_text("")
    (scripts / "env.py").write_text(_ENVIRONMENT)
    dump = subprocess.run(
        [VENV / "bin" / "python", "-c", _MODELS, url], check=True, capture_output=True, text=True
    ).stdout
    (scripts / "models.py").write_text(dump)


# The models: the tables as SQLAlchemy reads them, written as the Python that makes them.
_MODELS = """
import sys, sqlalchemy as sa
from sqlalchemy.dialects import postgresql
meta = sa.MetaData()
meta.reflect(sa.create_engine(sys.argv[1]))
print("import sqlalchemy as sa\\nfrom sqlalchemy import Text\\nfrom sqlalchemy.dialects import postgresql")
print("meta = sa.MetaData()")
for table in meta.tables.values():
    parts = []
    for c in table.columns:
        kind = c.type
        module = "postgresql" if type(kind).__module__.startswith("sqlalchemy.dialects") else "sa"
        foreign = "".join(f", sa.ForeignKey({f.target_fullname!r}, ondelete={f.ondelete!r})" for f in c.foreign_keys)
        default = f", server_default=sa.text({c.server_default.arg.text!r})" if hasattr(c.server_default, "arg") else ""
        identity = ", sa.Identity()" if c.identity else ""
        parts.append(f"sa.Column({c.name!r}, {module}.{kind!r}{foreign}{identity}{default},"
                     f" primary_key={c.primary_key}, nullable={c.nullable})")
    for i in table.indexes:
        parts.append(f"sa.Index({i.name!r}, {', '.join(repr(c.name) for c in i.columns)}, unique={i.unique})")
    for u in table.constraints:
        if isinstance(u, sa.UniqueConstraint):
            parts.append(f"sa.UniqueConstraint({', '.join(repr(c.name) for c in u.columns)}, name={u.name!r})")
    print(f"sa.Table({table.name!r}, meta, {', '.join(parts)})")
"""

_ENVIRONMENT = """
import sys
from pathlib import Path
from alembic import context
from sqlalchemy import create_engine
sys.path.insert(0, str(Path(__file__).parent))
from models import meta
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, target_metadata=meta)
    with context.begin_transaction():
        context.run_migrations()
"""
