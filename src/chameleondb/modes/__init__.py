"""Modes: which operation is allowed when, and how a password opens a stricter one. Pure: no files, no database."""
