"""Where the vault's files are, what they are called, and how large they may be."""

from __future__ import annotations

import re

VAULT, LOCAL = "vault", "local"
MANIFEST, LOG = "manifest.json", "integrity.log"
VERSIONS, HASHES = "versions", "hashes"
SUPERSEDED, ORPHANS = ".superseded", ".orphans"
LOCK, JOURNAL, CACHE = "lock", "journal.jsonl", "cache"
LOCAL_FILES = (LOCK, JOURNAL)

ATTRIBUTES, ATTRIBUTES_TEXT = ".gitattributes", b"vault/** -text -merge\n"
IGNORE, IGNORE_TEXT = ".gitignore", b"local/\n"

VERSION_BYTES_MAX = 64 * 1024 * 1024
MANIFEST_BYTES_MAX = 8 * 1024 * 1024
LOG_BYTES_MAX = 64 * 1024 * 1024
HASH_BYTES_MAX = 1024
RULES_BYTES_MAX = 64 * 1024

DIRECTORY_MODE, FILE_MODE, FIXED_MODE, PRIVATE_MODE = 0o755, 0o644, 0o444, 0o700

NONE = "none"
LABEL = re.compile(r"\Av[0-9]{3,6}\Z")
TEMPORARY = re.compile(r"\A\..*\.[0-9a-f]{16}\.tmp\Z", re.DOTALL)
BY_HASH = re.compile(r"\A([0-9a-f]{64})\.json\Z")


def label(depth: int) -> str:
    """Return the label of the version at a depth of the chain: ``v002``."""
    return f"v{depth:03}"


def version_file(label: str) -> str:
    """Return the name of a version's file in `versions`; findings call the version by it."""
    return f"{label}.json"


def hash_file(label: str) -> str:
    """Return the name of a version's hash file in `hashes`."""
    return f"{label}.hash"


def is_version_file(name: str) -> bool:
    """Whether a file in `versions` has the name of a version."""
    return name.endswith(".json") and LABEL.match(name.removesuffix(".json")) is not None


def is_hash_file(name: str) -> bool:
    """Whether a file in `hashes` has the name of a version's hash."""
    return name.endswith(".hash") and LABEL.match(name.removesuffix(".hash")) is not None


def hash_text(label: str, sha256: str) -> bytes:
    """Return what a version's hash file holds: the form that ``sha256sum -c`` reads in `versions`."""
    return f"{sha256}  {version_file(label)}\n".encode("ascii")
