"""``chameleon vault rebase`` in real git checkouts, without any database."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.branching import Clone

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")

SAMPLE = 8
Way = Callable[[Clone], str]


@pytest.fixture
def ann(tmp_path: Path) -> Clone:
    return Clone.start(tmp_path / "ann", "ann")


@pytest.fixture
def bob(ann: Clone, tmp_path: Path) -> Clone:
    """Bob's clone, in which both have registered v002; Ann's is known as origin/main."""
    bob = ann.clone(tmp_path / "bob", "bob")
    ann.register()
    ann.apply()
    ann.commit("ann's v002")
    bob.apply()
    bob.register()
    bob.commit("bob's v002")
    bob.git("fetch", "-q")
    return bob


def _authors(clone: Clone) -> list[str]:
    return [v.author for v in clone.history.versions]


def _unmerged(clone: Clone) -> str:
    return clone.git("ls-files", "-u")


def test_a_merge(bob: Clone) -> None:
    bob.git("merge", "origin/main", fails=True)
    said = bob.run("verify", "--offline", status=5)
    assert "two branches wrote the vault, and git cannot merge them" in said
    assert "run `chameleon vault rebase`" in said
    history = bob.run("journal", "schema")
    assert "warning: integrity.log: two branches wrote the vault, and git cannot merge them" in history
    assert "(current) ✓" not in history
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "ann"]
    assert _unmerged(bob) == ""
    assert [r.label for r in bob.history.receipts] == ["v002", "v001"]
    bob.git("commit", "-q", "-m", "merged")
    assert bob.git("status", "--porcelain") == ""
    assert "All versions verified" in bob.run("verify", "--offline")


@pytest.fixture
def mixed(bob: Clone) -> Clone:
    """Bob, who took Ann's side of each file that git could not merge; his v003, which she has none of, stayed."""
    bob.register()
    bob.commit("bob's v003")
    bob.git("merge", "origin/main", fails=True)
    bob.git("checkout", "--theirs", ".chameleon")
    bob.git("add", "-A")
    said = bob.run("verify", "--offline", status=5)
    assert "v003.json: is not in the log" in said
    assert "if git has merged two branches, `chameleon vault rebase`\n" in said
    return bob


def test_parts_of_two_vaults_are_joined_while_git_merges(mixed: Clone) -> None:
    mixed.run("vault", "rebase")
    mixed.git("commit", "-q", "-m", "merged")
    assert len(mixed.history.superseded) == 2
    assert "All versions verified" in mixed.run("verify", "--offline")


@pytest.mark.parametrize("place", ["error", "page"])
def test_parts_of_two_vaults_that_are_committed_are_joined_by_what_is_said(mixed: Clone, place: str) -> None:
    mixed.git("commit", "-q", "-m", "merged")
    assert "or HEAD^2 if the merge is committed already" in mixed.run("vault", "rebase", status=64)
    said = mixed.run("vault", "rebase", "--theirs", "HEAD^2", status=5)
    commands = said.partition("in its own commit: ")[2].partition(", then commit that\n")[0]
    if place == "page":
        page = (Path(__file__).resolve().parents[2] / "docs" / "branches.md").read_text(encoding="utf-8")
        shown = page.partition("```sh\ngit restore")[2].partition("```")[0]
        assert f"git restore{shown}".startswith(f"{commands}\n")
    for words in map(shlex.split, commands.split(" && ")):
        (mixed.git if words[0] == "git" else mixed.run)(*words[1:])
    mixed.commit("both vaults")
    assert _authors(mixed) == ["ann", "ann"]
    assert len(mixed.history.superseded) == 2
    assert mixed.git("status", "--porcelain") == ""
    assert "All versions verified" in mixed.run("verify", "--offline")


def test_a_rebase_of_several_commits(ann: Clone, bob: Clone) -> None:
    bob.register()
    bob.commit("bob's v003")
    bob.git("rebase", "-q", "origin/main", fails=True)
    assert "run `chameleon vault rebase`" in bob.run("verify", "--offline", status=5)
    done = json.loads(bob.run("vault", "rebase", "--format", "json"))
    assert (done["ours"]["name"], done["theirs"]["name"]) == ("REBASE_HEAD", "HEAD")
    bob.git("rebase", "--continue", fails=True)
    bob.run("vault", "rebase")
    bob.git("rebase", "--continue")
    assert _authors(bob) == ["ann", "ann"]
    assert len(bob.history.superseded) == 2
    assert [r.label for r in bob.history.receipts] == ["v002", "v001"]
    # Ann takes it over without a conflict.
    ann.git("pull", "-q", "--ff-only", str(bob.folder), "main")
    assert ann.history == bob.history


