"""The throw-away server that all other server tests stand on."""

from __future__ import annotations

import os
import subprocess

import psycopg
import pytest

from tests.cluster import Databases, client_program


def test_a_database_is_fresh_and_empty(database: str) -> None:
    with psycopg.connect(database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert tables.fetchone() == (0,)


def test_databases_are_apart(databases: Databases) -> None:
    assert databases.new() != databases.new()


@pytest.mark.skipif("CHAMELEON_TEST_DSN" in os.environ, reason="somebody else's server")
def test_the_server_is_the_one_asked_for(server_version: int) -> None:
    assert server_version // 10_000 == int(os.environ.get("CHAMELEON_TEST_PG", "18"))


def test_client_programs_run(database: str) -> None:
    dump = subprocess.run([client_program("pg_dump"), "-s", database], capture_output=True, text=True, check=True)
    assert "PostgreSQL database dump" in dump.stdout
