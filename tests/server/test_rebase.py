"""Two developers register a version of the same number: git stops, `verify` names it, `vault rebase` resolves it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from tests.branching import Developer
from tests.cluster import Databases
from tests.command import url_of

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("git") is None, reason="no git here"),
]

USER = "entity User {\n    id: bigint primary,\n}\n"
TEAM = "entity Team {\n    id: bigint primary,\n}\n"
POST = "entity Post {\n    id: bigint primary,\n}\n"

Hire = Callable[[str], Developer]


@pytest.fixture
def ann(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Developer:
    """The first developer: v001 is applied, and everything is committed."""
    ann = Developer(tmp_path_factory.mktemp("ann"), url_of(databases.new()), "ann")
    ann.git("init", "-q", "-b", "main")
    (ann.folder / ".gitignore").write_text(".env\n")
    ann.apply(USER)
    ann.unlock()
    ann.commit("users")
    return ann


@pytest.fixture
def bob(ann: Developer, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Developer:
    """The second one, with a database of his own at v001."""
    bob = ann.clone(tmp_path_factory.mktemp("bob") / "project", url_of(databases.new()), "bob")
    bob.run("migrate", "--apply")
    bob.commit("bob's database")
    return bob


def _collide(ann: Developer, bob: Developer) -> None:
    """Both register v002; bob merges ann's, and git stops."""
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.apply(USER + POST)
    bob.commit("posts")
    bob.git("fetch", "-q", str(ann.folder), "main:refs/remotes/origin/main")
    said = bob.git("merge", "origin/main", fails=True)
    assert "CONFLICT" in said


def _resolve(bob: Developer) -> None:
    """Merge the schema by hand, and let git finish."""
    bob.write(USER + TEAM + POST)
    bob.commit("merged")


def _codes(developer: Developer, *, status: int = 0) -> set[str]:
    found = json.loads(developer.run("verify", "--format", "json", status=status).stdout)
    return {f["code"] for f in found["findings"]}


def test_two_branches_are_named_and_joined(ann: Developer, bob: Developer) -> None:
    _collide(ann, bob)
    assert "BRANCHES_COLLIDE" in _codes(bob, status=5)
    committed = bob.git("show", "HEAD:.chameleon/vault/integrity.log").splitlines()
    own = next(line for line in committed if "version=v002" in line)
    bob_id = own.partition(" hash=")[2][:64]

    done = bob.run("vault", "rebase")
    assert "gives way: Added Post" in done.stdout
    assert "✅ Vault rebased" in done.stdout
    assert (bob.vault / "versions" / ".superseded" / f"{bob_id}.json").is_file()
    _resolve(bob)

    bob.unlock()
    applied = bob.run("migrate", "--apply")
    assert "✓ Registered as v003" in applied.stdout
    assert "✅ Schema v003 locked in vault" in applied.stdout
    assert bob.rows("SELECT count(*) FROM pg_class WHERE relname IN ('users', 'teams', 'posts')") == [(3,)]
    assert bob.kinds().count("REBASE") == 1
    assert _codes(bob) <= {"VAULT_UNLIKE_LAST_SEEN"}
    history = bob.run("journal", "schema").stdout
    assert history.index("v003 (current) ✓") < history.index("v002")
    bob.commit("v003")

    # Ann takes it over without any conflict.
    ann.git("pull", "-q", "--no-rebase", str(bob.folder), "main")
    ann.unlock()
    ann.run("migrate", "--apply")
    assert ann.rows("SELECT count(*) FROM posts") == [(0,)]
    assert _codes(ann) == set()


def test_a_second_run_has_nothing_to_do(ann: Developer, bob: Developer) -> None:
    _collide(ann, bob)
    bob.run("vault", "rebase")
    log = (bob.vault / "integrity.log").read_bytes()
    assert "Nothing to do" in bob.run("vault", "rebase").stdout
    assert (bob.vault / "integrity.log").read_bytes() == log


def test_a_run_that_was_cut_short_is_completed(ann: Developer, bob: Developer) -> None:
    _collide(ann, bob)
    bob.run("vault", "rebase")
    whole = {p: p.read_bytes() for p in sorted(bob.vault.rglob("*")) if p.is_file()}
    bob.git("checkout", "-q", "--merge", "--", ".chameleon/vault", fails=False)
    for path in sorted(whole)[:3]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(whole[path])
    bob.run("vault", "rebase")
    assert {p: p.read_bytes() for p in sorted(bob.vault.rglob("*")) if p.is_file()} == whole


def test_before_merging_the_other_side_is_named(ann: Developer, bob: Developer) -> None:
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.apply(USER + POST)
    bob.commit("posts")
    bob.git("fetch", "-q", str(ann.folder), "main:refs/remotes/origin/main")
    refused = bob.run("vault", "rebase", status=64)
    assert "error[CHM2065]: git is not in the middle of a merge" in refused.stderr
    done = json.loads(bob.run("vault", "rebase", "--theirs", "origin/main", "--format", "json").stdout)
    assert [v["version"] for v in done["taken"]] == ["v002"]
    assert [v["version"] for v in done["set_aside"]] == ["v002"]


def test_receipts_of_two_clones_are_joined(ann: Developer, bob: Developer) -> None:
    # Both apply the same version to databases of their own: no version gives way, no receipt is lost.
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.git("pull", "-q", "--no-rebase", str(ann.folder), "main", fails=True)
    bob.run("vault", "rebase")
    bob.git("commit", "-q", "-m", "merged")
    bob.unlock()
    bob.run("migrate", "--apply")
    receipts = [line for line in bob.log() if "[APPLIED]" in line]
    assert len({line.partition(" db=")[2].split()[0] for line in receipts}) == 2
    assert _codes(bob) <= {"VAULT_UNLIKE_LAST_SEEN"}


def test_a_shared_database_refuses_the_second_child(ann: Developer, bob: Developer) -> None:
    bob.url = ann.url
    ann.apply(USER + TEAM)
    bob.write(USER + POST)
    refused = bob.run("migrate", "--apply", status=5)
    assert "git pull" in refused.stderr
    assert "chameleon vault rebase" in refused.stderr
    assert ann.rows("SELECT count(*) FROM pg_class WHERE relname = 'posts'") == [(0,)]
    assert ann.kinds().count("APPLIED") == 2


def test_a_broken_branch_is_not_taken(ann: Developer, bob: Developer) -> None:
    ann.apply(USER + TEAM)
    version = ann.vault / "versions" / "v002.json"
    version.chmod(0o644)
    version.write_text(version.read_text().replace("Team", "Tean"))
    ann.commit("tampered")
    bob.apply(USER + POST)
    bob.commit("posts")
    bob.git("fetch", "-q", str(ann.folder), "main:refs/remotes/origin/main")
    before = {p: p.read_bytes() for p in sorted(bob.vault.rglob("*")) if p.is_file()}
    refused = bob.run("vault", "rebase", "--theirs", "origin/main", status=5)
    assert "origin/main: v002.json: hash mismatch" in refused.stderr
    assert {p: p.read_bytes() for p in sorted(bob.vault.rglob("*")) if p.is_file()} == before


def test_outside_of_git(ann: Developer) -> None:
    shutil.rmtree(ann.folder / ".git")
    refused = ann.run("vault", "rebase", status=1)
    assert "error[CHM2060]" in refused.stderr or "error[CHM2061]" in refused.stderr