def test_a_cherry_pick(bob: Clone) -> None:
    own = bob.git("rev-parse", "HEAD").strip()
    bob.git("checkout", "-q", "--detach", "origin/main")
    bob.git("cherry-pick", own, fails=True)
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "ann"]
    assert len(bob.history.superseded) == 1


def test_the_other_way_round(bob: Clone) -> None:
    # Also after it was done the wrong way at first.
    bob.git("merge", "origin/main", fails=True)
    bob.run("vault", "rebase")
    bob.run("vault", "rebase", "--theirs", "HEAD")
    assert _authors(bob) == ["ann", "bob"]
    bob.run("vault", "rebase", "--theirs", "origin/main")
    assert _authors(bob) == ["ann", "ann"]


def test_both_orders_and_then_each_others(ann: Clone, bob: Clone, tmp_path: Path) -> None:
    # Whoever merges whom, the results are sound, and merging them again is possible.
    ann.git("fetch", "-q", str(bob.folder), "main:refs/remotes/bob/main")
    bob.git("merge", "-q", "origin/main", fails=True)
    bob.run("vault", "rebase")
    bob.git("commit", "-q", "-m", "ann's stay")
    ann.git("merge", "-q", "bob/main", fails=True)
    ann.run("vault", "rebase")
    ann.git("commit", "-q", "-m", "bob's stay")
    assert (_authors(ann), _authors(bob)) == (["ann", "bob"], ["ann", "ann"])
    bob.git("pull", "-q", "--no-rebase", "origin", "main", fails=True)
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "bob"]
    assert len(bob.history.superseded) == 1


def test_three_branches_in_a_row(ann: Clone, bob: Clone, tmp_path: Path) -> None:
    eve = ann.clone(tmp_path / "eve", "eve")
    eve.git("reset", "-q", "--hard", "HEAD~1")
    eve.register()
    eve.commit("eve's v002")
    bob.git("merge", "-q", "origin/main", fails=True)
    bob.run("vault", "rebase")
    bob.register()
    bob.commit("bob's v003")
    eve.git("pull", "-q", "--no-rebase", str(bob.folder), "main", fails=True)
    eve.run("vault", "rebase")
    assert _authors(eve) == ["ann", "ann", "bob"]
    eve.register()
    eve.commit("eve's v004")
    bob.git("pull", "-q", "--ff-only", str(eve.folder), "main")
    assert [v.label for v in bob.history.versions] == ["v001", "v002", "v003", "v004"]
    assert len(bob.history.superseded) == 2


def test_before_merging_and_then_merging(bob: Clone) -> None:
    said = bob.run("vault", "rebase", "--theirs", "origin/main")
    assert "💡 Next: commit .chameleon/vault, then merge" in said
    assert "Nothing to do" in bob.run("vault", "rebase", "--theirs", "origin/main")
    bob.commit("rebased")
    before = bob.files()
    bob.git("merge", "origin/main", fails=True)
    assert "Nothing to do" in bob.run("vault", "rebase")
    assert _unmerged(bob) == ""
    bob.git("commit", "-q", "-m", "merged")
    assert bob.files() == before


def test_what_follows_a_rebase_is_kept_by_a_second_run(bob: Clone) -> None:
    bob.git("merge", "origin/main", fails=True)
    bob.run("vault", "rebase")
    bob.register()
    assert "Nothing to do" in bob.run("vault", "rebase")
    assert [v.label for v in bob.history.versions] == ["v001", "v002", "v003"]


def test_a_longer_branch_gives_way_as_a_whole(bob: Clone) -> None:
    third = bob.register()
    bob.commit("bob's v003")
    bob.git("merge", "origin/main", fails=True)
    bob.run("vault", "rebase")
    assert sorted(p.name for p in (bob.vault / "versions").glob("*.json")) == ["v001.json", "v002.json"]
    assert sorted(p.name for p in (bob.vault / "hashes").iterdir()) == ["v001.hash", "v002.hash"]
    assert (bob.vault / "versions" / ".superseded" / f"{third}.json").is_file()


def test_more_versions_of_theirs_are_no_unknown_files(ann: Clone, bob: Clone) -> None:
    ann.register()
    ann.commit("ann's v003")
    bob.git("pull", "-q", "--no-rebase", "origin", "main", fails=True)
    found = json.loads(bob.run("verify", "--offline", "--format", "json", status=5))["findings"]
    assert [f["code"] for f in found] == ["BRANCHES_COLLIDE"]
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "ann", "ann"]


