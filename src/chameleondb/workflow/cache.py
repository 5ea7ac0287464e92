"""What earlier runs found out, in files of the project's local directory. Losing it costs time, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from chameleondb import __version__, disk
from chameleondb.canonical import canonical_json

_FORMAT = f"chameleon.elaborated/5 {__version__}"
DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError)
"""What reading raises where a file is missing, or this release did not write it, or not to its end."""


class Cache:
    """A folder of small documents and of shelves; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def load(self, name: str) -> dict[str, Any]:
        """Return what was saved; nothing where there is no file, or one that this release did not write."""
        if self.folder is None:
            return {}
        try:
            with disk.private(self.folder) as folder, folder.open_own(f"{name}.json") as file:
                data = json.loads(file.read())
            return dict(data) if data["format"] == _FORMAT else {}
        except DAMAGED:
            return {}

    def save(self, name: str, data: Mapping[str, Any]) -> None:
        """Keep data for the next run; on a read-only disk, go without."""
        if self.folder is None:
            return
        with suppress(OSError):
            content = canonical_json({"format": _FORMAT, **data}).encode()
            with disk.private(self.folder, make=True, shared=self.folder.parent.parent) as folder:
                folder.replace(f"{name}.json", content, mode=0o600, durable=False)

    def shelf(self, name: str, places: Places) -> Shelf:
        """Return the shelf of that name, of which the keys in `places` are known."""
        return Shelf(self.folder and self.folder / f"{name}.lines", places)


Places = Mapping[str, tuple[int, int]]
"""Where the line of each key starts in the file of a shelf, and its length, in bytes."""


class Shelf:
    """Values by key, each in a line of one file that grows at its end: a few are read or added without the others.

    What a key stands for never changes. A line starts with its key: where two runs wrote at once, the file is another,
    or a power cut tore it, a place that is wrong gives an error and no wrong value.
    """

    def __init__(self, path: Path | None, places: Places) -> None:
        self._path = path
        self._places = dict(places)
        self._new: dict[str, bytes] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._places or key in self._new

    def put(self, key: str, value: Any) -> None:
        """Add a value, made of JSON values."""
        self._new[key] = f"{key} {canonical_json(value)}\n".encode()

    def values(self, keys: Iterable[str]) -> Iterator[Any]:
        """Yield the values of some keys. Raises: one of `DAMAGED`."""
        for key, line in self._lines(keys):
            if not (line.startswith(key.encode() + b" ") and line.endswith(b"\n")):
                raise KeyError(key)
            yield json.loads(line[len(key) :])

    def _lines(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        file: BinaryIO | None = None
        try:
            for key in keys:
                if key in self._new:
                    yield key, self._new[key]
                    continue
                start, length = self._places[key]
                if file is None:
                    assert self._path is not None
                    with disk.private(self._path.parent) as folder:
                        file = folder.open_own(self._path.name)
                file.seek(start)
                yield key, file.read(length)
        finally:
            if file is not None:
                file.close()

    def store(self, keys: Iterable[str]) -> Places:
        """Write what is new, and return where `keys` stand; what has another key may go. Raises: one of `DAMAGED`."""
        if self._path is None:
            return {}
        wanted = list(keys)
        in_use = sum(self._places[key][1] for key in wanted if key not in self._new)
        start = self._path.stat().st_size if in_use else 0
        lines = {key: self._new[key] for key in wanted if key in self._new}
        if not in_use or start > 2 * in_use:
            start, lines = 0, dict(self._lines(wanted))
            with disk.private(self._path.parent, make=True, shared=self._path.parents[2]) as folder:
                folder.replace(self._path.name, b"".join(lines.values()), mode=0o600, durable=False)
        elif lines:
            with disk.private(self._path.parent) as folder:
                folder.add(self._path.name, b"".join(lines.values()), durable=False)
        for key, line in lines.items():
            self._places[key] = (start, len(line))
            start += len(line)
        self._new = {}
        return {key: self._places[key] for key in wanted}
