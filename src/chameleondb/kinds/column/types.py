"""What the planner knows about column types: how they print, which default is stable, what a conversion costs."""

from __future__ import annotations

import re
from dataclasses import replace

from chameleondb.frozen import frozen
from chameleondb.sqltext import closing, own_name


def sql(type_: str) -> str:
    """Return a type as the guide prints it: PostgreSQL's own types in capitals, others untouched."""
    return type_ if "." in type_ or '"' in type_ else type_.upper()


# Evaluated once per statement, so ADD COLUMN needs no rewrite (manual, ALTER TABLE, Notes).
_STABLE = re.compile(
    r"""(?: (?:U&)?'(?:[^']|'')*'
        | [eE]'(?:[^'\\]|\\.|'')*' | [+-]?\(?[+-]?[\d.]+(?:e[+-]?\d+)?\)? | true | false | NULL
        | now\(\) | CURRENT_(?:TIMESTAMP|DATE|TIME|USER)(?:\(\d+\))? | LOCALTIME(?:STAMP)? | SESSION_USER
        | (?:pg_catalog\.)?(?:transaction|statement)_timestamp\(\) )
        (?: :: [\w\s"."()\[\],]+ )*\Z""",
    re.VERBOSE | re.IGNORECASE,
)


def is_stable(expression: str) -> bool:
    """Tell whether a default is known not to be volatile; what is not known counts as volatile."""
    text = expression
    while text.startswith("(") and closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return _STABLE.match(text) is not None


def default_storage(type_: str) -> str:
    """Return the storage a type has by itself (pg_type.typstorage of the built-in types)."""
    if re.match(r"(numeric|inet|cidr|int[48]range|numrange|tsrange|tstzrange|daterange)\b(?!.*\[\])", type_):
        return "MAIN"
    fixed = "smallint|integer|bigint|real|double precision|boolean|date|time|timestamp|interval|uuid|oid|money"
    return "PLAIN" if re.match(rf"({fixed})\b(?!.*\[\])", type_) else "EXTENDED"


_CALL = re.compile(r'(?:ARRAY\[|[\w."]+\()', re.IGNORECASE)


def default_sql(expression: str) -> str:
    """Return an expression as DEFAULT takes it: anything but a value, a call or an array stands in parentheses."""
    if _STABLE.match(expression) or re.fullmatch(r"[\w.]+", expression):
        return expression
    start = re.match(r"\(", expression) or _CALL.match(expression)
    end = closing(expression, start.end() - 1) if start else -1
    rest = expression[end + 1 :]
    simple = end >= 0 and re.fullmatch(r'(?:::[\w\s"."()\[\],]+)*', rest) is not None
    return expression if simple else f"({expression})"


@frozen(kw_only=True)
class Conversion:
    """What ALTER COLUMN TYPE does: `casts` are needed in USING, one after the other, `lossy` says what may be lost."""

    rewrites: bool = True
    may_fail: bool = True
    lossy: str | None = None
    casts: tuple[str, ...] = ()


def is_array(type_: str) -> bool:
    """Whether a type is an array; PostgreSQL prints one pair of brackets, however many dimensions were declared."""
    return type_.endswith("[]")


def element(type_: str) -> str:
    """Return the type of an array's values; another type is its own."""
    return type_.removesuffix("[]")


def is_exact_text(type_: str) -> bool:
    """Whether a type, or that of an array's values, keeps every text as it is."""
    return _parse(element(type_))[0] in _EXACT


def is_text(type_: str) -> bool:
    """Whether everything can be cast to a type and back, by its text."""
    return _parse(type_)[0] in {*_STRINGS, "name", '"char"'}


_INTEGERS = {"smallint": 2, "integer": 4, "bigint": 8}
_FLOATS = {"real": 4, "double precision": 8}
_MODIFIED = re.compile(r"([^()]*?)\s*(?:\(([\d,-]+)\))?((?:\s+with(?:out)? time zone)?)\Z")


def _parse(type_: str) -> tuple[str, tuple[int, ...]]:
    match = _MODIFIED.match(type_)
    if match is None:
        return type_, ()
    numbers = tuple(int(n) for n in match[2].split(",")) if match[2] else ()
    return match[1] + match[3], numbers


_EXACT = {"text", "character varying"}
_STRINGS = {*_EXACT, "character", "bpchar"}
_TIMES = {"timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone"}


