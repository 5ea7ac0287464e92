"""The verdict on a vault: a pure function of its bytes.

The log is believed as far as its chain holds, and everything else only as far as it follows from the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from chameleondb.findings import Finding, Severity, of_severity
from chameleondb.frozen import frozen
from chameleondb.vault import chain, layout, manifest, rules
from chameleondb.vault.files import RESTORE, VaultFiles
from chameleondb.vault.history import History, Version, fold
from chameleondb.vault.snapshot import Glance
from chameleondb.vault.strict_json import NotCanonical

_NEXT_RUN = "`chameleon migrate --apply` puts it right"


@frozen(kw_only=True)
class Verified:
    """What a vault says, and what is wrong with it; `history` is None without a vault, or with a log that breaks."""

    files: VaultFiles = field(default=VaultFiles(exists=False, is_open=False), repr=False)
    history: History | None
    log_size: int = 0  # bytes of whole lines
    findings: tuple[Finding, ...] = ()

    @property
    def violations(self) -> tuple[Finding, ...]:
        """What must stop everything."""
        return of_severity(self.findings, Severity.VIOLATION)


def verify(files: VaultFiles, *, deep: bool = True) -> Verified:
    """Check a vault; `deep` also checks what each version's file says. Never raises."""
    found = [*files.findings, *_leftovers(files)]
    if not files.is_open:
        return Verified(files=files, history=None, findings=tuple(found))
    refused = {f.place for f in files.findings}
    if files.log is None:
        if layout.LOG not in refused:
            found.append(Finding(code="LOG_MISSING", place=layout.LOG, message="is missing", hint=RESTORE))
        found += _no_manifest(files, refused)
        return Verified(files=files, history=None, findings=tuple(found))
    checked = chain.check(files.log)
    found += checked.findings
    if of_severity(checked.findings, Severity.VIOLATION):
        found += _manifest_alone(files, len(checked.lines), refused)
        return Verified(files=files, history=None, findings=tuple(found))
    broken_rules = rules.check(checked.lines)
    found += broken_rules
    if any(f.code == "LOG_BAD_FIELDS" for f in broken_rules):
        return Verified(files=files, history=None, findings=tuple(found))
    history = fold(checked.lines)
    found += _versions(files, history, refused, deep=deep)
    found += _unregistered(files, history)
    found += _superseded(files, history, refused)
    found += _manifest(files, history, refused)
    return Verified(files=files, history=history, log_size=checked.size, findings=tuple(found))


def _leftovers(files: VaultFiles) -> Iterator[Finding]:
    for path in files.leftovers:
        place = path.removeprefix(f"{layout.VAULT}/")
        yield Finding(code="LEFTOVER_FILE", place=place, message="what an interrupted command left", hint=_NEXT_RUN)


def _versions(files: VaultFiles, history: History, refused: set[str], *, deep: bool) -> Iterator[Finding]:
    unread = {f.place for f in files.findings if f.code in ("UNREADABLE_FILE", "NOT_A_DIRECTORY")}
    for version in history.versions:
        name = layout.version_file(version.label)
        seen = files.versions.get(name)
        if seen is not None:
            yield from _version(seen, version, history.vault, deep=deep)
        elif name not in refused and layout.VERSIONS not in unread:
            yield Finding(
                code="VERSION_MISSING", place=name, message="is missing", expected=f"sha256 {version.id}", hint=RESTORE
            )
        if layout.HASHES not in unread:
            yield from _hash_file(files, version, refused)


def _version(seen: Glance, version: Version, vault: str, *, deep: bool) -> Iterator[Finding]:
    name = layout.version_file(version.label)

    def finding(code: str, message: str, expected: str | None = None, actual: str | None = None) -> Finding:
        return Finding(code=code, place=name, message=message, expected=expected, actual=actual, hint=RESTORE)

    if seen.sha256 != version.id:
        yield finding("VERSION_HASH_MISMATCH", "hash mismatch", f"sha256 {version.id}", f"sha256 {seen.sha256}")
    elif not deep:
        return
    elif seen.problem is not None:
        yield finding("VERSION_NOT_CANONICAL", seen.problem)
    elif seen.vault != vault:
        yield finding("FOREIGN_VAULT", "is of another vault", vault, seen.vault)
    elif seen.version != version.label:
        yield finding("VERSION_NAME_MISMATCH", "is another version", version.label, seen.version)
    elif seen.parent != version.parent:
        yield finding("PARENT_MISMATCH", "follows another version", version.parent, seen.parent)


def _hash_file(files: VaultFiles, version: Version, refused: set[str]) -> Iterator[Finding]:
    name = layout.hash_file(version.label)
    place = f"{layout.HASHES}/{name}"
    text = files.hashes.get(name)
    if text is None:
        if place not in refused:
            yield Finding(code="HASH_FILE_MISSING", place=place, message="is missing", hint=_NEXT_RUN)
    elif text != layout.hash_text(version.label, version.id):
        yield Finding(
            code="HASH_FILE_MISMATCH",
            place=place,
            message="not the hash that was registered",
            expected=version.id,
            hint=RESTORE,
        )