def test_without_the_rules_for_git_the_vault_is_still_resolved(bob: Clone) -> None:
    # git then writes its markers into the log.
    for place in ("HEAD", "origin/main"):
        bob.git("checkout", "-q", "-B", f"bare-{place.replace('/', '-')}", place)
        bob.git("rm", "-q", ".chameleon/.gitattributes")
        bob.git("commit", "-q", "-m", "without")
    bob.git("merge", "-q", "bare-HEAD", fails=True)
    assert b"<<<<<<<" in bob.files()["integrity.log"]
    assert "BRANCHES_COLLIDE" in bob.run("verify", "--offline", "--format", "json", status=5)
    bob.run("vault", "rebase")
    assert len(bob.history.superseded) == 1


def test_a_project_below_the_top_of_its_checkout_and_in_a_worktree(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    ann = Clone(top / "a b*", "ann")
    ann.folder.mkdir()
    Clone(top, "ann").git("init", "-q", "-b", "main")
    ann.store.create()
    ann.register()
    ann.commit("v001")
    Clone(top, "ann").git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    bob = Clone(tmp_path / "tree" / "a b*", "bob")
    ann.register()
    ann.commit("ann's")
    bob.register()
    bob.commit("bob's")
    bob.git("merge", "main", fails=True)
    assert "run `chameleon vault rebase`" in bob.run("verify", "--offline", status=5)
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "ann"]
    assert bob.git("status", "--porcelain", "--", ".").count("UU") == 0


def test_outside_of_a_merge_the_other_side_must_be_named(bob: Clone) -> None:
    said = bob.run("vault", "rebase", status=64)
    assert "error[CHM2065]: git is not in the middle of a merge" in said
    assert "chameleon vault rebase --theirs origin/main" in said


@pytest.mark.parametrize("name", ["nowhere", "--upload-pack=x", "", "HEAD:.chameleon"])
def test_a_commit_that_is_none(bob: Clone, name: str) -> None:
    assert "error[CHM2061]: git knows no commit" in bob.run("vault", "rebase", f"--theirs={name}", status=64)


def test_a_squashed_merge_is_named_and_joined(bob: Clone) -> None:
    bob.git("merge", "--squash", "origin/main", fails=True)
    assert "run `chameleon vault rebase`" in bob.run("verify", "--offline", status=5)
    assert "--theirs origin/main" in bob.run("vault", "rebase", status=64)
    bob.run("vault", "rebase", "--theirs", "origin/main")
    assert _unmerged(bob) == ""
    assert _authors(bob) == ["ann", "ann"]


def test_a_stash_that_collides_is_named(ann: Clone, bob: Clone) -> None:
    bob.git("reset", "-q", "--soft", "HEAD~1")
    bob.git("stash", "-q")
    bob.git("merge", "-q", "--ff-only", "origin/main")
    bob.git("stash", "pop", fails=True)
    assert "run `chameleon vault rebase`" in bob.run("verify", "--offline", status=5)
    assert "git stash branch NAME" in bob.run("vault", "rebase", status=64)
    bob.git("checkout", "-q", "-f", "HEAD")
    bob.git("stash", "branch", "own")
    bob.commit("bob's v002")
    bob.git("merge", "origin/main", fails=True)
    bob.run("vault", "rebase")
    assert _authors(bob) == ["ann", "ann"]
    assert len(bob.history.superseded) == 1


def test_a_revert_has_no_other_side(bob: Clone) -> None:
    bob.register()
    bob.commit("bob's v003")
    bob.git("revert", "--no-edit", "HEAD~1", fails=True)
    assert "error[CHM2065]" in bob.run("vault", "rebase", status=64)


def test_a_commit_that_is_no_side_of_the_merge(bob: Clone) -> None:
    bob.git("merge", "origin/main", fails=True)
    said = bob.run("vault", "rebase", "--theirs", "HEAD~1", status=64)
    assert "error[CHM2066]: HEAD~1 is neither side of the merge" in said


def test_what_no_commit_holds_is_not_overwritten(bob: Clone) -> None:
    bob.register()
    before = bob.files()
    said = bob.run("vault", "rebase", "--theirs", "origin/main", status=1)
    assert "error[CHM2068]" in said
    assert "git add .chameleon && git commit" in said
    assert bob.files() == before


def test_a_version_that_was_left_out_of_a_commit_is_to_be_added(bob: Clone) -> None:
    bob.register()
    bob.git("commit", "-q", "-a", "-m", "without what is new")
    said = bob.run("vault", "rebase", "--theirs", "origin/main", status=5)
    assert "HEAD: v003.json: is missing" in said
    assert "help: versions/v003.json is here, and in no commit: git add .chameleon && git commit" in said
    bob.git("merge", "origin/main", fails=True)
    assert "git merge --abort, then git add .chameleon && git commit" in bob.run("vault", "rebase", status=5)
    bob.git("merge", "--abort")
    bob.commit("what is new")
    bob.run("vault", "rebase", "--theirs", "origin/main")


