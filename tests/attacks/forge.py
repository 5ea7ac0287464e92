"""What a program does that can write the files, and perhaps the ledger, and knows the formats (docs/formats.md).

Nothing of the package is used: an attacker needs none of it, and so this is a second reading of the formats. What it
lacks is the mode password: lines that are signed with it cannot be chained anew and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

_END = re.compile(r" seq=\d+ prev=[0-9a-f]{64} sum=[0-9a-f]{64}\Z")

Change = Callable[[dict[str, Any]], object]
Line = Callable[[str], str]


def digest(data: str | bytes) -> str:
    return sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def overwrite(path: Path, data: str | bytes) -> None:
    """Write a file, whatever its permissions say."""
    path.unlink(missing_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def heads(vault: Path) -> list[str]:
    """Return the lines of the log as they are before they are chained."""
    return [_END.sub("", line) for line in (vault / "integrity.log").read_text().splitlines()]


def action(head: str) -> str:
    return head.partition("[")[2].partition("]")[0]


def fields(head: str) -> dict[str, str]:
    """Return the fields of a line, as they are written."""
    return dict(re.findall(r' ([a-z]+)=("(?:[^"\\]|\\.)*"|\S+)', head))


def with_field(head: str, name: str, value: str) -> str:
    return head.replace(f" {name}={fields(head)[name]}", f" {name}={value}", 1)


@dataclass
class Log:
    """A log that grows, each line chained to the one before it."""

    lines: list[str] = field(default_factory=list)
    sum: str = ""

    @property
    def seq(self) -> int:
        return len(self.lines)

    def add(self, head: str) -> None:
        prev = self.sum or digest(f"chameleon.log/1\n{fields(head)['vault']}")
        line = f"{head} seq={self.seq + 1} prev={prev}"
        self.sum = digest(f"chameleon.log/1\n{line}")
        self.lines.append(f"{line} sum={self.sum}")

    def write(self, vault: Path) -> None:
        overwrite(vault / "integrity.log", "".join(f"{line}\n" for line in self.lines))


def chain(vault: Path, rows: Iterable[str]) -> None:
    """Write a log of these lines, and the manifest that follows from it."""
    log = Log()
    for row in rows:
        log.add(row)
    log.write(vault)
    write_manifest(vault)


def unsigned(rows: Iterable[str]) -> list[str]:
    """Return the lines without those that are signed, whose place in the chain cannot change."""
    return [row for row in rows if fields(row).get("sig", "none") == "none"]


def write_manifest(vault: Path) -> None:
    """Derive the manifest from the log."""
    lines = (vault / "integrity.log").read_text().splitlines()
    rows = [(action(line), fields(line), line[:20]) for line in lines]
    applied = [f["hash"] for a, f, _ in rows if a == "APPLIED"]
    locked = {f["hash"] for a, f, _ in rows if a in ("APPLIED", "REPAIR")}
    registered = [(f, at) for a, f, at in rows if a == "REGISTER"]
    labels = {f["hash"]: f["version"] for f, _ in registered}
    versions = [
        {
            "version": f["version"],
            "hash": f["hash"],
            "parent": labels.get(f["parent"]),
            "timestamp": at,
            "author": _text(f["author"]),
            "locked": f["hash"] in locked,
            "summary": _text(f["summary"]),
            "files": [f"versions/{f['version']}.json", f"hashes/{f['version']}.hash"],
        }
        for f, at in registered
    ]
    last = fields(lines[-1])
    manifest = {
        "format": "chameleon.manifest/1",
        "vault": rows[0][1]["vault"],
        "current_version": next((f["version"] for f, _ in reversed(registered) if f["hash"] in applied), None),
        "versions": versions,
        "head": {"seq": int(last["seq"]), "sum": last["sum"]},
    }
    overwrite(vault / "manifest.json", canonical(manifest) + "\n")


def _text(written: str) -> str:
    return str(json.loads(written)) if written.startswith('"') else written


def edit_json(path: Path, change: Change) -> str:
    """Change a canonical file; return its new hash."""
    value = json.loads(path.read_bytes())
    change(value)
    text = canonical(value) + "\n"
    overwrite(path, text)
    return digest(text)


def write_hash(vault: Path, label: str) -> None:
    name = f"{label}.json"
    overwrite(vault / "hashes" / f"{label}.hash", f"{digest((vault / 'versions' / name).read_bytes())}  {name}\n")


def _same(head: str) -> str:
    return head


def rewrite(vault: Path, label: str, change: Change, line: Line = _same) -> None:
    """Change one version and make every file agree with it: later versions, hashes, log and manifest."""
    chain(vault, _rewritten(vault, label, change, line, {"none": "none"}))


def _rewritten(vault: Path, label: str, change: Change, line: Line, ids: dict[str, str]) -> Iterable[str]:
    """Yield the lines of the log with the new ids; `ids` maps the old ones to them."""
    for row in unsigned(heads(vault)):
        head, told = row, fields(row)
        if action(row) == "REGISTER":
            path = vault / "versions" / f"{told['version']}.json"
            edits: Change = change if told["version"] == label else lambda _: None
            parent = ids[told["parent"]]

            def edit(value: dict[str, Any], edits: Change = edits, parent: str = parent) -> None:
                edits(value)
                value["parent"] = parent

            ids[told["hash"]] = edit_json(path, edit)
            write_hash(vault, told["version"])
            head = with_field(with_field(head, "hash", ids[told["hash"]]), "parent", parent)
            head = line(head) if told["version"] == label else head
        elif "hash" in told:
            head = with_field(head, "hash", ids[told["hash"]])
        yield head


class OwnedLedger:
    """The ledger for somebody who may do everything with it: its bodies, to be changed and written back."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT body FROM chameleon.ledger ORDER BY seq").fetchall()
        self.bodies: list[dict[str, Any]] = [json.loads(body) for (body,) in rows]

    def hashes(self) -> list[str]:
        """Return the hashes that the rows will have."""
        prev, found = "0" * 64, []
        for seq, body in enumerate(self.bodies, 1):
            prev = digest(f"chameleon.ledger/1\n{seq}\n{prev}\n{canonical(body)}")
            found.append(prev)
        return found

    def write(self) -> None:
        """Put the rows in the place of those that are there."""
        hashes = ["0" * 64, *self.hashes()]
        with unlocked(self.url) as connection:
            connection.execute("TRUNCATE chameleon.ledger")
            for seq, body in enumerate(self.bodies, 1):
                facts = [body.get(name) for name in ("kind", "run", "step", "version_id", "parent_id", "schema_hash")]
                anchor = [body[name] for name in ("vault", "log_seq", "log_sum")]
                row = [seq, canonical(body), hashes[seq - 1], hashes[seq], *facts, *anchor]
                connection.execute(f"INSERT INTO chameleon.ledger ({_COLUMNS}) VALUES ({_PLACES})".encode(), row)


