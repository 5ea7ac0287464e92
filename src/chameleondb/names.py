"""Identities of database objects, and the one place where names become SQL text.

Rules kept here:
- an identity is a catalog namespace plus a path, never a kind: an enum and a domain of one name collide, as they do in
  PostgreSQL;
- a name reaches SQL only through `quote`, a value only through `literal`;
- objects of the schema `public` print without their schema, all others with it (users read ``ALTER TABLE users``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

NAME_BYTES_MAX = 63
"""NAMEDATALEN - 1: the server cuts longer names silently (manual, 4.1.1), so we refuse them."""

DEFAULT_NAMESPACE = "public"

LEDGER_NAMESPACE = "chameleon"
"""Where each database has its ledger, and nobody anything else."""

# Reserved (or reserved except as function or type) in PostgreSQL 13-18; manual, appendix C. quote_ident() quotes these.
_RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
    only or order out outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table tablesample then
    time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when
    where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
    xmlroot xmlserialize xmltable""".split()  # noqa: SIM905  a list of one word a line would hide it
)

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*\Z")
# Bidirectional overrides and zero-width characters hide what a statement says (CVE-2021-42574).
_DECEPTIVE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Identity(NamedTuple):
    """What an object is called: a catalog namespace (`relation`, `type`, `column`, …) and a path within it."""

    space: str
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last part of the path: the object's own name."""
        return self.path[-1]

    @property
    def table(self) -> Identity:
        """The relation that a column or constraint identity lies in."""
        return Identity("relation", self.path[:2])

    @property
    def holder(self) -> Identity:
        """What the identity lies in: the type of a label, the relation of anything else."""
        return Identity("type", self.path[:2]) if self.space == "label" else self.table

    def __str__(self) -> str:
        if self.space == "comment":
            return str(commented(self))
        parts = self.path[1:] if len(self.path) > 1 and self.path[0] == DEFAULT_NAMESPACE else self.path
        return ".".join(parts)


def namespace(name: str) -> Identity:
    """Return the identity of a schema (PostgreSQL's namespace)."""
    return Identity("namespace", (name,))


def relation(schema: str, name: str) -> Identity:
    """Return the identity of a table, index, sequence or view."""
    return Identity("relation", (schema, name))


def column(table: Identity, name: str) -> Identity:
    """Return the identity of a column of `table`."""
    return Identity("column", (*table.path, name))


def constraint(table: Identity, name: str) -> Identity:
    """Return the identity of a constraint of `table`; constraint names live per table."""
    return Identity("constraint", (*table.path, name))


def type_(schema: str, name: str) -> Identity:
    """Return the identity of a type."""
    return Identity("type", (schema, name))


def label(enum: Identity, text: str) -> Identity:
    """Return the identity of a label of an enum type. No object has it: it is a part of one."""
    return Identity("label", (*enum.path, text))


def comment(target: Identity) -> Identity:
    """Return the identity of the comment on `target`."""
    return Identity("comment", (target.space, *target.path))


def commented(identity: Identity) -> Identity:
    """Return what a comment is on: the inverse of `comment`."""
    return Identity(identity.path[0], identity.path[1:])


def former_places(identity: Identity, name: str) -> Iterable[Identity]:
    """Return what `name` may stand for in a `was`: a name in the same schema, or one with another schema before it."""
    yield Identity(identity.space, (*identity.path[:-1], name))
    if identity.space in ("relation", "type"):
        for point in (i for i, character in enumerate(name) if character == "."):  # names may have some of their own
            yield Identity(identity.space, (name[:point], name[point + 1 :]))


# A constraint that the user did not name has no name until PostgreSQL chooses one. NUL cannot occur in a real name.
_PROVISIONAL = "\0"


def provisional(number: int) -> str:
    """Return a stand-in for a name that PostgreSQL will choose; `number` keeps several apart and in order."""
    return f"{_PROVISIONAL}{number:06}"


def is_provisional(name: str) -> bool:
    """Tell whether `name` stands in for a name not yet chosen."""
    return name.startswith(_PROVISIONAL)


def is_hidden(character: str) -> bool:
    """Tell whether a reader of a terminal or a review could not see `character` for what it is."""
    return not character.isprintable() or _DECEPTIVE.match(character) is not None


