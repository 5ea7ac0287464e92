"""The names of PostgreSQL's types: how people write them and how the catalog spells them (format_type)."""

from __future__ import annotations

_ALIASES = {
    "string": "text",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "dec": "numeric",
    "bool": "boolean",
    "varchar": "character varying",
    "char": "character",
    "char varying": "character varying",
    "national character": "character",
    "national char": "character",
    "national character varying": "character varying",
    "national char varying": "character varying",
    "nchar": "character",
    "varbit": "bit varying",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}

_PLAIN = frozenset(
    [
        "smallint",
        "integer",
        "bigint",
        "real",
        "text",
        "boolean",
        "uuid",
        "json",
        "jsonb",
        "bytea",
        "date",
        "xml",
        "money",
        "oid",
        "name",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "point",
        "line",
        "lseg",
        "box",
        "path",
        "polygon",
        "circle",
        "tsvector",
        "tsquery",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "tsmultirange",
        "tstzmultirange",
        "datemultirange",
        "pg_lsn",
        "pg_snapshot",
        "txid_snapshot",
        "regclass",
        "regtype",
        "regproc",
        "regprocedure",
        "regoper",
        "regoperator",
        "regrole",
        "regnamespace",
        "regconfig",
        "regdictionary",
        "regcollation",
        "xid",
        "xid8",
        "cid",
        "tid",
        "jsonpath",
        "refcursor",
        "int2vector",
        "oidvector",
        "aclitem",
        "bpchar",
        "gtsvector",
        "pg_node_tree",
        "pg_ndistinct",
        "pg_dependencies",
        "pg_mcv_list",
        "pg_brin_bloom_summary",
        "pg_brin_minmax_multi_summary",
    ]
) | {"double precision"}

_MODIFIED = frozenset({"numeric", "character varying", "character", "bit", "bit varying", "interval"})
_ZONED = ("timestamp", "time")

SERIALS = {
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
    "smallserial": "smallint",
    "serial2": "smallint",
}
"""Pseudo-types and the type of their column."""

FRIENDLY = {
    "text": "string",
    "integer": "int",
    "boolean": "bool",
    "double precision": "float",
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time with time zone": "timetz",
    "time without time zone": "time",
    "numeric": "decimal",
    "bit(1)": "bit",
    "character(1)": "char",
    "character": "bpchar",
}
"""Canonical name to what `introspect` writes."""

BUILTIN = frozenset(_ALIASES) | _PLAIN | _MODIFIED | SERIALS.keys()
"""Every built-in name that a field may have as its type."""

EXTENSION_TYPES = {
    name: extension
    for extension, names in {
        "citext": "citext",
        "hstore": "hstore",
        "ltree": "ltree lquery ltxtquery",
        "cube": "cube",
        "seg": "seg",
        "isn": "ean13 isbn13 ismn13 issn13 isbn ismn issn upc",
        "intarray": "query_int",
        "pg_trgm": "gtrgm",
        "vector": "vector halfvec sparsevec",
        "postgis": "geometry geography box2d box3d",
        "postgis_raster": "raster",
        "lo": "lo",
    }.items()
    for name in names.split()
}
"""Types of well-known extensions, and the extension that provides each."""

TYPELESS_EXTENSIONS = frozenset(
    [
        "plpgsql",
        "uuid-ossp",
        "pgcrypto",
        "unaccent",
        "btree_gin",
        "btree_gist",
        "pg_stat_statements",
        "tablefunc",
        "fuzzystrmatch",
        "postgres_fdw",
        "dblink",
        "file_fdw",
        "pageinspect",
        "pgrowlocks",
        "pgstattuple",
        "amcheck",
        "bloom",
        "dict_int",
        "dict_xsyn",
        "tcn",
        "tsm_system_rows",
        "tsm_system_time",
        "xml2",
        "sslinfo",
        "autoinc",
        "insert_username",
        "moddatetime",
        "refint",
        "earthdistance",
        "auto_explain",
        "adminpack",
    ]
) | frozenset(EXTENSION_TYPES.values())
"""Extensions known to provide no type beyond `EXTENSION_TYPES`: declaring one explains no unknown type."""

DIMENSIONED = frozenset({"vector", "halfvec", "sparsevec"})
"""Types whose argument counts dimensions and starts at 1."""


def builtin(name: str, arguments: str | None, tail: str) -> str | None:
    """Return the catalog's spelling of a built-in type, or None if there is no such type.

    Raises:
        ValueError: the type takes no arguments.
    """
    name = name.lower()
    if name == "string" and arguments:
        name = "varchar"
    if name == "float" and arguments and arguments.isdecimal():
        return "real" if int(arguments[:4]) <= 24 else "double precision"
    canonical = _ALIASES.get(name, name)
    base = canonical.partition(" ")[0]
    if base in _ZONED and (canonical == name or name in _ALIASES):
        zone = tail or canonical.partition(" ")[2]
        return f"{base}({arguments}) {zone}" if arguments else f"{base} {zone}"
    if canonical in _MODIFIED:
        return _modified(canonical, arguments, tail)
    if canonical not in _PLAIN:
        return None
    if arguments:
        raise ValueError(f"type `{name}` takes no arguments")
    return canonical


def _modified(canonical: str, arguments: str | None, tail: str) -> str:
    if canonical in {"character", "bit"} and not arguments:
        arguments = "1"
    if canonical == "numeric" and arguments and "," not in arguments:
        arguments += ",0"
    text = f"{canonical} {tail}" if tail else canonical
    return f"{text}({arguments})" if arguments else text


_FAMILIES = (
    {"smallint", "integer", "bigint", "numeric", "real", "double precision"},
    {"text", "character varying", "character", "bpchar", "name"},
    {"uuid"},
    {"boolean"},
    {"date", "timestamp without time zone", "timestamp with time zone"},
    {"bytea"},
    {"inet", "cidr"},
)


def comparable(left: str, right: str) -> bool:
    """Whether a key of one type may refer to a key of the other, as far as that is known here."""
    families = [
        next((i for i, f in enumerate(_FAMILIES) if t.partition("(")[0].strip() in f), None) for t in (left, right)
    ]
    if left.endswith("]") != right.endswith("]"):
        return False
    return None in families or families[0] == families[1]


def friendly(canonical: str) -> str:
    """Return the spelling that `introspect` writes for a canonical type; `builtin` gives the canonical one back."""
    suffix = "[]" if canonical.endswith("[]") else ""
    text = canonical.removesuffix("[]")
    if text in FRIENDLY:
        return FRIENDLY[text] + suffix
    name, _, rest = text.partition("(")
    if name == "character varying":
        return f"string({rest}{suffix}"
    if name == "numeric":
        return f"decimal({rest.replace(',', ', ')}{suffix}"
    if name == "character":
        return f"char({rest}{suffix}"
    if name in _ZONED:
        precision, _, zone = rest.partition(") ")
        return f"{name}tz({precision}){suffix}" if zone == "with time zone" else f"{name}({precision}){suffix}"
    return text + suffix
