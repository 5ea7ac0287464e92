"""The log as a chain: every line holds by itself and fits the one before it. Bytes in; lines and findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chameleondb.findings import Finding
from chameleondb.frozen import frozen
from chameleondb.vault import layout
from chameleondb.vault.files import RESTORE
from chameleondb.vault.log import BadFields, BadLine, Line, computed_sum, genesis, parse

REBASE = "run `chameleon vault rebase`"
FINDINGS_MAX = 10
_MARKERS = (b"<<<<<<< ", b"=======", b">>>>>>> ", b"||||||| ")


@frozen(kw_only=True)
class Chain:
    """What a log holds. `size` counts the bytes of whole lines; what comes after is a torn tail."""

    lines: tuple[Line, ...]
    size: int
    findings: tuple[Finding, ...]


def check(data: bytes) -> Chain:
    """Return the lines of a log and what is wrong with them; after a violation they mean nothing."""
    size = data.rfind(b"\n") + 1
    rows = data[:size].split(b"\n")[:-1]
    lines: list[Line] = []
    findings = list(_capped(_check_rows(rows, lines), len(rows)))
    collisions = tuple(_collisions(rows, lines))
    if collisions:
        findings = [f for f in findings if f.code not in ("LOG_CHAIN_BROKEN", "LOG_SEQ", "LOG_BAD_LINE")]
    if not rows and not collisions:
        findings.append(_finding("LOG_GENESIS", 1, "the first line is missing"))
    if size < len(data):
        findings.append(
            Finding(
                code="LOG_TORN_TAIL",
                place=f"{layout.LOG}:{len(rows) + 1}",
                message="the last line is incomplete",
                hint="`chameleon migrate --apply` cuts it off",
            )
        )
    return Chain(lines=tuple(lines), size=size, findings=(*collisions, *findings))


def _check_rows(rows: Iterable[bytes], lines: list[Line]) -> Iterator[Finding]:
    """Yield at most one finding a line, the most telling one; fill `lines` with what could be parsed."""
    wanted: tuple[str, ...] | None = None  # None: the line before could not be read, and anything may follow it
    position = 0
    for number, row in enumerate(rows, 1):
        position += 1
        try:
            line = parse(row)
        except BadFields as error:
            yield _finding("LOG_BAD_FIELDS", number, str(error))
            wanted = None
            continue
        except BadLine as error:
            yield _finding("LOG_BAD_LINE", number, _why(row, error))
            wanted = None
            continue
        lines.append(line)
        total = computed_sum(row)
        if total != line.sum:
            yield _finding("LOG_SUM_MISMATCH", number, "the line was changed", expected=total, actual=line.sum)
        elif (line.action == "INIT") != (number == 1) or (number == 1 and line.prev != genesis(line.fields["vault"])):
            yield _finding("LOG_GENESIS", number, "not how a log begins" if number == 1 else "a second beginning")
        elif wanted is not None and line.prev not in wanted:
            yield _finding(
                "LOG_CHAIN_BROKEN", number, "does not follow the line before", expected=wanted[0], actual=line.prev
            )
        elif line.seq != position:
            yield _finding("LOG_SEQ", number, "out of order", expected=f"seq={position}", actual=f"seq={line.seq}")
        wanted, position = (line.sum, total), line.seq


def _collisions(rows: Iterable[bytes], lines: Iterable[Line]) -> Iterator[Finding]:
    """Yield where a merge of two branches left both in the file."""
    for number, row in enumerate(rows, 1):
        if row.startswith(_MARKERS):
            yield branches_collide(f"{layout.LOG}:{number}", "a merge conflict: two branches wrote the log")
            return
    seen: dict[tuple[str, str], str] = {}
    for number, line in enumerate(lines, 1):
        if line.action == "REGISTER":
            label, parent = line.fields["version"], line.fields["parent"]
            if seen.setdefault((label, parent), line.fields["hash"]) != line.fields["hash"]:
                yield branches_collide(
                    f"{layout.LOG}:{number}", f"two branches registered {label}, both after the same version"
                )
                return


def has_markers(data: bytes) -> bool:
    """Tell whether a file holds an unresolved merge conflict."""
    return any(row.startswith(_MARKERS) for row in data.split(b"\n"))


def branches_collide(place: str, message: str) -> Finding:
    """Return the finding for two branches in one vault."""
    return Finding(code="BRANCHES_COLLIDE", place=place, message=message, hint=REBASE)


def _capped(findings: Iterable[Finding], rows: int) -> Iterator[Finding]:
    """Yield the first findings, then one for all that follow: a file whose line ends were converted has one a line."""
    for count, finding in enumerate(findings):
        if count == FINDINGS_MAX:
            more = sum(1 for _ in findings) + 1
            yield _finding(
                finding.code, int(finding.place.rpartition(":")[2]), f"{more} more of {rows} lines do not hold"
            )
            return
        yield finding


def _why(row: bytes, error: BadLine) -> str:
    return "ends in a carriage return: line ends were converted" if row.endswith(b"\r") else str(error)


def _finding(
    code: str, number: int, message: str, *, expected: str | None = None, actual: str | None = None
) -> Finding:
    return Finding(
        code=code, place=f"{layout.LOG}:{number}", message=message, expected=expected, actual=actual, hint=RESTORE
    )
