"""The integrity log: one line an event, each with the hash of the one before it.

``<time> [ACTION] key=value … seq=N prev=<64> sum=<64>``. A value is bare, or a JSON string where it holds anything but
letters, digits and ``._:/+-``. An action has its fields in one order, so a line has one form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from chameleondb.frozen import frozen
from chameleondb.vault.strict_json import whole_characters

DOMAIN = b"chameleon.log/1\n"

_TEXT = r'[A-Za-z0-9._:/+-]+|"(?:[ !#-\[\]-~]|\\(?:["\\bfnrt]|u[0-9a-f]{4}))*"'
_HASH = r"[0-9a-f]{64}"
_NUMBER = r"0|[1-9][0-9]{0,17}"
_LABEL = r"v[0-9]{3,6}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_MODE = r"readonly|standard|privileged|emergency"
_HEX = r"(?:[0-9a-f]{2})+"
_DATABASE = r"(?:[0-9]+|unknown):[0-9]+"
_ROW = rf"(?:{_NUMBER}):{_HASH}|none"

ACTIONS: Mapping[str, Mapping[str, str]] = {
    "INIT": {"vault": _UUID},
    "REGISTER": {
        "version": _LABEL,
        "hash": _HASH,
        "parent": rf"{_HASH}|none",
        "schema": _HASH,
        "declared": _HASH,
        "author": _TEXT,
        "summary": _TEXT,
    },
    "APPLIED": {"version": _LABEL, "hash": _HASH, "db": _DATABASE, "ledger": _ROW, "recovered": "yes|no"},
    "REPAIR": {
        "what": "drift|password",
        "version": rf"{_LABEL}|none",
        "hash": rf"{_HASH}|none",
        "db": _DATABASE,
        "ledger": _ROW,
    },
    "SUPERSEDE": {"old": _HASH, "new": _HASH},
    "AUTH_SET": {
        "kdf": "argon2id",
        "m": _NUMBER,
        "t": _NUMBER,
        "p": _NUMBER,
        "salt": _HEX,
        "key": _HASH,
        "sig": rf"{_HEX}|none",
    },
    "MODE": {"from": _MODE, "to": _MODE, "until": rf"{_TIME}|none", "sig": rf"{_HEX}|none"},
    "DENIED": {"what": _TEXT, "reason": _TEXT},
    "ADOPT": {"db": _DATABASE, "ledger": _ROW, "reason": "copy|rolled-back|ledger-missing"},
}
"""The fields of each action, in their order, each with the pattern of its value."""

_SHAPE = re.compile(rf"({_TIME}) \[([A-Z_]+)\] (.*) seq=({_NUMBER}) prev=({_HASH}) sum=({_HASH})")
_FIELDS = {
    action: re.compile(" ".join(f"{name}=({pattern})" for name, pattern in fields.items()))
    for action, fields in ACTIONS.items()
}
_NAMES = {action: tuple(fields) for action, fields in ACTIONS.items()}
_BARE = re.compile(r"[A-Za-z0-9._:/+-]+")
_SUM_LENGTH = len(" sum=") + 64


class BadLine(ValueError):
    """A line that is not one of this grammar."""


class BadFields(BadLine):
    """A line whose action or fields are not of this format."""


@frozen(kw_only=True)
class Line:
    """One event. `prev` is the `sum` of the line before; `sum` stands for the whole log up to here."""

    time: str
    action: str
    fields: Mapping[str, str]
    seq: int
    prev: str
    sum: str

    @property
    def text(self) -> str:
        """The line as it stands in the file, without the line feed."""
        return f"{_head(self.time, self.action, self.fields, self.seq, self.prev)} sum={self.sum}"


def genesis(vault: str) -> str:
    """Return the `prev` of a vault's first line."""
    return sha256(DOMAIN + vault.encode("ascii")).hexdigest()


def make(action: str, fields: Mapping[str, str], *, now: datetime, seq: int, prev: str) -> Line:
    """Return a new line. Half characters, which no file can hold, become question marks.

    Raises: BadFields if the fields are not those of the action.
    """
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    clean = {name: whole_characters(value) for name, value in fields.items()}
    text = _head(time, action, clean, seq, prev)
    return parse(f"{text} sum={_sum(text)}".encode("ascii"))


def parse(data: bytes) -> Line:
    """Return the line that bytes (without the line feed) are; `sum` is as written. Raises: BadLine, BadFields."""
    try:
        shape = _SHAPE.fullmatch(data.decode("ascii"))
    except UnicodeDecodeError:
        raise BadLine("not ASCII") from None
    if shape is None:
        raise BadLine("not a line of this format")
    time, action, rest, seq, prev, total = shape.groups()
    pattern = _FIELDS.get(action)
    if pattern is None:
        raise BadFields(f"unknown action {action}")
    found = pattern.fullmatch(rest)
    if found is None:
        raise BadFields(f"not the fields of {action}")
    values = found.groups()
    if '"' in rest:
        values = tuple([_value(v) for v in values])
    return Line(
        time=time,
        action=action,
        fields=dict(zip(_NAMES[action], values, strict=True)),
        seq=int(seq),
        prev=prev,
        sum=total,
    )


def computed_sum(data: bytes) -> str:
    """Return the sum that a line (without the line feed) should have."""
    return sha256(DOMAIN + data[:-_SUM_LENGTH]).hexdigest()


def _sum(head: str) -> str:
    return sha256(DOMAIN + head.encode("ascii")).hexdigest()


def _head(time: str, action: str, fields: Mapping[str, str], seq: int, prev: str) -> str:
    if tuple(fields) != _NAMES.get(action):
        raise BadFields(f"not the fields of {action}")
    words = " ".join(f"{name}={_written(value)}" for name, value in fields.items())
    return f"{time} [{action}] {words} seq={seq} prev={prev}"


def _written(value: str) -> str:
    return value if _BARE.fullmatch(value) else json.dumps(value)


def _value(written: str) -> str:
    if written[0] != '"':
        return written
    value: str = json.loads(written)
    if _written(value) != written or any("\ud800" <= c <= "\udfff" for c in value):
        raise BadFields("a value that is not in canonical form")
    return value
