"""Two developers register a version of the same number: git stops, `verify` names it, `vault rebase` resolves it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chameleondb.modes.policy import Mode
from tests.branching import Developer, first_developer
from tests.cluster import Databases
from tests.command import PASSWORD, url_of

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("git") is None, reason="no git here"),
]

USER = "entity User {\n    id: bigint primary,\n}\n"
TEAM = "entity Team {\n    id: bigint primary,\n}\n"
POST = "entity Post {\n    id: bigint primary,\n}\n"
TAG = "entity Tag {\n    id: bigint primary,\n}\n"

Hire = Callable[[str], Developer]


@pytest.fixture
def ann(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Developer:
    """The first developer: v001 is applied, and everything is committed."""
    return first_developer(tmp_path_factory.mktemp("ann"), url_of(databases.new()), USER)


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


def test_the_page_shows_what_is_printed(ann: Developer, bob: Developer) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "branches.md").read_text(encoding="utf-8")
    _collide(ann, bob)
    done = bob.run("vault", "rebase").stdout
    shown = page.partition("$ chameleon vault rebase\n")[2].partition("$ git add")[0]
    assert re.sub(r"[0-9a-f]{8}", "#", done) == re.sub(r"[0-9a-f]{8}", "#", shown)


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


@pytest.fixture
def rebased(ann: Developer, bob: Developer) -> Developer:
    """Bob, whose database has his v002, which gave way to ann's; the schema of both is in his files, not applied."""
    _collide(ann, bob)
    bob.run("vault", "rebase")
    _resolve(bob)
    return bob


def test_a_password_that_a_rebase_left_out_is_reset_by_the_owner_of_a_database_that_knows_it(
    ann: Developer, bob: Developer
) -> None:
    new, reset = "a chameleon that changed its mind", ("config", "auth", "reset-password")
    bob.run("config", "auth", "set-password", CHAMELEON_MODE_PASSWORD=PASSWORD, CHAMELEON_NEW_MODE_PASSWORD=new)
    _collide(ann, bob)
    assert "the mode password of the other branch is valid now" in bob.run("vault", "rebase").stderr
    _resolve(bob)
    said = bob.run("verify", status=5)
    assert "integrity.log: the database knows another mode password than the vault" in said.stdout
    assert "`chameleon config auth reset-password` with this one" in said.stderr
    assert "AUTH_ROTATED_WITHOUT_OLD_KEY" not in _codes(ann)
    bob.run(*reset, CHAMELEON_NEW_MODE_PASSWORD=new)
    assert "AUTH_ROTATED_WITHOUT_OLD_KEY" not in _codes(bob)
    bob.run("config", "set", "mode=standard", CHAMELEON_MODE_PASSWORD=new)
    bob.run("migrate", "--apply")


def test_a_database_with_a_version_that_gave_way_is_told_so(rebased: Developer) -> None:
    assert _codes(rebased) == {"VERSION_SUPERSEDED"}
    status = rebased.run("status")
    assert "the database has a version that gave way to another branch's v002" in status.stderr
    assert "no version is applied" not in status.stdout
    assert "1 change pending" in status.stdout
    assert "CREATE TABLE teams" in rebased.run("migrate", "--dry-run").stdout


def test_the_ledger_tells_once_that_a_database_changed_over(rebased: Developer) -> None:
    rebased.unlock(Mode.READONLY)
    rebased.run("migrate", "--apply", status=4)
    assert "REBASE" not in rebased.kinds()
    rebased.unlock()
    rebased.execute("CREATE VIEW teams AS SELECT 1")
    for _ in range(2):
        rebased.run("migrate", "--apply", status=1)
    rebased.execute("DROP VIEW teams")
    rebased.run("migrate", "--apply")
    rebased.run("migrate", "--apply")
    assert rebased.kinds().count("REBASE") == 1
    old, new = rebased.rows("SELECT parent_id, version_id FROM chameleon.ledger WHERE kind = 'REBASE'")[0]
    (own,) = rebased.rows(
        "SELECT version_id FROM chameleon.ledger WHERE kind = 'APPLIED' ORDER BY seq OFFSET 1 LIMIT 1"
    )
    assert own == (old,)
    assert f"hash={new}" in next(line for line in rebased.log() if "[REGISTER] version=v002" in line)
    assert "rebase" in rebased.run("journal", "migrations").stdout


