"""Which database a text means: URLs of many dialects, keyword strings, references to variables and files.

libpq repeats the whole text, password included, when it cannot read it. So everything is read here first, a failure is
a constant sentence, and the original exception is never chained. What is shown anywhere is `Target.display`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from chameleondb.configfile import read_text
from chameleondb.errors import UsageError
from chameleondb.frozen import frozen
from chameleondb.terminal import mask_logins

EMBEDDED_NAME_DEFAULT = "main"

FORMS = (
    "write postgresql://user:password@host:5432/db, host=… dbname=…, service=…, env:NAME, file:PATH or embedded; "
    "percent-encode special characters of a password; behind `?` stand libpq's parameters, such as sslmode"
)


@frozen()
class Target:
    """A database to connect to. `conninfo` may hold the password; `display` never does.

    `embedded` names a local server that must first be started (`embedded.reached`); `conninfo` is then empty.
    """

    conninfo: str = field(repr=False)
    display: str
    origin: str
    embedded: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown: the passwords in it, and the whole of it."""
        fields = _fields(self.conninfo)
        return tuple(s for s in (fields.get("password"), fields.get("sslpassword"), self.conninfo) if s)


def parse(
    text: str, *, origin: str = "", folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Target:
    """Read a database URL of any accepted form; an empty text means libpq's own PG* variables.

    `folder` is where relative paths of ``file:`` start. Raises: UsageError; its message never holds a part of `text`.
    """
    env = os.environ if environment is None else environment
    for _ in range(4):
        inner, from_where = _follow(text.strip(), folder or Path(), env)
        if from_where is None:
            return _parse_direct(text.strip(), origin, env)
        text, origin = inner, from_where if not origin else f"{from_where}, named by {origin}"
    raise UsageError("CHM0531", "the database URL refers to itself", hint=FORMS)


def redact(text: str) -> str:
    """Return a connection string for display, without passwords; a constant if it cannot be read."""
    try:
        return parse(text, environment={}).display
    except UsageError:
        return "(unreadable database URL)"


_VARIABLE = re.compile(r"(?:env:|\$)(\w+)\Z|\$\{(\w+)\}\Z")


def _follow(text: str, folder: Path, env: Mapping[str, str]) -> tuple[str, str | None]:
    if found := _VARIABLE.match(text):
        name = found[1] or found[2]
        if not name.isascii() or name[0].isdigit():
            raise UsageError("CHM0532", f"{name} cannot be the name of an environment variable", hint="e.g. env:PG_URL")
        if not env.get(name):
            raise UsageError("CHM0532", f"environment variable {name} is not set or empty", hint=f"export {name}=…")
        return env[name], f"environment variable {name}"
    if text.startswith("file:"):
        path = folder / Path(text.removeprefix("file:").removeprefix("//")).expanduser()
        return read_text(path).strip(), str(path)
    return text, None


def _parse_direct(text: str, origin: str, env: Mapping[str, str]) -> Target:
    if "\0" in text or "\n" in text:
        raise _malformed()
    if re.fullmatch(r"embedded(:.*)?", text):
        return _embedded(text, origin)
    scheme = text.partition("://")[0].lower() if "://" in text else None
    if scheme in (None, "postgres", "postgresql"):
        notes: tuple[str, ...] = ()
    elif re.fullmatch(r"postgres(ql)?\+(psycopg2?|psycopg_async|asyncpg|pg8000|psycopg2cffi)", scheme or ""):
        scheme, notes = "postgresql", ()
    else:
        raise _unsupported(text)
    if scheme:
        text, notes = _without_foreign_parameters(f"postgresql://{text.partition('://')[2]}")
    elif text and not re.match(r"\w+\s*=", text):
        raise _unsupported(text)
    fields = _fields(text)
    # libpq waits for ever otherwise, e.g. behind a firewall that drops packets.
    if "connect_timeout" not in fields and not env.get("PGCONNECT_TIMEOUT"):
        text = _make(text, connect_timeout="10")
    return Target(text, _display(fields, env), origin, notes=notes)


def _embedded(text: str, origin: str) -> Target:
    name = text.partition(":")[2] or EMBEDDED_NAME_DEFAULT
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        raise UsageError(
            "CHM0533",
            "an embedded server's name has lower-case letters, digits, `-` and `_`, at most 32",
            hint="for example embedded:shop",
        )
    return Target("", f"embedded:{name}", origin, embedded=name)


def _unsupported(text: str) -> UsageError:
    scheme = re.match(r"(mysql|mariadb|sqlite|mssql|oracle|mongodb|cockroachdb|redis)\b", text.lower())
    if scheme:
        return UsageError(
            "CHM0534", f"{scheme[1]} is not supported", hint=f"Chameleon works with PostgreSQL only; {FORMS}"
        )
    return _malformed()


def _malformed() -> UsageError:
    return UsageError("CHM0530", "the database URL cannot be read", hint=FORMS)


# What other tools put into a URL and libpq refuses. `ssl` is translated, since dropping it would drop encryption.
_FOREIGN = {
    "schema", "pgbouncer", "connection_limit", "pool_timeout", "statement_cache_size", "prepared_statement_cache_size",
    "prepare_threshold", "command_timeout", "pool_size", "max_overflow", "pool_mode", "async_fallback",
}  # fmt: skip
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}


