"""The journal of a machine: how a command has ended, in words."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import click
import psycopg
import pytest

from chameleondb.errors import ChameleonError
from chameleondb.postgres.session import translated
from chameleondb.workflow.journal import Journal


class _Stopped(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def _aborted() -> click.Abort:
    error = click.Abort()
    error.__cause__ = KeyboardInterrupt()
    return error


def _clean_up_fails() -> ChameleonError:
    """Return what reaches the command where Ctrl-C came while a connection was busy, so that it could not be used."""
    try:
        try:
            raise KeyboardInterrupt
        finally:
            with translated():
                raise psycopg.OperationalError("sending query failed: another command is already in progress")
    except ChameleonError as error:
        return error


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (KeyboardInterrupt(), "interrupted", "Ctrl-C"),
        (_aborted(), "interrupted", "Ctrl-C"),
        (_clean_up_fails(), "interrupted", "Ctrl-C"),
        (_Stopped(signal.SIGTERM), "interrupted", "SIGTERM"),
        (_Stopped(signal.SIGHUP), "interrupted", "SIGHUP"),
        (RuntimeError("a mistake of ours"), "failed", "RuntimeError"),
    ],
)
def test_what_has_ended_a_command(error: BaseException, status: str, detail: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "local", lambda: datetime.now(UTC))
    with pytest.raises(type(error)), journal.recorded("migrate"):
        raise error
    entry = json.loads(journal.path.read_text())
    assert (entry["status"], entry["detail"]) == (status, detail)