def test_what_else_was_recorded_while_the_version_was_the_newest_is_no_violation(
    ann: Developer, bob: Developer
) -> None:
    bob.apply(USER + POST)
    bob.unlock(Mode.PRIVILEGED)
    bob.run("sql", "SELECT 1")
    bob.unlock()
    bob.commit("posts")
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.git("pull", "-q", "--no-rebase", str(ann.folder), "main", fails=True)
    bob.run("vault", "rebase")
    _resolve(bob)
    assert _codes(bob) == {"VERSION_SUPERSEDED"}


def test_a_second_database_changes_over_after_the_vault_has_gone_on(
    ann: Developer, bob: Developer, databases: Databases
) -> None:
    test = Developer(bob.folder, url_of(databases.new()), "bob")
    bob.apply(USER + POST)
    test.run("migrate", "--apply")
    bob.commit("posts")
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.git("pull", "-q", "--no-rebase", str(ann.folder), "main", fails=True)
    bob.run("vault", "rebase")
    _resolve(bob)
    bob.run("migrate", "--apply")
    test.run("migrate", "--apply")
    assert test.kinds().count("REBASE") == 1
    assert [_codes(d) for d in (bob, test)] == [set(), set()]
    bob.commit("v003")

    # A third branch makes v003 give way, too: the row that tells of the first change is not tied to it.
    eve = ann.clone(bob.folder.parent / "eve", url_of(databases.new()), "eve")
    eve.apply(USER + TEAM + TAG)
    eve.commit("tags")
    bob.git("pull", "-q", "--no-rebase", str(eve.folder), "main", fails=True)
    bob.run("vault", "rebase")
    bob.write(USER + TEAM + POST + TAG)
    bob.commit("merged again")
    for developer in (bob, test):
        assert _codes(developer) == {"VERSION_SUPERSEDED"}
        developer.run("migrate", "--apply")
        assert developer.kinds().count("REBASE") == 2
        assert _codes(developer) == set()


def test_a_run_of_a_version_that_gave_way_is_not_gone_on_with(ann: Developer, bob: Developer) -> None:
    (bob.folder / ".chameleon.yml").write_text("migration:\n  small_table: 0MB\n")
    bob.execute("INSERT INTO users VALUES (1), (2)")
    bob.write(USER.replace("}", "    n: int?,\n    unique index (n),\n}"))
    bob.execute("CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    bob.execute("CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION no()")
    bob.run("migrate", "--apply", status=1)
    bob.execute("DROP EVENT TRIGGER no")
    bob.commit("unfinished")
    ann.apply(USER + TEAM)
    ann.commit("teams")
    bob.git("pull", "-q", "--no-rebase", str(ann.folder), "main", fails=True)
    bob.run("vault", "rebase")
    bob.write(USER + TEAM)
    bob.commit("merged")
    assert "CHM" not in bob.run("status").stderr
    bob.run("migrate", "--apply", "--allow", "*")
    assert bob.rows("SELECT count(*) FROM pg_class WHERE relname = 'teams'") == [(1,)]
    assert _codes(bob) <= {"DRIFT"}
    assert "Nothing to do" in bob.run("migrate", "--apply").stdout


def test_the_file_of_a_version_that_gave_way_must_stay(rebased: Developer) -> None:
    for path in (rebased.vault / "versions" / ".superseded").iterdir():
        path.unlink()
    assert "VERSION_MISSING" in _codes(rebased, status=5)
    rebased.run("migrate", "--apply", status=5)


def test_a_merge_that_took_one_side_by_hand_can_be_joined_later(ann: Developer, bob: Developer) -> None:
    _collide(ann, bob)
    bob.git("checkout", "-q", "--theirs", "--", ".chameleon/vault")
    _resolve(bob)
    assert _codes(bob, status=5) & {"APPLIED_VERSION_NOT_IN_VAULT", "VAULT_LOG_REWRITTEN", "VAULT_ROLLED_BACK"}
    # The branch that was merged has what the merge dropped.
    bob.git("branch", "own", "HEAD^1")
    bob.run("vault", "rebase", "--theirs", "own", status=0)
    assert _codes(bob, status=0) <= {"VERSION_SUPERSEDED", "RECEIPT_MISSING_ON_DISK"}
