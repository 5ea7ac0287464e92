"""The manifest: the history for people and programs that do not read logs.

It is derived: its bytes follow from the log's first lines, as many as its `head` says. Nothing is ever believed because
the manifest says so; what it adds is that it remembers a log that was longer.
"""

from __future__ import annotations

from chameleondb.vault import layout, strict_json
from chameleondb.vault.history import History
from chameleondb.vault.strict_json import NotCanonical, Problem

FORMAT = "chameleon.manifest/1"


def encode(history: History) -> bytes:
    """Return the manifest of a history."""
    current = history.current
    locked = {r.id for r in history.receipts}
    labels = {v.id: v.label for v in history.versions}
    seq, total = history.head
    return strict_json.write(
        {
            "format": FORMAT,
            "vault": history.vault,
            "current_version": current.label if current else None,
            "versions": [
                {
                    "version": v.label,
                    "hash": v.id,
                    "parent": labels.get(v.parent),
                    "timestamp": v.at,
                    "author": v.author,
                    "locked": v.id in locked,
                    "summary": v.summary,
                    "files": [
                        f"{layout.VERSIONS}/{layout.version_file(v.label)}",
                        f"{layout.HASHES}/{layout.hash_file(v.label)}",
                    ],
                }
                for v in history.versions
            ],
            "head": {"seq": seq, "sum": total},
        }
    )


def head(data: bytes) -> tuple[int, str]:
    """Return the position and the sum of the last line that a manifest knows. Raises: NotCanonical."""
    value = strict_json.read(data, bytes_max=layout.MANIFEST_BYTES_MAX)
    match value:
        case {"format": "chameleon.manifest/1", "head": {"seq": int(seq), "sum": str(total)}} if seq > 0:
            return seq, total
    raise NotCanonical(Problem.FORM, f"no head, or not {FORMAT}")
