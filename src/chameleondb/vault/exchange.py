"""One vault's files in the place of another's, so that a killed exchange is completed by doing it again.

First come the versions that are set aside, then those that are in the chain, then the log, and the manifest last:
nothing is taken away before it is safe under its hash.
"""

from __future__ import annotations

from collections.abc import Mapping

from chameleondb.disk import Folder
from chameleondb.vault import layout
from chameleondb.vault.tree import bytes_max


def exchange(vault: Folder, files: Mapping[str, bytes]) -> None:
    """Make the open directory of a vault hold `files`, by their paths below it, and no other version. Raises: OSError.

    What is in `.orphans` stays, and so does everything under `.superseded`.
    """
    aside = f"{layout.VERSIONS}/{layout.SUPERSEDED}/"
    with (
        vault.made(layout.VERSIONS, mode=layout.DIRECTORY_MODE) as versions,
        vault.made(layout.HASHES, mode=layout.DIRECTORY_MODE) as hashes,
    ):
        kept = _below(files, aside)
        if kept:
            with versions.made(layout.SUPERSEDED, mode=layout.DIRECTORY_MODE) as superseded:
                _put(superseded, kept, aside)
        for folder, name, is_ours in (
            (versions, layout.VERSIONS, layout.is_version_file),
            (hashes, layout.HASHES, layout.is_hash_file),
        ):
            wanted = _below(files, f"{name}/")
            _put(folder, wanted, f"{name}/")
            for old in folder.names():
                if is_ours(old) and old not in wanted:
                    folder.remove(old)
    for name in (layout.LOG, layout.MANIFEST):
        if _content(vault, name, name) != files[name]:
            vault.replace(name, files[name], mode=layout.FILE_MODE)


def _put(folder: Folder, files: Mapping[str, bytes], prefix: str) -> None:
    for name, data in files.items():
        if _content(folder, name, prefix + name) != data:
            folder.replace(name, data, mode=layout.FIXED_MODE)


def _content(folder: Folder, name: str, path: str) -> bytes | None:
    try:
        return folder.read(name, folder.status(name), bytes_max(path))
    except FileNotFoundError:
        return None


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    found = {path.removeprefix(folder): data for path, data in files.items() if path.startswith(folder)}
    return {name: data for name, data in found.items() if "/" not in name}
