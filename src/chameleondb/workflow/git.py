"""The little of git that the vault needs: the two sides of a merge, and the files of a commit.

Commits are read, never the working copy, in which git may have left anything while it merges.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from chameleondb.errors import ChameleonError, UsageError
from chameleondb.findings import Finding
from chameleondb.frozen import frozen

_WAIT_S = 600
_MERGES = ("AUTO_MERGE", "MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "SQUASH_MSG")
_REGULAR = ("100644", "100755")


@frozen(kw_only=True)
class Commit:
    """A commit; `name` is what the user calls it."""

    name: str
    id: str


@frozen(kw_only=True)
class Merge:
    """What git is in the middle of: `ours` is the side whose versions give way if both have some."""

    kind: str  # "merge", "rebase" or "cherry-pick"
    ours: Commit
    theirs: Commit


class Checkout:
    """The git checkout that a directory lies in."""

    def __init__(self, folder: Path) -> None:
        """Raises: ChameleonError CHM2060 without git, or outside of a checkout."""
        self.folder = folder
        self.prefix = os.fsdecode(self._run("rev-parse", "--show-prefix", code="CHM2060")).removesuffix("\n")

    def commit(self, name: str) -> Commit:
        """Return the commit of a branch, tag or hash. Raises: UsageError CHM2061."""
        found = self._commit(name)
        if found is None:
            raise UsageError(
                "CHM2061",
                f"git knows no commit {name!r}",
                hint="name a branch, e.g. origin/main, or a commit; `git fetch` gets the newest",
            )
        return found

    def parents(self, commit: Commit) -> tuple[Commit, ...]:
        """Return the commits that a commit follows: two, if it is a merge."""
        ids = self._run("rev-parse", f"{commit.id}^@").decode("ascii").split()
        return tuple(Commit(name=f"{commit.name}^{n}", id=id) for n, id in enumerate(ids, 1))

    def merge(self) -> Merge | None:
        """Return what git is in the middle of, or None.

        While git rebases, HEAD is the branch that others know and the commit that is replayed is one's own; the same
        is true of a cherry-pick. While it merges, HEAD is one's own.
        """
        head = self._commit("HEAD")
        if head is None:
            return None
        if other := self._commit("MERGE_HEAD"):
            return Merge(kind="merge", ours=head, theirs=other)
        if self._is_rebasing() and (own := self._commit("REBASE_HEAD")):
            return Merge(kind="rebase", ours=own, theirs=head)
        if own := self._commit("CHERRY_PICK_HEAD"):
            return Merge(kind="cherry-pick", ours=own, theirs=head)
        return None

    def files(self, commit: Commit, folder: str, bytes_max: Callable[[str], int]) -> dict[str, bytes]:
        """Return the files below `folder` in a commit, by their paths below it.

        Raises: ChameleonError CHM2062 if one is a link or larger than allowed for its path, CHM2069.
        """
        root = f"{self.prefix}{folder}/"
        listed = self._run("ls-tree", "-r", "-l", "-z", "--full-tree", commit.id, "--", root)
        blobs: dict[str, str] = {}
        for entry in os.fsdecode(listed).split("\0")[:-1]:
            facts, _, path = entry.partition("\t")
            mode, _, blob, size = facts.split()
            below = path.removeprefix(root)
            if mode not in _REGULAR:
                raise _unusable(commit, below, "is not a regular file")
            if int(size) > bytes_max(below):
                raise _unusable(commit, below, "is too large")
            blobs[below] = blob
        contents = self._blobs(sorted(set(blobs.values())))
        return {path: contents[blob] for path, blob in blobs.items()}

    def unmerged(self, folder: str) -> frozenset[str]:
        """Return the paths below `folder` that git could not merge."""
        listed = os.fsdecode(self._run("ls-files", "-u", "-z", "--", folder))
        paths = (entry.partition("\t")[2] for entry in listed.split("\0")[:-1])
        return frozenset(path.removeprefix(f"{folder}/") for path in paths)

    def untracked(self, folder: str) -> frozenset[str]:
        """Return the paths below `folder` that git does not know of."""
        listed = os.fsdecode(self._run("ls-files", "-o", "-z", "--", folder))
        return frozenset(path.removeprefix(f"{folder}/") for path in listed.split("\0")[:-1])

    def tracks(self, path: str) -> bool:
        """Whether git has a file of this path below the directory."""
        return bool(self._run("ls-files", "-z", "--", path))

    def add(self, folder: str) -> None:
        """Tell git that all below `folder` is merged."""
        self._run("add", "-A", "--", folder)

    def _is_rebasing(self) -> bool:
        names = ("rebase-merge", "rebase-apply")
        found = os.fsdecode(self._run("rev-parse", *(word for n in names for word in ("--git-path", n))))
        return any((self.folder / path).exists() for path in found.splitlines())

    def _commit(self, name: str) -> Commit | None:
        with contextlib.suppress(_Failed):
            id = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            return Commit(name=name, id=id.decode("ascii").strip())
        return None

    def _blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        asked = "".join(f"{id}\n" for id in ids).encode("ascii")
        answer, found, at = self._run("cat-file", "--batch", given=asked), {}, 0
        while at < len(answer):
            end = answer.index(b"\n", at)
            words = answer[at:end].decode("ascii").split()
            if words[1:2] != ["blob"]:
                raise ChameleonError("CHM2069", f"git does not have the object {words[0]}", hint="run `git fetch`")
            size = int(words[2])
            found[words[0]] = answer[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return found

    def _run(self, *arguments: str, given: bytes = b"", code: str = "CHM2069") -> bytes:
        try:
            return self._try(*arguments, given=given)
        except _Failed as error:
            hint = "run it in the checkout that holds the project" if code == "CHM2060" else "correct that, then retry"
            raise ChameleonError(code, f"git cannot answer: {error}", hint=hint) from None

    def _try(self, *arguments: str, given: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                ["git", "--literal-pathspecs", "-C", str(self.folder), *arguments],
                input=given,
                capture_output=True,
                check=False,
                timeout=_WAIT_S,
                env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            )
        except FileNotFoundError:
            raise _Failed("it is not installed") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise _Failed(type(error).__name__) from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
            raise _Failed(said or "no reason given")
        return done.stdout


class _Failed(Exception):
    """git ended with an error; the text is its own."""


def _unusable(commit: Commit, path: str, why: str) -> ChameleonError:
    return ChameleonError(
        "CHM2062",
        f"the vault of {commit.name} cannot be used: {path} {why}",
        hint="somebody put it there by hand: remove it on that branch",
    )


def collision(data: Path) -> Finding | None:
    """Return the finding for a vault that git is in the middle of merging and could not; costs little otherwise."""
    git = _git_directory(data.parent)
    if git is None or not any((git / name).exists() for name in _MERGES):
        return None
    try:
        checkout = Checkout(data.parent)
        merge, unmerged = checkout.merge(), checkout.unmerged(f"{data.name}/vault")
    except ChameleonError:
        return None
    if not unmerged:
        return None
    return Finding(
        code="BRANCHES_COLLIDE",
        place="integrity.log",
        message="two branches wrote the vault, and git cannot merge them",
        actual=f"{merge.kind} of {merge.ours.id[:8]} and {merge.theirs.id[:8]}" if merge else None,
        hint="run `chameleon vault rebase`",
    )


def is_tracked(file: Path) -> bool:
    """Whether git has a file already, so that no rule makes it ignored; no, where there is no git."""
    if _git_directory(file.parent) is None:
        return False
    try:
        return Checkout(file.parent).tracks(file.name)
    except ChameleonError:
        return False


def _git_directory(folder: Path) -> Path | None:
    """Return the directory that git keeps its state of this checkout in."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_dir():
            return git
        if git.is_file():
            with contextlib.suppress(OSError, UnicodeDecodeError):
                text = git.read_text(encoding="utf-8").strip()
                return parent / text.removeprefix("gitdir: ")
            return None
    return None