def test_a_version_that_is_gone_cannot_be_added(bob: Clone) -> None:
    bob.register()
    (bob.vault / "versions" / "v003.json").unlink()
    bob.commit("without it")
    assert "take a sound vault into HEAD first" in bob.run("vault", "rebase", "--theirs", "origin/main", status=5)


def test_a_branch_without_a_vault(bob: Clone) -> None:
    bob.git("checkout", "-q", "--orphan", "empty")
    bob.git("rm", "-q", "-r", "-f", ".")
    bob.git("commit", "-q", "--allow-empty", "-m", "nothing")
    bob.git("checkout", "-q", "main")
    assert "error[CHM2070]: there is no vault in empty" in bob.run("vault", "rebase", "--theirs", "empty", status=1)


def test_another_vault(bob: Clone, tmp_path: Path) -> None:
    other = Clone.start(tmp_path / "other", "eve")
    bob.git("fetch", "-q", str(other.folder), "main:refs/remotes/other/main")
    said = bob.run("vault", "rebase", "--theirs", "other/main", status=1)
    assert "error[CHM2063]: the other branch holds another vault" in said


def test_a_link_in_their_vault(ann: Clone, bob: Clone) -> None:
    (ann.vault / "versions" / "v003.json").symlink_to("v002.json")
    ann.commit("a link")
    bob.git("fetch", "-q")
    said = bob.run("vault", "rebase", "--theirs", "origin/main", status=1)
    assert "error[CHM2062]: the vault of origin/main cannot be used: versions/v003.json is not a regular file" in said


def test_a_link_in_the_working_copy_is_not_followed(bob: Clone, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    bob.git("merge", "origin/main", fails=True)
    log = bob.vault / "integrity.log"
    log.unlink()
    log.symlink_to(target)
    assert "integrity.log: not a regular file" in bob.run("vault", "rebase", status=5)
    assert target.read_text() == "mine"


def test_no_checkout(bob: Clone) -> None:
    shutil.rmtree(bob.folder / ".git")
    said = bob.run("vault", "rebase", "--theirs", "main", status=1, GIT_CEILING_DIRECTORIES=str(bob.folder.parent))
    assert "error[CHM2060]: git cannot answer: not a git repository" in said


def test_no_git(bob: Clone, tmp_path: Path) -> None:
    said = bob.run("vault", "rebase", status=1, PATH=str(tmp_path))
    assert "error[CHM2060]: git cannot answer: it is not installed" in said


def test_the_journal_tells_of_it(bob: Clone) -> None:
    bob.git("merge", "origin/main", fails=True)
    bob.run("vault", "rebase")
    entries = [json.loads(line) for line in (bob.folder / ".chameleon/local/journal.jsonl").read_text().splitlines()]
    assert [(e["action"], e["status"], e["version"]) for e in entries] == [("rebase", "done", "v002")]
    assert "v002" in entries[0]["detail"]


@pytest.mark.slow
def test_killed_at_an_instant(bob: Clone, tmp_path: Path) -> None:
    """The same files come out of the next run, whatever instant the first one ended at."""
    bob.register()
    bob.apply()
    bob.commit("bob's v003")
    bob.git("merge", "origin/main", fails=True)

    def copy(name: str) -> Clone:
        return Clone(Path(shutil.copytree(bob.folder, tmp_path / name, symlinks=True)), "bob")

    def rebase(clone: Clone, instant: int) -> str:
        own = {"KILLED_DATABASE": "none", "XDG_STATE_HOME": str(tmp_path / f"state-{instant}")}
        status = -9 if instant else 0
        return clone.run(str(instant), "vault", "rebase", status=status, module="tests.crash.killed", **own)

    whole = copy("whole")
    said = rebase(whole, 0)
    count = int(said.splitlines()[-1])
    assert count > 40
    every = range(1, count + 1)
    chosen = every if os.environ.get("CHAMELEON_TEST_INSTANTS") == "all" else random.sample(every, SAMPLE)
    for instant in chosen:
        clone = copy(f"at-{instant}")
        rebase(clone, instant)
        clone.run("vault", "rebase")
        assert clone.files() == whole.files(), f"killed at instant {instant}"
        assert _unmerged(clone) == ""
        assert clone.history == whole.history
        shutil.rmtree(clone.folder)
