"""Two branches of one vault, and the one history that continues both. Pure, and a function of the two alone: whoever
joins them gets the same bytes, and a run that was killed is simply run again.

One side keeps every line it has. Of the other, the versions after the fork are set aside (their files stay, named by
their hash), and what it recorded of databases is written again, after the lines of the side that stays. What is bound
to its place by a signature cannot be: such lines are left out, and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from chameleondb.errors import ChameleonError
from chameleondb.frozen import frozen
from chameleondb.modes.key import UNSIGNED
from chameleondb.modes.policy import Mode
from chameleondb.vault import layout, log, manifest
from chameleondb.vault.history import History, Version, fold
from chameleondb.vault.log import Line


@frozen(kw_only=True)
class Side:
    """One branch: a verified history, and the files of its versions by their hashes."""

    history: History
    contents: Mapping[str, bytes]


@frozen(kw_only=True)
class Joined:
    """The history that continues both.

    `stays` is true if the lines of *ours* stay: then theirs had registered nothing, and no version is set aside.
    `carried` are the lines that were written again, `dropped` those that could not be.
    """

    history: History
    files: Mapping[str, bytes]  # all that the vault is to hold, by paths below it
    stays: bool
    common: Version | None
    taken: tuple[Version, ...]
    set_aside: tuple[Version, ...]
    carried: tuple[Line, ...]
    dropped: tuple[Line, ...]
    locked: bool  # the stricter mode of the two was kept by a line of its own


def join(ours: Side, theirs: Side) -> Joined:
    """Join two branches; where both registered versions, theirs stay and ours are set aside.

    Raises: ChameleonError CHM2063 of another vault, CHM2064 without a common beginning, CHM2067 if there would be no
    version that could take the place of ours.
    """
    fork = _fork(ours.history, theirs.history)
    own, other = ours.history.lines[fork:], theirs.history.lines[fork:]
    stays = _may_stay(own, other, ours.history)
    base, moved = (ours.history, other) if stays else (theirs.history, own)
    carrier = _Carrier(base, fork)
    carrier.carry(moved)
    set_aside = () if stays else tuple(v for v in ours.history.versions if base.version(v.id) is None)
    carrier.supersede([v.id for v in set_aside])
    history = fold(carrier.added, base) if carrier.added else base
    before = [v for v in base.versions if v.seq <= fork]
    return Joined(
        history=history,
        files=_files(history, {**ours.contents, **theirs.contents}),
        stays=stays,
        common=before[-1] if before else None,
        taken=() if stays else tuple(v for v in theirs.history.versions if v.seq > fork),
        set_aside=set_aside,
        carried=tuple(n for n in carrier.added if n.action not in ("SUPERSEDE", "MODE")),
        dropped=tuple(carrier.dropped),
        locked=any(n.action == "MODE" for n in carrier.added),
    )


def _fork(ours: History, theirs: History) -> int:
    """Return how many lines the two share."""
    if ours.vault != theirs.vault:
        raise ChameleonError(
            "CHM2063",
            f"the other branch holds another vault: {theirs.vault}, not {ours.vault}",
            hint="each vault is a project of its own: keep the one whose versions your databases have",
        )
    count = 0
    for mine, other in zip(ours.lines, theirs.lines, strict=False):
        if mine.sum != other.sum:
            break
        count += 1
    if not count:
        raise ChameleonError(
            "CHM2064",
            "the two logs of this vault have no beginning in common",
            hint="one of them was rewritten: `chameleon verify` with a database tells which",
        )
    return count


def _may_stay(own: Sequence[Line], other: Sequence[Line], ours: History) -> bool:
    """Whether our lines stay: theirs can all be written after them, and none of theirs is a version."""
    if not other:
        return True
    is_keyed = _has_key(ours.lines)
    if any(n.action == "REGISTER" or _is_bound(n, is_keyed=is_keyed) for n in other):
        return False
    return any(n.action == "REGISTER" or _is_bound(n, is_keyed=False) for n in own)


def _is_bound(line: Line, *, is_keyed: bool) -> bool:
    """Whether a line of the password can only stand where it stands."""
    if line.action == "AUTH_SET":
        return is_keyed or line.fields["sig"] != UNSIGNED
    return line.action == "REPAIR" and line.fields["what"] == "password"


def _has_key(lines: Iterable[Line]) -> bool:
    is_keyed = False
    for line in lines:
        if line.action == "AUTH_SET":
            is_keyed = True
        elif line.action == "REPAIR" and line.fields["what"] == "password":
            is_keyed = False
    return is_keyed


class _Carrier:
    """Writes lines of one branch again, after those of the other."""

    def __init__(self, base: History, fork: int) -> None:
        self.last = base.lines[-1]
        self.labels = {v.id: v.label for v in base.versions}
        self.newest = base.newest
        self.superseded = dict(base.superseded)
        self.known = Counter(_identity(n) for n in base.lines[fork:])
        self.is_keyed = _has_key(base.lines)
        self.mode = base.mode_changes[-1].to if base.mode_changes else Mode.READONLY
        self.added: list[Line] = []
        self.dropped: list[Line] = []

    def carry(self, lines: Iterable[Line]) -> None:
        """Write again what can be, each fact once."""
        last_mode = None
        replaced = []
        for line in lines:
            match line.action:
                case "REGISTER":
                    continue
                case "SUPERSEDE":
                    replaced.append(line.fields["old"])
                    continue
                case "MODE":
                    last_mode = Mode.parse(line.fields["to"])
                    self._drop(line)
                    continue
                case _:
                    pass
            if not self._can_be_carried(line):
                self._drop(line)
            elif self.known[_identity(line)]:
                self.known[_identity(line)] -= 1
            else:
                self._add(line.action, line.fields, line.time)
                self.is_keyed = self.is_keyed or line.action == "AUTH_SET"
        if last_mode is not None and last_mode < self.mode:
            lock = {"from": self.mode.label, "to": Mode.READONLY.label, "until": "none", "sig": "none"}
            self._add("MODE", lock, self.last.time)
        self.supersede(replaced)

    def supersede(self, ids: Iterable[str]) -> None:
        """Write what became of versions: the newest one is in their place."""
        for id in ids:
            if id in self.labels or id in self.superseded:
                continue
            if self.newest is None:
                raise ChameleonError(
                    "CHM2067",
                    "the other branch has changed the mode password and has no version that could take the place of"
                    " yours",
                    hint="let it apply a first version, then rebase onto that",
                )
            self.superseded[id] = self.newest.id
            self._add("SUPERSEDE", {"old": id, "new": self.newest.id}, self.last.time)

    def _can_be_carried(self, line: Line) -> bool:
        if line.action in ("APPLIED", "REPAIR") and line.fields.get("what") != "password":
            return self.labels.get(line.fields["hash"]) == line.fields["version"]
        return not _is_bound(line, is_keyed=self.is_keyed)

    def _drop(self, line: Line) -> None:
        if self.known[_identity(line)]:
            self.known[_identity(line)] -= 1
        else:
            self.dropped.append(line)

    def _add(self, action: str, fields: Mapping[str, str], at: str) -> None:
        # Its own time, unless the clock would go back; never the present one, since the same bytes are to come again.
        now = datetime.strptime(max(at, self.last.time), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        self.last = log.make(action, fields, now=now, seq=self.last.seq + 1, prev=self.last.sum)
        self.added.append(self.last)


def _identity(line: Line) -> tuple[str, ...]:
    """Return what makes two lines the same fact."""
    fields = line.fields
    if line.action in ("APPLIED", "REPAIR", "ADOPT"):
        return line.action, fields.get("hash", ""), fields["db"], fields["ledger"]
    return line.action, *fields.values()


def _files(history: History, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    return dict(_each_file(history, contents))


def _each_file(history: History, contents: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    registered = set()
    for version in history.versions:
        registered.add(version.id)
        yield f"{layout.VERSIONS}/{layout.version_file(version.label)}", contents[version.id]
        yield f"{layout.HASHES}/{layout.hash_file(version.label)}", layout.hash_text(version.label, version.id)
    for id in history.superseded:
        if id not in registered:
            yield f"{layout.VERSIONS}/{layout.SUPERSEDED}/{id}.json", contents[id]
    yield layout.LOG, b"".join(f"{n.text}\n".encode("ascii") for n in history.lines)
    yield layout.MANIFEST, manifest.encode(history)
