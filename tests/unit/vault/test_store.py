"""Writing the vault: what is made, what is refused, and what a killed command leaves is put right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from chameleondb.errors import ChameleonError, IntegrityError, LockNotAcquired
from chameleondb.findings import Severity
from chameleondb.modes.policy import Mode
from chameleondb.vault import layout, manifest
from chameleondb.vault.history import fold
from chameleondb.vault.store import Store
from tests.unit.vault.vaults import Clock, Vault, snapshot, three_versions


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "project")
    made.register()
    return made


def _names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def _modes(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mode & 0o777 for p in folder.rglob("*")}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_have_their_permissions_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        vault = Vault(tmp_path / "project")
        with vault.store.lock():
            vault.register()
    finally:
        os.umask(before)
    assert _modes(vault.data) == {
        ".gitattributes": 0o644,
        ".gitignore": 0o644,
        "local": 0o700,
        "local/lock": 0o600,
        "vault": 0o755,
        "vault/hashes": 0o755,
        "vault/hashes/v001.hash": 0o444,
        "vault/integrity.log": 0o644,
        "vault/manifest.json": 0o644,
        "vault/versions": 0o755,
        "vault/versions/v001.json": 0o444,
    }
    assert vault.verify().findings == ()


def test_sha256sum_agrees(vault: Vault) -> None:
    done = subprocess.run(
        ["sha256sum", "-c", "../hashes/v001.hash"],
        cwd=vault.folder / "versions",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "v001.json: OK\n"


def test_what_is_returned_is_what_is_on_disk(tmp_path: Path) -> None:
    vault = three_versions(tmp_path / "project")
    history = vault.verify().history
    assert history == vault.history == fold(vault.history.lines)
    assert [v.label for v in vault.history.versions] == ["v001", "v002", "v003"]
    first, second, third = vault.history.versions
    assert (vault.history.newest, vault.history.current, vault.history.pending) == (third, second, third)
    assert vault.history.parent_label(third) == "v002"
    assert vault.history.parent_label(first) == "none"
    assert vault.history.by_label("v002") is second
    assert [c.to for c in vault.history.mode_changes] == [Mode.STANDARD, Mode.READONLY]
    assert vault.store.load(second).summary == 'Added "age" field to User'


def test_odd_authors_are_kept(vault: Vault) -> None:
    for author in ('Ann "B"\nseq=9', "日本 \U0001f98e", "\u202eevil", "half \udcff", ""):
        vault.register(author=author)
        newest = vault.history.newest
        assert newest is not None
        assert newest.author == author.replace("\udcff", "?") == vault.store.load(newest).author
    assert vault.verify().findings == ()


def test_bounds_of_sequences_are_kept(vault: Vault) -> None:
    bounds = [["Sequence", {"minimum": -(2**63), "maximum": 2**63 - 1}]]
    history = vault.store.register(vault.history, replace(snapshot(vault.history), schema=bounds))
    assert history.newest is not None
    assert vault.store.load(history.newest).schema == bounds
    assert vault.verify().findings == ()


def test_a_second_vault_is_refused(vault: Vault) -> None:
    with pytest.raises(ChameleonError, match="there is a vault already") as caught:
        vault.store.create()
    assert caught.value.code == "CHM2011"
    (vault.folder / "integrity.log").unlink()
    with pytest.raises(ChameleonError, match="there is a vault already"):
        vault.store.create()


def test_a_vault_that_was_never_finished_is_swept(tmp_path: Path) -> None:
    leftover = tmp_path / ".chameleon" / ".vault.0123456789abcdef.tmp"
    (leftover / "versions").mkdir(parents=True)
    (leftover / "integrity.log").write_bytes(b"half a li")
    store = Store(tmp_path / ".chameleon", Clock())
    assert [f.severity for f in store.read().findings] == [Severity.RECOVERABLE]
    store.create()
    assert not leftover.exists()
    assert store.read().findings == ()


def test_a_data_folder_that_others_may_write_is_closed(tmp_path: Path) -> None:
    (tmp_path / ".chameleon").mkdir()
    (tmp_path / ".chameleon").chmod(0o777)
    store = Store(tmp_path / ".chameleon", Clock())
    store.create()
    assert (tmp_path / ".chameleon").stat().st_mode & 0o777 == 0o755
    assert store.read().findings == ()


def test_the_same_unregistered_version_is_adopted(vault: Vault) -> None:
    new = snapshot(vault.history)
    (vault.folder / "versions" / "v002.json").write_bytes(new.encode())
    assert [f.code for f in vault.verify().findings] == ["ORPHAN_VERSION"]
    assert [f.code for f in vault.verify(deep=False).findings] == ["ORPHAN_VERSION"]
    vault.store.register(vault.history, new)
    assert vault.verify().findings == ()
    assert not (vault.folder / "versions" / ".orphans").exists()


def test_a_version_whose_line_was_cut_short_was_never_registered(vault: Vault) -> None:
    new = snapshot(vault.history)
    before = (vault.folder / "integrity.log").read_bytes()
    vault.store.register(vault.history, new)
    line = (vault.folder / "integrity.log").read_bytes()[len(before) :]
    cut = line.index(b"parent=")
    (vault.folder / "integrity.log").write_bytes(before + line[:cut])
    (vault.folder / "manifest.json").write_bytes(manifest.encode(vault.history))
    assert sha256(new.encode()).hexdigest().encode() in line[:cut]
    for deep in (True, False):
        found = {f.code for f in vault.verify(deep=deep).findings}
        assert found == {"LOG_TORN_TAIL", "ORPHAN_VERSION"}


def test_another_unregistered_version_is_set_aside(vault: Vault) -> None:
    orphan = snapshot(vault.history, text="never registered").encode()
    for _ in range(2):  # the second time, it was set aside before
        (vault.folder / "versions" / "v002.json").write_bytes(orphan)
        (vault.folder / "hashes" / "v002.hash").write_bytes(b"stale")
        history = vault.store.register(vault.history, snapshot(vault.history))
        assert history.newest is not None
        assert vault.verify().findings == ()
        _forget_newest(vault)
    (kept,) = (vault.folder / "versions" / ".orphans").iterdir()
    assert kept.read_bytes() == orphan


def _forget_newest(vault: Vault) -> None:
    for name in ("versions/v002.json", "hashes/v002.hash"):
        (vault.folder / name).unlink()
    text = "".join(f"{line.text}\n" for line in vault.history.lines)
    (vault.folder / "integrity.log").write_text(text)


def _torn(vault: Vault) -> None:
    with (vault.folder / "integrity.log").open("ab") as log:
        log.write(b"2026-02-20T11:00:00Z [DENI")


def _behind(vault: Vault) -> None:
    manifest = vault.folder / "manifest.json"
    before = manifest.read_bytes()
    vault.history = vault.store.append(vault.history, "DENIED", what="mode:standard", reason="wrong-password")
    manifest.write_bytes(before)


def _no_hash(vault: Vault) -> None:
    (vault.folder / "hashes" / "v001.hash").unlink()


def _orphan(vault: Vault) -> None:
    data = snapshot(vault.history, text="never registered").encode()
    (vault.folder / "versions" / "v002.json").write_bytes(data)


def _leftover(vault: Vault) -> None:
    (vault.folder / ".manifest.json.0123456789abcdef.tmp").write_bytes(b"{")


def _no_rules(vault: Vault) -> None:
    (vault.data / ".gitattributes").unlink()


_DAMAGES: dict[Callable[[Vault], None], str] = {
    _torn: "integrity.log",
    _behind: "manifest.json",
    _no_hash: "hashes/v001.hash",
    _orphan: "v002.json",
    _leftover: ".manifest.json.0123456789abcdef.tmp",
    _no_rules: ".gitattributes",
}


@pytest.mark.parametrize(("damage", "name"), _DAMAGES.items())
def test_what_a_killed_command_left_is_put_right(vault: Vault, damage: Callable[[Vault], None], name: str) -> None:
    damage(vault)
    assert vault.store.repair(vault.verify()) == (name,)
    assert vault.store.repair(vault.verify()) == ()
    assert vault.verify().findings == ()
    vault.register()
    assert vault.verify().findings == ()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (b"", b""),
        (b"# mine", b"# mine\n"),
        (b"vault/** -text -merge\nvault/** text merge\n", b"vault/** -text -merge\nvault/** text merge\n"),
        (b"* text=auto\n", b"* text=auto\n"),
    ],
)
def test_rules_for_git_that_do_not_hold_are_found_and_added_to(vault: Vault, text: bytes, after: bytes) -> None:
    path = vault.data / ".gitattributes"
    path.write_bytes(text)
    (found,) = vault.verify().findings
    assert (found.code, found.severity) == ("GIT_RULES_MISSING", Severity.RECOVERABLE)
    assert vault.store.repair(vault.verify()) == (".gitattributes",)
    assert path.read_bytes() == after + b"vault/** -text -merge\n"
    assert vault.verify().findings == ()


def test_other_rules_for_git_before_ours_are_left_alone(vault: Vault) -> None:
    path = vault.data / ".gitattributes"
    path.write_bytes(b"* text=auto\r\nvault/** -text -merge\r\n\n# the end")
    assert vault.verify().findings == ()
    assert vault.store.repair(vault.verify()) == ()


@pytest.mark.parametrize("kind", ["a symbolic link", "not a regular file"])
def test_what_git_would_not_read_is_no_place_for_its_rules(vault: Vault, tmp_path: Path, kind: str) -> None:
    (target := tmp_path / "outside").write_bytes(b"vault/** -text -merge\n")
    path = vault.data / ".gitattributes"
    path.unlink()
    if kind == "a symbolic link":
        path.symlink_to(target)
    else:
        path.mkdir()
    (found,) = vault.verify().findings
    assert (found.code, found.message.partition(":")[0]) == ("GIT_RULES_MISSING", "is not a regular file")
    assert found.hint is not None
    assert found.hint.startswith("move it away, then `chameleon init`")
    with pytest.raises(ChameleonError, match=f"cannot write .chameleon/.gitattributes: it is {kind}") as caught:
        vault.store.repair(vault.verify())
    assert caught.value.code == "CHM2010"
    assert path.is_symlink() or path.is_dir()


def test_all_damages_at_once_are_put_right(vault: Vault) -> None:
    _behind(vault)
    for damage in (_no_hash, _orphan, _leftover, _no_rules, _torn):
        damage(vault)
    assert set(vault.store.repair(vault.verify())) == set(_DAMAGES.values())
    assert vault.verify().findings == ()


def test_nothing_is_repaired_where_something_was_changed(vault: Vault) -> None:
    _torn(vault)
    (vault.folder / "versions" / "v001.json").unlink()
    before = _names(vault.data)
    with pytest.raises(IntegrityError) as caught:
        vault.store.repair(vault.verify())
    assert [f.code for f in caught.value.findings] == ["VERSION_MISSING"]
    assert _names(vault.data) == before


def test_a_log_that_grew_meanwhile_is_not_cut(vault: Vault) -> None:
    _torn(vault)
    verified = vault.verify()
    _torn(vault)
    with pytest.raises(ChameleonError, match=r"integrity\.log was changed") as caught:
        vault.store.repair(verified)
    assert caught.value.code == "CHM2013"


@pytest.mark.parametrize("damage", [_torn, _behind])
def test_nothing_is_added_to_a_log_that_is_not_the_one_that_was_read(
    vault: Vault, damage: Callable[[Vault], None]
) -> None:
    history = vault.history
    damage(vault)
    before = (vault.folder / "integrity.log").read_bytes()
    with pytest.raises(ChameleonError, match=r"\.chameleon/vault/integrity\.log was changed") as caught:
        vault.store.append(history, "DENIED", what="mode:standard", reason="wrong-password")
    assert caught.value.code == "CHM2013"
    assert (vault.folder / "integrity.log").read_bytes() == before


def test_a_version_is_hashed_again_before_it_is_used(vault: Vault) -> None:
    newest = vault.history.newest
    assert newest is not None
    path = vault.folder / "versions" / "v001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"CREATE", b"DELETE"))
    with pytest.raises(IntegrityError) as caught:
        vault.store.load(newest)
    assert [str(f) for f in caught.value.findings] == ["v001.json: hash mismatch"]
    path.unlink()
    with pytest.raises(IntegrityError) as caught:
        vault.store.load(newest)
    assert [str(f) for f in caught.value.findings] == ["v001.json: is missing"]


def test_a_version_that_is_too_large_is_refused_before_anything_is_written(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "VERSION_BYTES_MAX", 100)
    before = _names(vault.data)
    with pytest.raises(ChameleonError, match="the version would take") as caught:
        vault.register()
    assert caught.value.code == "CHM2012"
    assert _names(vault.data) == before


def test_a_probe_leaves_nothing(vault: Vault) -> None:
    before = _names(vault.data)
    vault.store.probe()
    assert _names(vault.data) == before


@pytest.mark.parametrize("name", ["integrity.log", "versions", "hashes"])
def test_a_probe_names_what_cannot_be_written(vault: Vault, tmp_path: Path, name: str) -> None:
    (vault.folder / name).rename(tmp_path / "elsewhere")
    (vault.folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChameleonError, match=rf"cannot write \.chameleon/vault/{name}: ") as caught:
        vault.store.probe()
    assert caught.value.code == "CHM2010"
    assert caught.value.hint


def test_a_probe_does_not_wait_for_a_pipe(vault: Vault) -> None:
    (vault.folder / "integrity.log").unlink()
    os.mkfifo(vault.folder / "integrity.log")
    with pytest.raises(ChameleonError, match="it is not a regular file"):
        vault.store.probe()


def test_who_waits_is_told_for_whom(vault: Vault) -> None:
    told: list[str] = []
    with (
        vault.store.lock(),
        pytest.raises(LockNotAcquired, match=f"process {os.getpid()} on ") as caught,
        Store(vault.data, Clock()).lock(0.2, told.append),
    ):
        raise AssertionError("two hold the lock")
    assert caught.value.code == "CHM2020"
    assert len(told) == 1
    assert told[0] in caught.value.message
    with vault.store.lock(0):
        pass


@pytest.mark.parametrize("name", ["local", "local/lock"])
def test_the_lock_follows_no_link(vault: Vault, tmp_path: Path, name: str) -> None:
    with vault.store.lock():
        pass
    (vault.data / name).rename(tmp_path / "elsewhere")
    (vault.data / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChameleonError, match=r"cannot write \.chameleon/local") as caught, vault.store.lock():
        raise AssertionError("a link was followed")
    assert caught.value.code == "CHM2010"


def test_an_argument_with_a_secret_is_not_left_in_the_lock(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/chameleon", "postgresql://ann:secret@db/app"])
    with vault.store.lock():
        note = (vault.data / "local" / "lock").read_text()
    assert "secret" not in note
    assert note.endswith(": chameleon\n")


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from chameleondb.vault.store import Store
from tests.unit.vault.vaults import snapshot

store = Store(Path(sys.argv[1]), lambda: datetime.now(UTC))
for _ in range(20):
    with store.lock(60):
        history = store.read(deep=False).history
        store.register(history, snapshot(history, author=sys.argv[2]))
"""


def test_several_writers_wait_for_each_other(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "project")
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(vault.data), name], env=environment)
        for name in ("ann", "ben", "cem")
    ]
    violations: set[str] = set()  # readers take no lock, and see no half of a step
    while any(writer.poll() is None for writer in writers):
        violations.update(str(f) for f in vault.verify().violations)
    assert violations == set()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    verified = vault.verify()
    assert verified.findings == ()
    assert verified.history is not None
    assert Counter(v.author for v in verified.history.versions) == {"ann": 20, "ben": 20, "cem": 20}