def _without_foreign_parameters(url: str) -> tuple[str, tuple[str, ...]]:
    # libpq ends the login at the first `@` or `/`. What it would then call a host or a database may be a piece of a
    # password with such a character, and would be shown.
    login = re.match(r"postgresql://[^@/]*@", url)
    start = login.end() if login else 0
    place, mark, query = url[start:].partition("?")
    if "@" in place:
        raise _malformed()
    before = url[:start] + place
    kept, dropped = [], []
    for pair in query.split("&") if mark else ():
        name, _, value = pair.partition("=")
        if name == "ssl":
            kept.append(f"sslmode={_SSL.get(value, value)}")
        elif name in _FOREIGN:
            dropped.append(name)
        else:
            kept.append(pair)
    notes = tuple(
        f"the database URL's parameter `{name}` means nothing to PostgreSQL and is ignored" for name in dropped
    )
    return before + ("?" + "&".join(kept) if kept else ""), notes


def _fields(text: str) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(text)
    except (psycopg.Error, ValueError):
        raise _malformed() from None
    if not re.fullmatch(r"[\d,]*", str(found.get("port") or "")):
        raise _malformed()
    return {name: str(value) for name, value in found.items() if value is not None}


def _make(text: str, **more: str) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo(text, **more)


def _display(fields: Mapping[str, str], env: Mapping[str, str]) -> str:
    def of(name: str, variable: str) -> str:
        return fields.get(name) or env.get(variable, "")

    service = of("service", "PGSERVICE")
    host = of("host", "PGHOST") or of("hostaddr", "PGHOSTADDR")
    port, user, database = of("port", "PGPORT"), of("user", "PGUSER"), of("dbname", "PGDATABASE")
    if service and not host:
        return f"service={service}"
    if host.startswith(("/", "@")) or not host:
        words = {"host": host, "port": port, "user": user, "dbname": database}
        # A whole URL in one of the variables is a mistake, and its password still no less one.
        return mask_logins(" ".join(f"{n}={v}" for n, v in words.items() if v)) or "the local server"
    hosts = zip(host.split(","), port.split(",") if "," in port else [port] * len(host.split(",")), strict=False)
    places = ",".join((f"[{h}]" if ":" in h else h) + (f":{p}" if p else "") for h, p in hosts)
    login = f"{user}:***@" if user and "password" in fields else f"{user}@" if user else ""
    return f"postgresql://{mask_logins(login)}{mask_logins(places)}/{mask_logins(database)}"