def quote(name: str) -> str:
    """Return `name` as an SQL identifier, quoted only where PostgreSQL needs it.

    A name with unprintable or deceptive characters becomes ``U&"…"`` (manual, 4.1.2.3), so that generated text cannot
    break out of a line or hide what it says.
    """
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    if any(map(is_hidden, name)):
        return 'U&"' + "".join(map(_unicode_escape, name)) + '"'
    return '"' + name.replace('"', '""') + '"'


def _unicode_escape(character: str) -> str:
    if character == '"':
        return '""'
    if character == "\\":
        return "\\\\"
    if not is_hidden(character):
        return character
    code = ord(character)
    return f"\\{code:04X}" if code <= 0xFFFF else f"\\+{code:06X}"


def quote_all(names: tuple[str, ...]) -> str:
    """Return names as a comma-separated list of SQL identifiers."""
    return ", ".join(map(quote, names))


def qualified(path: tuple[str, ...]) -> str:
    """Return a schema-level name as SQL; the schema is left out for `public`, where nothing can shadow the name."""
    schema, name = path
    # pg_catalog is searched first, so only there a bare name could mean something else.
    if schema == DEFAULT_NAMESPACE and not name.startswith("pg_"):
        return quote(name)
    return f"{quote(schema)}.{quote(name)}"


def qualified_type(path: tuple[str, ...]) -> str:
    """Return a type's name as SQL, always with its schema: a bare name could mean a type of pg_catalog."""
    return f"{quote(path[0])}.{quote(path[1])}"


def spelled(path: tuple[str, ...]) -> str:
    """Return a name with its schema as a ``regclass`` reads it and PostgreSQL prints it: there ``U&"…"`` is unknown."""
    return ".".join('"' + n.replace('"', '""') + '"' if quote(n).startswith("U&") else quote(n) for n in path)


def literal(text: str) -> str:
    """Return `text` as an SQL string constant; ``U&'…'`` where it has unprintable characters other than line breaks."""
    if any(is_hidden(c) for c in text if c not in "\n\t"):
        escaped = "".join("''" if c == "'" else c if c in "\n\t" else _unicode_escape(c) for c in text)
        return "U&'" + escaped.replace('""', '"') + "'"
    return "'" + text.replace("'", "''") + "'"


def bytes_of(name: str) -> int:
    """Return the length of a name as the server counts it: in UTF-8 bytes."""
    return len(name.encode("utf-8", "surrogatepass"))


def shorten(name: str, tail: str = "") -> str:
    """Cut `name` so that `name + tail` fits a PostgreSQL name, never through a character."""
    room = NAME_BYTES_MAX - bytes_of(tail)
    return name.encode()[:room].decode("utf-8", "ignore") + tail


def distinct(name: str, tail: str = "") -> str:
    """Return `name + tail`; one that is too long is cut and has a hash of `name`, so that two of them stay two."""
    if bytes_of(name + tail) <= NAME_BYTES_MAX:
        return name + tail
    import hashlib  # not to be loaded by every start

    return shorten(name, f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}{tail}")


def name_aside(name: str, number: int = 0) -> str:
    """Return a name for what cannot have its own for a while; it says whose it is, so that nobody else's is like it."""
    return distinct(name, f"__chameleon{number or ''}")


def object_name(first: str, second: str, label: str) -> str:
    """Return the name PostgreSQL gives to what nobody named, e.g. ``users_email_key`` (makeObjectName in the server).

    The longer of the two parts is cut, byte by byte, until the whole fits.
    """
    whole = f"{first}_{second}_{label}" if second else f"{first}_{label}"
    if len(whole) <= NAME_BYTES_MAX and whole.isascii():
        return whole
    room = NAME_BYTES_MAX - bytes_of(label) - 1 - (1 if second else 0)
    one, two = bytes_of(first), bytes_of(second)
    while one + two > room:
        if one > two:
            one -= 1
        else:
            two -= 1
    parts = [_cut(first, one), *([_cut(second, two)] if second else []), label]
    return "_".join(parts)


def _cut(name: str, length: int) -> str:
    return name.encode("utf-8", "surrogatepass")[:length].decode("utf-8", "ignore")
