"""Chameleon: declare a PostgreSQL schema, see exactly what will change, apply it safely."""

__version__ = "0.1.0"