def _unregistered(files: VaultFiles, history: History) -> Iterator[Finding]:
    """A killed `register` leaves one file, the next version's, and perhaps its hash. All else was put there."""
    registered = {v.label for v in history.versions}
    following = layout.label(len(history.versions) + 1)
    orphan = orphan_of(files, history)
    for name in files.versions:
        label = name.removesuffix(".json")
        if label in registered:
            continue
        if orphan is not None and label == following:
            yield Finding(code="ORPHAN_VERSION", place=name, message="was written and never registered", hint=_NEXT_RUN)
        else:
            yield _unknown(name)
    for name, text in files.hashes.items():
        label = name.removesuffix(".hash")
        is_of_orphan = orphan is not None and text == layout.hash_text(following, orphan.sha256)
        if label not in registered and not (is_of_orphan and label == following):
            yield _unknown(f"{layout.HASHES}/{name}")


def orphan_of(files: VaultFiles, history: History) -> Glance | None:
    """Return the next version's file if it is there unregistered, as a killed run leaves it."""
    following = layout.label(len(history.versions) + 1)
    seen = files.versions.get(layout.version_file(following))
    parent = history.newest.id if history.newest else layout.NONE
    if seen is None or (seen.vault, seen.version, seen.parent) != (history.vault, following, parent):
        return None
    return seen


def _unknown(place: str) -> Finding:
    return Finding(
        code="UNKNOWN_FILE",
        place=place,
        message="is not in the log",
        hint="move it out of .chameleon/vault, or get the newest vault (git pull);"
        " if git has merged two branches, `chameleon vault rebase`",
    )


def _superseded(files: VaultFiles, history: History, refused: set[str]) -> Iterator[Finding]:
    for id in history.superseded:
        place = f"{layout.VERSIONS}/{layout.SUPERSEDED}/{id}.json"
        if id not in files.superseded and history.version(id) is None and place not in refused:
            yield Finding(code="VERSION_MISSING", place=place, message="is missing", hint=RESTORE)


def _no_manifest(files: VaultFiles, refused: set[str]) -> Iterator[Finding]:
    if files.manifest is None and layout.MANIFEST not in refused:
        yield Finding(code="MANIFEST_MISSING", place=layout.MANIFEST, message="is missing", hint=RESTORE)


def _manifest_alone(files: VaultFiles, lines: int, refused: set[str]) -> Iterator[Finding]:
    """What can be said of the manifest while the log does not hold."""
    yield from _no_manifest(files, refused)
    if files.manifest is None:
        return
    head = _head(files.manifest)
    if isinstance(head, Finding):
        yield head
    elif head[0] > lines:
        yield _truncated(head[0], lines)


def _manifest(files: VaultFiles, history: History, refused: set[str]) -> Iterator[Finding]:
    yield from _no_manifest(files, refused)
    if files.manifest is None:
        return
    head = _head(files.manifest)
    if isinstance(head, Finding):
        yield head
        return
    seq, total = head
    lines = history.lines
    if seq > len(lines):
        yield _truncated(seq, len(lines))
        return
    known = history if seq == len(lines) else fold(lines[:seq])
    if files.manifest == manifest.encode(known):
        if known is not history:
            yield Finding(
                code="MANIFEST_BEHIND",
                place=layout.MANIFEST,
                message=f"knows {seq} of {len(lines)} lines of the log",
                hint=_NEXT_RUN,
            )
    elif lines[seq - 1].sum != total:
        yield Finding(
            code="LOG_REWRITTEN",
            place=f"{layout.LOG}:{seq}",
            message=f"not the line that {layout.MANIFEST} remembers",
            expected=f"sum {total}",
            actual=f"sum {lines[seq - 1].sum}",
            hint=RESTORE,
        )
    else:
        yield Finding(
            code="MANIFEST_MISMATCH", place=layout.MANIFEST, message="does not say what the log says", hint=RESTORE
        )


def _head(data: bytes) -> tuple[int, str] | Finding:
    if chain.has_markers(data):
        return chain.branches_collide(layout.MANIFEST, "a merge conflict: two branches wrote the manifest")
    try:
        return manifest.head(data)
    except NotCanonical as error:
        return Finding(code="MANIFEST_INVALID", place=layout.MANIFEST, message=str(error), hint=RESTORE)


def _truncated(known: int, left: int) -> Finding:
    return Finding(
        code="LOG_TRUNCATED",
        place=layout.LOG,
        message=f"{layout.MANIFEST} knows {known} lines, and {left} are there",
        expected=f"{known} lines",
        actual=f"{left} lines",
        hint=RESTORE,
    )