_COLUMNS = "seq, body, prev, hash, kind, run, step, version_id, parent_id, schema_hash, vault_id, log_seq, log_sum"
_PLACES = ", ".join(["%s"] * 13)


@contextmanager
def unlocked(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection, a superuser's, for which the ledger is a table like any other; afterwards nothing shows it."""
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE chameleon.ledger DISABLE TRIGGER append_only")
        yield connection
        connection.execute("ALTER TABLE chameleon.ledger ENABLE ALWAYS TRIGGER append_only")


def rewrite_both(vault: Path, ledger: OwnedLedger, label: str, change: Change, line: Line = _same) -> None:
    """Change one version, and make every file and every row of the ledger agree with it."""
    log, ids = Log(), {"none": "none"}
    anchors: dict[str, tuple[int, str]] = {}  # of each version, by its new id
    for body in ledger.bodies:
        if body["kind"] in ("AUTH", "MODE"):
            body["kind"] = "SQL"  # the vault's keys cannot be signed again and go, so nothing may remember them
    for row in _rewritten(vault, label, change, line, ids):
        head, told = row, fields(row)
        if "ledger" in told and told["ledger"] != "none":
            seq = int(told["ledger"].partition(":")[0])
            for body in ledger.bodies[:seq]:
                _anchor_again(body, ids, anchors)
            head = with_field(head, "ledger", f"{seq}:{ledger.hashes()[seq - 1]}")
        log.add(head)
        if action(head) == "REGISTER":
            anchors[told["hash"]] = (log.seq, log.sum)
    for body in ledger.bodies:
        _anchor_again(body, ids, anchors)
    log.write(vault)
    write_manifest(vault)
    ledger.write()


def _anchor_again(body: dict[str, Any], ids: dict[str, str], anchors: dict[str, tuple[int, str]]) -> None:
    for name in ("version_id", "parent_id"):
        if name in body:
            body[name] = ids.get(body[name], body[name])
    if body["log_sum"] not in {total for _, total in anchors.values()}:
        body["log_seq"], body["log_sum"] = list(anchors.values())[-1]
