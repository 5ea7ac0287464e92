"""``vault rebase``: one vault of the two that git cannot merge.

Both sides are read from their commits and verified; the vault in the working copy is made the one that continues both.
That is a function of the two commits, so a second run has nothing to do, and one after a kill completes the first. What
no commit holds is never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from chameleondb.config import Project
from chameleondb.errors import ChameleonError, IntegrityError, UsageError
from chameleondb.findings import Finding, Severity, of_severity
from chameleondb.frozen import frozen
from chameleondb.vault import layout
from chameleondb.vault.branches import Joined, Side, join
from chameleondb.vault.files import VaultFiles
from chameleondb.vault.store import Store
from chameleondb.vault.tree import by_id, bytes_max, files_of
from chameleondb.vault.verify import Verified, verify
from chameleondb.workflow.git import Checkout, Commit, Merge
from chameleondb.workflow.journal import Journal
from chameleondb.workflow.pins import Pins
from chameleondb.workflow.trust import remember


@frozen(kw_only=True)
class Rebased:
    """What was done. `is_changed` is false if the vault continued both branches already."""

    merge: Merge
    joined: Joined
    is_changed: bool
    is_merging: bool  # git waits for the rest of a merge


@frozen(kw_only=True)
class _Branch:
    side: Side
    files: Mapping[str, bytes]


def rebase(
    project: Project,
    *,
    theirs: str | None,
    memory: Pins,
    now: Callable[[], datetime],
    waiting: Callable[[str], None],
) -> Rebased:
    """Make the vault continue both sides of git's merge, or HEAD and the commit `theirs`, whose versions stay.

    Raises: UsageError CHM2061, CHM2065, CHM2066; ChameleonError CHM2060 to CHM2070; IntegrityError if a side was
    tampered with; LockNotAcquired.
    """
    checkout, store = Checkout(project.root), Store(project.data, now)
    with store.lock(project.settings.lock_deadline_s, waiting), Journal(project.local, now).recorded("rebase") as note:
        is_merging = checkout.merge() is not None
        merge = _sides(checkout, theirs)
        folder = f"{project.data.name}/{layout.VAULT}"
        mine, other = (_read(checkout, commit, folder) for commit in (merge.ours, merge.theirs))
        joined = _joined(mine.side, other.side)
        newest = joined.history.newest
        note.version, note.detail = newest.label if newest else None, _told(merge, joined)
        unmerged = checkout.unmerged(folder)
        working = store.read(deep=True)
        is_changed = not _continues(working, joined.files[layout.LOG])
        if is_changed:
            _require_writable(working.files)
            states = (mine.files, other.files, joined.files, _other_way_round(mine.side, other.side))
            _require_committed(working.files, states, unmerged)
            store.exchange(joined.files)
            store.repair(store.read(deep=True))
        if unmerged:
            checkout.add(folder)
        remember(memory, store.read(deep=False).history or joined.history, None)
        return Rebased(merge=merge, joined=joined, is_changed=is_changed, is_merging=is_merging)


def _sides(checkout: Checkout, name: str | None) -> Merge:
    """Return the two commits: those of git's merge, or HEAD and the one that was named."""
    merge = checkout.merge()
    if name is None:
        if merge is None:
            raise UsageError(
                "CHM2065",
                "git is not in the middle of a merge",
                hint="name the branch whose versions stay, e.g. chameleon vault rebase --theirs origin/main,"
                " or HEAD^2 if the merge is committed already; a stash becomes a branch by `git stash branch NAME`",
            )
        return merge
    theirs = checkout.commit(name)
    if merge is None:
        return Merge(kind="none", ours=checkout.commit("HEAD"), theirs=theirs)
    sides = {merge.ours.id: merge.theirs, merge.theirs.id: merge.ours}
    if theirs.id not in sides:
        raise UsageError(
            "CHM2066",
            f"{name} is neither side of the {merge.kind} that git is in the middle of",
            hint=f"its sides are {merge.ours.name} and {merge.theirs.name}",
        )
    return Merge(kind=merge.kind, ours=sides[theirs.id], theirs=theirs)


def _read(checkout: Checkout, commit: Commit, folder: str) -> _Branch:
    """Return the vault of a commit, verified as a whole. Raises: IntegrityError; ChameleonError CHM2062, CHM2070."""
    files = checkout.files(commit, folder, bytes_max)
    if not files:
        raise ChameleonError(
            "CHM2070", f"there is no vault in {commit.name}", hint="commit .chameleon/vault there, or name another side"
        )
    verified = verify(files_of(files))
    if verified.violations or verified.history is None:
        findings = tuple(replace(f, place=f"{commit.name}: {f.place}") for f in verified.violations)
        hint = _left_out(checkout, commit, folder, verified.violations) or _half_merged(checkout, commit, folder)
        raise IntegrityError(
            findings, hint=hint or f"take a sound vault into {commit.name} first; see `chameleon verify` there"
        )
    return _Branch(side=Side(history=verified.history, contents=by_id(files)), files=files)


