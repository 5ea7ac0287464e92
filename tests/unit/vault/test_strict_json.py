"""What is not canonical JSON has one kind of error, and a reason."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb.vault.strict_json import DEPTH_MAX, NotCanonical, Problem, read, write

BYTES_MAX = 1024 * 1024

_BAD = [
    (b"", Problem.SYNTAX),
    (b"\n", Problem.SYNTAX),
    (b"{", Problem.SYNTAX),
    (b'"\n"\n', Problem.SYNTAX),
    (b"\xef\xbb\xbf{}\n", Problem.ENCODING),
    ('"\u00e9"\n'.encode(), Problem.ENCODING),
    (b"NaN\n", Problem.NUMBER),
    (b"[Infinity]\n", Problem.NUMBER),
    (b"[-Infinity]\n", Problem.NUMBER),
    (b"1.0\n", Problem.NUMBER),
    (b"1e400\n", Problem.NUMBER),
    (b"9223372036854775808\n", Problem.NUMBER),
    (b"-9223372036854775809\n", Problem.NUMBER),
    (b"1" * 5000 + b"\n", Problem.NUMBER),
    (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1) + b"\n", Problem.DEPTH),
    (b"[" * 100_000 + b"]" * 100_000 + b"\n", Problem.DEPTH),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n", Problem.DEPTH),
    (b'{"a":1,"a":1}\n', Problem.DUPLICATE_KEY),
    (b'[{"a":{"b":1,"b":2}}]\n', Problem.DUPLICATE_KEY),
    (rb'"\ud800"' + b"\n", Problem.SURROGATE),
    (rb'["\ude00\ud83e"]' + b"\n", Problem.SURROGATE),
    (b'{"A":1}\n', Problem.KEY),
    (b'{"":1}\n', Problem.KEY),
    (b'{"b":1,"a":2}\n', Problem.FORM),
    (b'{"a": 1}\n', Problem.FORM),
    (b"{}", Problem.FORM),
    (b"{}\n\n", Problem.FORM),
    (b"{}\r\n", Problem.FORM),
    (b" {}\n", Problem.FORM),
    (b"-0\n", Problem.FORM),
    (rb'"\u0041"' + b"\n", Problem.FORM),
    (rb'"\u00E9"' + b"\n", Problem.FORM),
    (rb'"\/"' + b"\n", Problem.FORM),
    (b'"\x7f"\n', Problem.FORM),
]


@pytest.mark.parametrize(("data", "problem"), _BAD, ids=[data[:24].decode("latin-1") for data, _ in _BAD])
def test_what_is_not_canonical(data: bytes, problem: Problem) -> None:
    with pytest.raises(NotCanonical) as caught:
        read(data, bytes_max=BYTES_MAX)
    assert caught.value.problem is problem


def test_size_is_looked_at_first() -> None:
    with pytest.raises(NotCanonical) as caught:
        read(b"{" * 11, bytes_max=10)
    assert caught.value.problem is Problem.SIZE


_KEYS = st.text("abc_09", min_size=1, max_size=4)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
)


@given(_VALUES)
def test_what_is_written_is_read(value: object) -> None:
    assert read(write(value), bytes_max=BYTES_MAX) == value


@given(st.binary(max_size=64) | st.text('{}[]",:\\udce019aeE.-+ \n', max_size=64).map(str.encode))
def test_every_other_text_has_a_reason(data: bytes) -> None:
    value = None
    with contextlib.suppress(NotCanonical):
        value = read(data, bytes_max=BYTES_MAX)
    assert value is None or write(value) == data


@pytest.mark.parametrize(
    ("value", "problem"),
    [("\ud800", Problem.SURROGATE), ([{"Key": 1}], Problem.KEY), (2**63, Problem.NUMBER), (1.5, Problem.NUMBER)],
)
def test_nothing_is_written_that_could_not_be_read(value: object, problem: Problem) -> None:
    with pytest.raises(NotCanonical) as caught:
        write(value)
    assert caught.value.problem is problem
