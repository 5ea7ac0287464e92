"""Changing one value of a configuration file and nothing else of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chameleondb.configfile import with_list
from chameleondb.errors import UsageError

FILE = Path(".chameleon.yml")


def _changed(text: str, *values: str) -> str:
    return with_list(FILE, text, "schema", "paths", values)


FULL = """\
# of the shop
schema:   # where the words are
    paths: {paths}   # both
database:
    url: ${{DATABASE_URL}}   # never written out
    shadow_url:   "embedded"
migration: {{lock_timeout:  100ms}}
# the end
"""


@pytest.mark.parametrize("old", ["[a,  'b']", "a", '"a b"'])
def test_everything_else_stays_byte_for_byte(old: str) -> None:
    assert _changed(FULL.format(paths=old), "schemas", "more") == FULL.format(paths="[schemas, more]")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "schema:\n  paths: [x, z]\n"),
        ("# only words", "# only words\nschema:\n  paths: [x, z]\n"),
        ("database:\n  url: u\n", "database:\n  url: u\nschema:\n  paths: [x, z]\n"),
        ("schema: {}\n", "schema: {paths: [x, z]}\n"),
        ("schema:\n  paths:\n  - a  # old\n  # mine\n  - b\n# end\n", "schema:\n  paths:\n  - x\n  - z\n# end\n"),
        ("schema:\n  paths:\n    - a\n\n# end\n", "schema:\n  paths:\n    - x\n    - z\n\n# end\n"),
        ("schema:\r\n  paths:\r\n  - a\r\n# end\r\n", "schema:\r\n  paths:\r\n  - x\r\n  - z\r\n# end\r\n"),
    ],
)
def test_every_way_of_writing_it(before: str, after: str) -> None:
    assert _changed(before, "x", "z") == after


def test_a_sibling_key_stays() -> None:
    assert _changed("schema:\n    validation_strict: true\n", "x") == (
        "schema:\n    paths: [x]\n    validation_strict: true\n"
    )
    assert _changed("schema: {validation_strict: true}\n", "x") == "schema: {paths: [x], validation_strict: true}\n"


@pytest.mark.parametrize("value", ["true", "a b", "7", "x: y", "#x", "é", "-", "a'b", 'a"b', "[x", "a\\b"])
def test_any_path_comes_back(value: str) -> None:
    text = _changed("", value)
    assert _changed(text, value) == text  # which reads it back to compare


@pytest.mark.parametrize("text", ["{}", "schema: text\n", "schema:\n"])
def test_what_cannot_be_changed_is_said(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        _changed(text, "x")
    assert caught.value.code == "CHM0515"
    assert caught.value.hint == "write it by hand: schema: {paths: [x]}"