def _left_out(checkout: Checkout, commit: Commit, folder: str, violations: Iterable[Finding]) -> str | None:
    """Return what to do about versions that git does not know of: `git commit -a` leaves out what is new."""
    missing = {f"{layout.VERSIONS}/{f.place}" for f in violations if f.code == "VERSION_MISSING"}
    here = sorted(missing & checkout.untracked(folder))
    if commit.name != "HEAD" or not here:
        return None
    merge = checkout.merge()
    first = f"git {merge.kind} --abort, then " if merge else ""
    return f"{', '.join(here)} is here, and in no commit: {first}git add .chameleon && git commit"


def _half_merged(checkout: Checkout, commit: Commit, folder: str) -> str | None:
    """Return what to do about a merge that was committed with some files of one side's vault and some of the other's.

    Each side is still in its commit. Taking one over as a whole makes HEAD sound, and then both can be joined.
    """
    parents = checkout.parents(commit)
    if commit.name != "HEAD" or len(parents) != 2:
        return None
    for parent in parents:
        verified = verify(files_of(checkout.files(parent, folder, bytes_max)))
        if verified.violations or verified.history is None:
            return None
    return (
        f"HEAD merged two vaults into none; each is whole in its own commit: git restore -s HEAD^1 -SW {folder}"
        " && git commit -m 'one vault' && chameleon vault rebase --theirs HEAD~1^2, then commit that"
    )


def _joined(ours: Side, theirs: Side) -> Joined:
    """Join two sides, and verify the result before any of it is written."""
    joined = join(ours, theirs)
    wrong = verify(files_of(joined.files)).violations
    if wrong:
        raise IntegrityError(wrong)
    return joined


def _other_way_round(ours: Side, theirs: Side) -> Mapping[str, bytes]:
    """Return what a run with the sides exchanged has made, if it was the wrong way round at first."""
    try:
        return join(theirs, ours).files
    except ChameleonError:
        return {}


def _continues(working: Verified, log: bytes) -> bool:
    """Whether the vault in the working copy has the joined log already, and perhaps more after it."""
    return not working.violations and (working.files.log or b"").startswith(log)


def _require_writable(files: VaultFiles) -> None:
    """Raises: IntegrityError for what could lead a writer astray, e.g. a link; UsageError CHM2002 without a vault."""
    if not files.is_open and not files.findings:
        raise UsageError("CHM2002", "vault not initialized", hint="`git checkout -- .chameleon` brings it back")
    unsafe = tuple(f for f in of_severity(files.findings, Severity.VIOLATION) if f.code != "VERSION_HASH_MISMATCH")
    if unsafe:
        raise IntegrityError(unsafe, hint=_first_hint(unsafe))


def _first_hint(findings: Iterable[Finding]) -> str | None:
    return next((f.hint for f in findings if f.hint), None)


def _require_committed(files: VaultFiles, states: Iterable[Mapping[str, bytes]], unmerged: frozenset[str]) -> None:
    """Raises: ChameleonError CHM2068 if a file is none of those that are known: then nobody else has it."""
    present = {f"{layout.VERSIONS}/{name}": seen.sha256 for name, seen in files.versions.items()}
    present |= {f"{layout.HASHES}/{name}": sha256(data).hexdigest() for name, data in files.hashes.items()}
    for name, content in ((layout.LOG, files.log), (layout.MANIFEST, files.manifest)):
        if content is not None:
            present[name] = sha256(content).hexdigest()
    known: dict[str, set[str]] = {}
    for state in states:
        for path, data in state.items():
            known.setdefault(path, set()).add(sha256(data).hexdigest())
    for path, digest in present.items():
        if path not in unmerged and digest not in known.get(path, ()):
            raise ChameleonError(
                "CHM2068",
                f"{path} is not what any commit holds, and would be lost",
                hint="commit it first: git add .chameleon && git commit; if git is merging,"
                " `git checkout -m -- .chameleon/vault` brings back what git found",
            )


def _told(merge: Merge, joined: Joined) -> str:
    aside = ", ".join(f"{v.label} ({v.id[:8]}) set aside" for v in joined.set_aside)
    return f"onto {merge.theirs.name} {merge.theirs.id[:8]}: {aside or 'no version set aside'}"
