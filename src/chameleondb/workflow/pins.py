"""The heads that this user has seen, remembered outside of every project: ``heads.json`` in the user's state folder.

Whoever rewrites a vault and a ledger so that both agree has not rewritten this. It holds, per vault, the last REGISTER
line seen, and per database of the vault the last ledger row seen. Losing the file loses no more than this memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from chameleondb import disk
from chameleondb.canonical import canonical_json
from chameleondb.frozen import frozen

FORMAT = "chameleon.heads/1"
_BYTES_MAX = 8 * 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{64}\Z")


@frozen()
class Head:
    """A position in a chain and the hash that stood there."""

    seq: int
    hash: str


@frozen()
class Seen:
    """What was last seen of one vault: its newest version's line, and the ledger of each of its databases."""

    vault: Head | None = None
    ledgers: Mapping[str, Head] = field(default_factory=dict)


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's state folder: ``$XDG_STATE_HOME/chameleon``, else ``~/.local/state/chameleon``."""
    env = os.environ if environment is None else environment
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "chameleon"


class Pins:
    """The file of one user."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "heads.json"

    def seen(self, vault: str) -> Seen | None:
        """Return what was seen of a vault; None if it is new here, or the file cannot be read."""
        entry = self._load().get(vault)
        return None if entry is None else _decode(entry)

    def remember(self, vault: str, now: Seen) -> None:
        """Keep the heads seen just now, besides those of other databases. Where nothing can be written, go without."""
        entries = self._load()
        before = _decode(entries.get(vault, {})) or Seen()
        new = _encode(Seen(now.vault or before.vault, {**before.ledgers, **now.ledgers}))
        if entries.get(vault) == new:
            return
        entries[vault] = new
        with contextlib.suppress(OSError):
            text = canonical_json({"format": FORMAT, "vaults": entries})
            with disk.private(self.path.parent, make=True) as folder:
                folder.replace(self.path.name, text.encode() + b"\n", mode=0o600)

    def _load(self) -> dict[str, Any]:
        try:
            with disk.private(self.path.parent) as folder, folder.open_own(self.path.name) as file:
                data = json.loads(file.read(_BYTES_MAX))
            return dict(data["vaults"]) if data["format"] == FORMAT else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}


def _encode(seen: Seen) -> dict[str, Any]:
    vault = [seen.vault.seq, seen.vault.hash] if seen.vault else None
    return {"vault": vault, "ledgers": {key: [h.seq, h.hash] for key, h in seen.ledgers.items()}}


def _decode(entry: Any) -> Seen | None:
    try:
        vault = entry.get("vault")
        return Seen(
            None if vault is None else _head(vault), {str(k): _head(v) for k, v in entry.get("ledgers", {}).items()}
        )
    except (AttributeError, ValueError, TypeError):
        return None


def _head(pair: Sequence[Any]) -> Head:
    seq, text = pair
    if not isinstance(seq, int) or not isinstance(text, str) or not _HASH.match(text):
        raise ValueError
    return Head(seq, text)
