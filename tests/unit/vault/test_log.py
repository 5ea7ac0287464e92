"""A line of the log has one form, whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb.vault import layout
from chameleondb.vault.log import BadFields, BadLine, computed_sum, genesis, make, parse

NOW = datetime(2026, 2, 20, 15, 45, tzinfo=UTC)
PREV = genesis("00000000-0000-4000-8000-000000000000")
LINE = make("DENIED", {"what": "mode:standard", "reason": "wrong password"}, now=NOW, seq=7, prev=PREV)


def test_the_form() -> None:
    assert LINE.text.startswith(
        f'2026-02-20T15:45:00Z [DENIED] what=mode:standard reason="wrong password" seq=7 prev={PREV} sum='
    )


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_line_is_read_as_it_was_written(what: str, reason: str) -> None:
    line = make("DENIED", {"what": what, "reason": reason}, now=NOW, seq=1, prev=PREV)
    data = line.text.encode("ascii")
    assert b"\n" not in data
    assert parse(data) == line
    assert computed_sum(data) == line.sum
    whole = [value.encode("utf-8", "replace").decode() for value in (what, reason)]
    assert list(line.fields.values()) == whole


@given(st.integers(0, 400), st.integers(0, 255))
def test_no_other_bytes_are_the_same_line(at: int, byte: int) -> None:
    data = bytearray(LINE.text.encode("ascii"))
    at %= len(data)
    data[at] = byte
    if bytes(data) == LINE.text.encode("ascii"):
        return
    try:
        line = parse(bytes(data))
    except BadLine:
        return
    assert computed_sum(bytes(data)) != line.sum


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("what=mode:standard", 'what="mode:standard"', BadFields),  # quoted without need
        ('"wrong password"', r'"wrong\u0020password"', BadFields),  # escaped without need
        ('"wrong password"', r'"wrong\ud800password"', BadFields),
        ('"wrong password"', '"wrong\tpassword"', BadFields),
        ('"wrong password"', "wrong password", BadFields),
        ("what=mode:standard reason", "reason=x what", BadFields),
        ("what=", "that=", BadFields),
        ("[DENIED]", "[FORGIVEN]", BadFields),
        ("[DENIED]", "[denied]", BadLine),
        ("2026-02-20", "2026-13-20", BadLine),
        ("15:45:00Z", "15:45:00", BadLine),
        ("seq=7", "seq=07", BadLine),
        ("seq=7", "seq=-7", BadLine),
        ("seq=7", "seq=\u0667", BadLine),
        (" seq", "  seq", BadFields),
        ("sum=", "sum=A", BadLine),
        ("what", "\ufeffwhat", BadLine),
    ],
)
def test_what_is_no_line(old: str, new: str, error: type[BadLine]) -> None:
    text = LINE.text.replace(old, new, 1)
    assert text != LINE.text
    with pytest.raises(BadLine) as caught:
        parse(text.encode())
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("DENIED", {"what": "a"}),
        ("DENIED", {"reason": "a", "what": "a"}),
        ("INIT", {"vault": "mine"}),
        ("FORGIVEN", {}),
    ],
)
def test_no_line_is_made_that_could_not_be_read(action: str, fields: dict[str, str]) -> None:
    with pytest.raises(BadLine):
        make(action, fields, now=NOW, seq=1, prev=PREV)


def test_labels_count() -> None:
    labels = [layout.label(n) for n in (1, 42, 999, 1000)]
    assert labels == ["v001", "v042", "v999", "v1000"]
    assert all(map(layout.LABEL.match, labels))


@pytest.mark.parametrize("text", ["v01", "v001\n", "V001", "v1000000", "../v001", "v001.json", "v\u0661\u0662\u0663"])
def test_what_is_no_label(text: str) -> None:
    assert layout.LABEL.match(text) is None
