"""A vault that is no directory: the files that a git commit holds, or that are about to be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from chameleondb.findings import Finding
from chameleondb.vault import layout
from chameleondb.vault.files import RESTORE, VaultFiles
from chameleondb.vault.snapshot import Glance, glance

_SUPERSEDED = f"{layout.VERSIONS}/{layout.SUPERSEDED}/"
_ORPHANS = f"{layout.VERSIONS}/{layout.ORPHANS}/"
_LARGEST = {
    layout.MANIFEST: layout.MANIFEST_BYTES_MAX,
    layout.LOG: layout.LOG_BYTES_MAX,
    layout.HASHES: layout.HASH_BYTES_MAX,
    layout.VERSIONS: layout.VERSION_BYTES_MAX,
}


def bytes_max(path: str) -> int:
    """Return how large a file may be, by its path below the vault."""
    return _LARGEST.get(path.partition("/")[0], layout.HASH_BYTES_MAX)


def files_of(contents: Mapping[str, bytes]) -> VaultFiles:
    """Return files, given by their paths below the vault, in the form that `verify` takes."""
    return VaultFiles(
        exists=bool(contents),
        is_open=bool(contents),
        manifest=contents.get(layout.MANIFEST),
        log=contents.get(layout.LOG),
        versions=dict(_versions(contents)),
        hashes={name: data for name, data in _below(contents, f"{layout.HASHES}/") if layout.is_hash_file(name)},
        superseded=frozenset(_by_hash(contents, _SUPERSEDED)),
        findings=tuple(_findings(contents)),
    )


def by_id(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of versions, also of those that were set aside, by the hash of their bytes."""
    files = [
        data
        for path, data in contents.items()
        if path.startswith(_SUPERSEDED) or layout.is_version_file(path.removeprefix(f"{layout.VERSIONS}/"))
    ]
    return {sha256(data).hexdigest(): data for data in files}


def _versions(contents: Mapping[str, bytes]) -> Iterator[tuple[str, Glance]]:
    for name, data in _below(contents, f"{layout.VERSIONS}/"):
        if layout.is_version_file(name):
            yield name, glance(data, deep=True)


def _by_hash(contents: Mapping[str, bytes], folder: str) -> Iterator[str]:
    for name, data in _below(contents, folder):
        match = layout.BY_HASH.match(name)
        if match and sha256(data).hexdigest() == match[1]:
            yield match[1]


def _below(contents: Mapping[str, bytes], folder: str) -> Iterator[tuple[str, bytes]]:
    for path, data in contents.items():
        name = path.removeprefix(folder)
        if name != path and "/" not in name:
            yield name, data


def _findings(contents: Mapping[str, bytes]) -> Iterator[Finding]:
    known = {layout.MANIFEST, layout.LOG}
    known |= {f"{layout.VERSIONS}/{n}" for n, _ in _below(contents, f"{layout.VERSIONS}/") if layout.is_version_file(n)}
    known |= {f"{layout.HASHES}/{n}" for n, _ in _below(contents, f"{layout.HASHES}/") if layout.is_hash_file(n)}
    for folder in (_SUPERSEDED, _ORPHANS):
        names = {n for n, _ in _below(contents, folder) if layout.BY_HASH.match(n)}
        known |= {f"{folder}{n}" for n in names}
        for name in sorted(names - {f"{id}.json" for id in _by_hash(contents, folder)}):
            yield Finding(code="VERSION_HASH_MISMATCH", place=f"{folder}{name}", message="hash mismatch", hint=RESTORE)
    for path in sorted(contents.keys() - known):
        shown = path.encode("utf-8", "backslashreplace").decode()
        yield Finding(code="UNKNOWN_FILE", place=shown, message="nothing of this name belongs in a vault", hint=RESTORE)
