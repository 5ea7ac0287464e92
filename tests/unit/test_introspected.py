"""What `introspect` found, put into words."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from chameleondb.model.schema import Schema
from chameleondb.workflow import introspect
from chameleondb.workflow.introspect import Introspected


def test_words_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text, files = Mock(return_value=""), Mock(return_value={})
    monkeypatch.setattr(introspect, "print_schema", text)
    monkeypatch.setattr(introspect, "print_files", files)
    found = Introspected(schema=Schema())
    assert (found.text, found.files) == (found.text, found.files)
    text.assert_called_once()
    files.assert_called_once()
