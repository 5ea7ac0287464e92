"""Reading configuration files into flat entries, each with the place where it stands; and changing one of them.

YAML is composed but never constructed: aliases, anchors and tags are refused, so no file can grow beyond what it shows.
Messages never quote values, which may be passwords. A change replaces one value's characters and no others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chameleondb.errors import UsageError
from chameleondb.frozen import frozen

SIZE_BYTES_MAX = 1024 * 1024

_TAG = "tag:yaml.org,2002:"


@frozen()
class Entry:
    """One setting: its dotted key, its value (str, int, float, bool, None or a tuple of these) and where it stands."""

    key: str
    value: Any
    place: str  # file:line:column, or the file alone for TOML


def read_text(path: Path) -> str:
    """Read a small UTF-8 file. Raises: UsageError if it is too large, unreadable or not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_BYTES_MAX + 1)
        if len(data) > SIZE_BYTES_MAX:
            raise UsageError("CHM0511", f"{path} is larger than 1 MiB", hint="this is not a configuration file")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("CHM0512", f"{path} is not UTF-8 text", hint="save it in the encoding UTF-8") from None
    except OSError as error:
        message, hint = f"cannot read {path}: {error.strerror}", "name a file that you may read"
        raise UsageError("CHM0513", message, hint=hint) from None


def read_yaml(path: Path) -> tuple[Entry, ...]:
    """Read a YAML file. Raises: UsageError that names file, line and column."""
    return _entries_of(path, read_text(path))


def with_list(path: Path, text: str, section: str, name: str, values: Sequence[str]) -> str:
    """Return the YAML `text` of `path` with `values` as the list `name` of `section`; all else stays as it is.

    Raises: UsageError CHM0515 where the file is written in a way that this cannot change.
    """
    before = {e.key: e.value for e in _entries_of(path, text)}
    changed = _changed(text, section, name, values)
    after = None if changed is None else {e.key: e.value for e in _entries_of(path, changed)}
    if changed is None or after != before | {f"{section}.{name}": tuple(values)}:
        raise UsageError(
            "CHM0515",
            f"{path}: `{section}.{name}` cannot be changed by a program here",
            hint=f"write it by hand: {section}: {{{name}: {_flow(values)}}}",
        )
    return changed


def _entries_of(path: Path, text: str) -> tuple[Entry, ...]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import AliasEvent, NodeEvent

    yaml = YAML(typ="safe", pure=True)
    try:
        for event in yaml.parse(text):
            if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
                raise _bad(_place(path, event), "anchors and aliases are not supported", "write the value out")
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise _bad(place, "this is not valid YAML", "check the indentation and the quotes") from None
    except (YAMLError, RecursionError, ValueError):
        raise _bad(str(path), "this is not valid YAML", "check the indentation and the quotes") from None
    return () if root is None else tuple(_entries(path, root, ""))


def read_toml(path: Path, table: tuple[str, ...]) -> tuple[Entry, ...] | None:
    """Read a table of a TOML file; None if the file has no such table. Raises: UsageError."""
    import tomllib

    try:
        values: Any = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise _bad(str(path), "this is not valid TOML", "check the brackets and the quotes") from None
    for name in table:
        values = values.get(name) if isinstance(values, dict) else None
    if values is None:
        return None
    if not isinstance(values, dict):
        raise _bad(str(path), f"`{'.'.join(table)}` must be a table", f"write [{'.'.join(table)}]")
    return tuple(_flat(str(path), values, ""))


def _entries(path: Path, node: Any, prefix: str) -> Iterator[Entry]:
    from ruamel.yaml.nodes import MappingNode, ScalarNode

    if not isinstance(node, MappingNode):
        raise _bad(_place(path, node), "expected `key: value` lines here", None)
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise _bad(_place(path, key), "a key must be a word", None)
        if key.value in seen:
            raise _bad(_place(path, key), f"`{prefix}{key.value}` stands here twice", "delete one of them")
        seen.add(key.value)
        if isinstance(value, MappingNode):
            yield from _entries(path, value, f"{prefix}{key.value}.")
        else:
            yield Entry(f"{prefix}{key.value}", _plain(path, value), _place(path, key))


def _plain(path: Path, node: Any) -> Any:
    from ruamel.yaml.nodes import ScalarNode, SequenceNode

    if isinstance(node, SequenceNode):
        return tuple(_plain(path, item) for item in node.value)
    if not isinstance(node, ScalarNode):
        raise _bad(_place(path, node), "expected a single value here", None)
    if node.tag == f"{_TAG}null":
        return None
    if node.tag == f"{_TAG}bool":
        return str(node.value).lower() == "true"
    if node.tag == f"{_TAG}int" and str(node.value).isdecimal():
        return int(node.value)
    return str(node.value)


def _flat(place: str, values: dict[str, Any], prefix: str) -> Iterator[Entry]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(place, value, f"{prefix}{key}.")
        else:
            yield Entry(f"{prefix}{key}", tuple(value) if isinstance(value, list) else value, place)


def _place(path: Path, node: Any) -> str:
    return f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _bad(place: str, message: str, hint: str | None) -> UsageError:
    return UsageError("CHM0510", f"{place}: {message}", hint=hint)


def _changed(text: str, section: str, name: str, values: Sequence[str]) -> str | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import MappingNode

    line = "\r\n" if "\r\n" in text else "\n"
    root: Any = YAML(typ="safe", pure=True).compose(text)
    if root is None or (inner := _member(root, section)) is None:
        if root is not None and root.flow_style:
            return None
        start = text if not text or text.endswith("\n") else text + line
        return f"{start}{section}:{line}  {name}: {_flow(values)}{line}"
    if not isinstance(inner, MappingNode):
        return None
    value = _member(inner, name)
    if value is not None:
        return _spliced(text, value, values, line)
    place = inner.start_mark.index
    if inner.flow_style:
        rest = ", " if inner.value else ""
        return f"{text[: place + 1]}{name}: {_flow(values)}{rest}{text[place + 1 :]}"
    return f"{text[:place]}{name}: {_flow(values)}{line}{' ' * inner.start_mark.column}{text[place:]}"


def _member(mapping: Any, name: str) -> Any:
    return next((value for key, value in mapping.value if key.value == name), None)


def _spliced(text: str, node: Any, values: Sequence[str], line: str) -> str:
    """Put `values` in the place of a node, in its own style."""
    from ruamel.yaml.nodes import SequenceNode

    start, end = node.start_mark, node.end_mark.index
    new = _flow(values)
    if isinstance(node, SequenceNode) and not node.flow_style:
        end = node.value[-1].end_mark.index  # the node's own end is behind the comments that follow
        new = f"{line}{' ' * start.column}".join(f"- {_scalar(value)}" for value in values)
    return f"{text[: start.index]}{new}{text[end:]}"


def _flow(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, values))}]"


_PLAIN_WORD = re.compile(r"[A-Za-z./][\w./-]*", re.ASCII)
_NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _scalar(value: str) -> str:
    is_plain = _PLAIN_WORD.fullmatch(value) and value.lower() not in _NO_TEXT
    return value if is_plain else json.dumps(value, ensure_ascii=False)