def conversion(old: str, new: str) -> Conversion:
    """Return what changing a column from one type to another does to its rows.

    Measured on PostgreSQL 13-18 (docs/language.md, "Changing a type"). A pair that is not known counts as lossy: the
    careful answer is to ask.
    """
    if is_array(old) and is_array(new):
        each = conversion(element(old), element(new))
        return replace(each, rewrites=True, casts=tuple(f"{cast}[]" for cast in each.casts))
    (a, a_mod), (b, b_mod) = _parse(old), _parse(new)
    if a in _STRINGS and b in _STRINGS:
        return _strings(a, a_mod, b, b_mod)
    if a == b == "numeric":
        return _numerics(a_mod, b_mod)
    if a in _INTEGERS and b in _INTEGERS:
        return Conversion(may_fail=_INTEGERS[a] > _INTEGERS[b])
    if a in _INTEGERS and b in {"numeric", *_FLOATS}:
        if b == "real" or (b in _FLOATS and a == "bigint"):
            return Conversion(may_fail=False, lossy=f"{a} values beyond the precision of {b} are rounded")
        is_rounded = len(b_mod) > 1 and b_mod[1] < 0
        return Conversion(may_fail=bool(b_mod), lossy=f"{a} values are rounded to {new}" if is_rounded else None)
    if (a in _FLOATS or a == "numeric") and (b in _INTEGERS or b in _FLOATS or b == "numeric"):
        if (a, b) == ("real", "double precision"):
            return Conversion(may_fail=False)
        return Conversion(lossy=f"{a} values are rounded to {new}")
    if a == b and a in _TIMES:
        return _precisions(a, a_mod, b_mod)
    if {a, b} == {"timestamp without time zone", "timestamp with time zone"}:
        # Free, since our sessions live in UTC; but only the user knows in which zone the values were meant.
        rounded = "" if a_mod == b_mod else ", and fractions are rounded"
        taken = f"values without a time zone are taken as UTC{rounded}"
        return Conversion(rewrites=bool(rounded), may_fail=False, lossy=taken)
    if b in _EXACT and not b_mod:
        return Conversion(may_fail=False, casts=(new,))
    if (a, b) == ("date", "timestamp without time zone"):
        return Conversion(may_fail=False)
    if (a, b) == ("cidr", "inet"):
        return Conversion(rewrites=False, may_fail=False)
    if (a, b) == ("json", "jsonb"):
        return Conversion(lossy="duplicate keys, key order and white space of json are not kept", casts=("jsonb",))
    if (a, b) == ("jsonb", "json"):
        return Conversion(may_fail=False, casts=("json",))
    if a in _STRINGS:
        return _from_text(a, new)
    if own_name(old) and own_name(new):
        text = "text[]" if is_array(new) else "text"
        return Conversion(casts=(text, new), lossy=f"{old} values are converted to {new} by way of their text")
    return Conversion(lossy=f"{old} values are converted to {new}", casts=(new,))


def _from_text(a: str, new: str) -> Conversion:
    if a in _EXACT and new.endswith(".citext"):  # which only compares in another way
        return Conversion(casts=(new,))
    unpadded = () if a in _EXACT else ("text",)
    return Conversion(casts=(*unpadded, new), lossy=f"text that {new} spells differently is not kept as it was")


def _strings(a: str, a_mod: tuple[int, ...], b: str, b_mod: tuple[int, ...]) -> Conversion:
    if {"character", "bpchar"} & {a, b}:
        return Conversion(may_fail=bool(b_mod), lossy="trailing blanks are not kept")
    if not b_mod or (a_mod and a_mod[0] <= b_mod[0]):
        return Conversion(rewrites=False, may_fail=False)
    return Conversion(lossy=f"trailing blanks beyond {b_mod[0]} characters are not kept")


def _numerics(a_mod: tuple[int, ...], b_mod: tuple[int, ...]) -> Conversion:
    if not b_mod:
        return Conversion(rewrites=False, may_fail=False)
    if not a_mod:
        return Conversion(lossy=f"digits after the decimal point beyond {b_mod[-1]} are rounded")
    (precision, scale), (new_precision, new_scale) = a_mod, b_mod
    if new_scale < scale:
        return Conversion(lossy=f"digits after the decimal point beyond {new_scale} are rounded")
    fits = new_precision - new_scale >= precision - scale
    return Conversion(rewrites=not (new_scale == scale and fits), may_fail=not fits)


def _precisions(type_: str, a_mod: tuple[int, ...], b_mod: tuple[int, ...]) -> Conversion:
    old, new = (a_mod or (6,))[0], (b_mod or (6,))[0]
    if new >= old:
        return Conversion(rewrites=False, may_fail=False)
    return Conversion(may_fail=False, lossy=f"fractions of a second of {type_} are rounded to {new} digits")
