"""The command as a user runs it: in a project folder of its own, on a database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from chameleondb.modes import change
from chameleondb.modes.change import format_time
from chameleondb.modes.key import PublicKey, derive
from chameleondb.modes.policy import Mode
from chameleondb.vault.store import Store
from tests.warm import warm

PASSWORD = "a lizard in seven colours"


class Chameleon:
    """The command, in a folder and on a database; without a URL, nothing says which one."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def write(self, text: str) -> None:
        (self.folder / "schema.cham").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = run_module("chameleondb", arguments, self.folder, self._environment(environment))
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run it in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "chameleondb", *arguments],
            cwd=self.folder,
            env=self._environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        url = {"DATABASE_URL": self.url} if self.url else {}
        return {**os.environ, **url, "PYTHONUTF8": "1", **more}

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def execute(self, *statements: str) -> None:
        """Do something behind the command's back, each statement in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for sql in statements:
                connection.execute(sql.encode())

    def unlock(self, mode: Mode = Mode.STANDARD, password: str = PASSWORD) -> None:
        """Put the vault into another mode, with a password that costs nothing to check."""
        unlock(self.folder, mode, password)


def run_module(
    module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Do what ``python -m module`` does, and wait for it; where that is the same, in a fork that need not start."""
    if warm().takes(environment):
        return warm().run(module, arguments, folder, environment)
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def url_of(dsn: str) -> str:
    """Return a connection string as a URL, as users write it in DATABASE_URL."""
    parts = conninfo_to_dict(dsn)
    where = urlencode({key: value for key, value in parts.items() if key not in {"user", "dbname"}})
    return f"postgresql://{parts['user']}@/{parts['dbname']}?{where}"


def unlock(folder: Path, mode: Mode = Mode.STANDARD, password: str = PASSWORD) -> None:
    """Put the vault of a project, which is made if need be, into another mode for a day."""
    store = Store(folder / ".chameleon", lambda: datetime.now(UTC))
    history = store.read(deep=False).history or store.create()
    if history.keys:
        private = derive(password, history.keys[-1])
    else:
        private = derive(password, PublicKey(m=8, t=1, p=1, salt="00" * 16, key="00" * 32))
        history = store.append(history, "AUTH_SET", **private.public.fields())
    until = format_time(datetime.now(UTC) + timedelta(hours=24))
    before = change.effective(history.mode_changes, datetime.now(UTC))
    signed = change.message(
        place="vault", vault=history.vault, prev=history.head[1], from_=before, to=mode, until=until
    )
    store.append(
        history, "MODE", **{"from": before.label, "to": mode.label, "until": until, "sig": private.sign(signed)}
    )
