"""What the file system shows: links, pipes, owners, permissions, and what does not belong in a vault."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chameleondb.findings import Severity
from chameleondb.vault import files, layout
from chameleondb.vault.files import read_files
from chameleondb.vault.verify import verify
from tests.unit.vault.vaults import Vault, snapshot

FILES = {
    "manifest.json": "manifest.json",
    "integrity.log": "integrity.log",
    "versions/v001.json": "v001.json",
    "hashes/v001.hash": "hashes/v001.hash",
}
FOLDERS = {".": ".chameleon/vault", "versions": "versions", "hashes": "hashes"}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "project")
    made.register()
    made.apply()
    return made


def _found(vault: Vault) -> list[tuple[str, str]]:
    return [(f.code, f.place) for f in vault.verify().findings]


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _made_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("replace", [_piped, _made_folder])
@pytest.mark.parametrize(("name", "place"), FILES.items())
def test_what_is_not_a_regular_file_is_not_opened(
    vault: Vault, name: str, place: str, replace: Callable[[Path], None]
) -> None:
    replace(vault.folder / name)
    assert _found(vault)[0] == ("UNSAFE_FILE", place)
    assert all(c not in ("VERSION_MISSING", "LOG_MISSING", "MANIFEST_MISSING") for c, _ in _found(vault))


@pytest.mark.parametrize(("name", "place"), FILES.items())
def test_a_link_to_the_same_bytes_is_refused(vault: Vault, tmp_path: Path, name: str, place: str) -> None:
    (vault.folder / name).rename(tmp_path / "elsewhere")
    (vault.folder / name).symlink_to(tmp_path / "elsewhere")
    assert _found(vault) == [("UNSAFE_FILE", place)]


@pytest.mark.parametrize(("name", "place"), FILES.items())
def test_a_second_name_is_refused(vault: Vault, tmp_path: Path, name: str, place: str) -> None:
    os.link(vault.folder / name, tmp_path / "elsewhere")
    assert _found(vault) == [("UNSAFE_FILE", place)]


@pytest.mark.parametrize(("name", "place"), FOLDERS.items())
def test_a_link_to_the_same_folder_is_refused(vault: Vault, tmp_path: Path, name: str, place: str) -> None:
    (vault.folder / name).resolve().rename(tmp_path / "elsewhere")
    (vault.folder if name == "." else vault.folder / name).symlink_to(tmp_path / "elsewhere")
    assert ("NOT_A_DIRECTORY", place) in _found(vault)


def test_a_link_in_the_place_of_the_data_folder_is_refused(vault: Vault, tmp_path: Path) -> None:
    vault.data.rename(tmp_path / "elsewhere")
    vault.data.symlink_to(tmp_path / "elsewhere")
    assert _found(vault) == [("NOT_A_DIRECTORY", ".chameleon")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("name", "place"), {**FILES, **FOLDERS}.items())
def test_files_of_somebody_else_are_refused(vault: Vault, name: str, place: str) -> None:
    os.chown(vault.folder / name, 12345, 12345)
    assert _found(vault) == [("FOREIGN_OWNER", place)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_whoever_owns_the_project_may_own_its_vault(vault: Vault) -> None:
    for path in (vault.data.parent, *vault.data.parent.rglob("*")):
        os.chown(path, 12345, 12345)
    assert _found(vault) == []


@pytest.mark.parametrize("bit", [0o002, 0o020])
@pytest.mark.parametrize(("name", "place"), {**FILES, **FOLDERS}.items())
def test_what_others_may_write_is_refused(
    vault: Vault, name: str, place: str, bit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_is_private_group", lambda _: False)
    path = vault.folder / name
    path.chmod(path.stat().st_mode | bit)
    assert _found(vault) == [("PERMISSIVE_MODE", place)]


def test_a_group_of_one_is_nobody_else(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clone under umask 002, where each user has a group of his own.
    for path in (vault.data, *vault.data.rglob("*")):
        path.chmod(path.stat().st_mode | 0o020)
    monkeypatch.setattr(files, "_is_private_group", lambda _: True)
    assert _found(vault) == []


def test_the_group_of_root_is_not_private(vault: Vault) -> None:
    status = os.stat_result((0o100664, 1, 1, 1, 0, 0, 0, 0, 0, 0))
    assert not files._is_private_group(status)
    nameless = os.stat_result((0o100664, 1, 1, 1, 2_000_000_000, 2_000_000_000, 0, 0, 0, 0))
    assert not files._is_private_group(nameless)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("manifest.json", layout.MANIFEST_BYTES_MAX),
        ("integrity.log", layout.LOG_BYTES_MAX),
        ("versions/v001.json", layout.VERSION_BYTES_MAX),
        ("hashes/v001.hash", layout.HASH_BYTES_MAX),
    ],
)
def test_large_files_are_refused_unread(vault: Vault, name: str, size: int) -> None:
    path = vault.folder / name
    path.chmod(0o644)
    os.truncate(path, size + 1)
    assert _found(vault)[0] == ("FILE_TOO_LARGE", FILES[name])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_said(vault: Vault) -> None:
    (vault.folder / "manifest.json").chmod(0)
    assert _found(vault) == [("UNREADABLE_FILE", "manifest.json")]


@pytest.mark.parametrize(
    "name",
    [
        "auth.json",
        "v001.json",
        "versions/v001.json~",
        "versions/V001.json",
        "versions/v01.json",
        "hashes/v001.hash.bak",
    ],
)
def test_what_does_not_belong_there_is_named(vault: Vault, name: str) -> None:
    (vault.folder / name).write_bytes(b"")
    assert _found(vault) == [("UNKNOWN_FILE", name)]


def test_a_name_that_is_no_text_is_shown_as_its_bytes(vault: Vault) -> None:
    Path(os.fsdecode(os.fsencode(vault.folder) + b"/\xff\xfe")).write_bytes(b"")
    (finding,) = vault.verify().findings
    assert str(finding).encode("ascii").startswith(rb"\udcff\udcfe: ")


def test_a_set_aside_file_is_named_by_its_hash(vault: Vault) -> None:
    folder = vault.folder / "versions" / ".orphans"
    folder.mkdir()
    (folder / f"{'0' * 64}.json").write_bytes(b"{}")
    (folder / "other").write_bytes(b"{}")
    assert _found(vault) == [
        ("VERSION_HASH_MISMATCH", f"versions/.orphans/{'0' * 64}.json"),
        ("UNKNOWN_FILE", "versions/.orphans/other"),
    ]


def test_temporary_files_are_left_overs_even_while_they_share_a_file(vault: Vault) -> None:
    # A writer that was killed between its link and its unlink.
    name = ".v001.json.0123456789abcdef.tmp"
    os.link(vault.folder / "versions" / "v001.json", vault.folder / "versions" / name)
    assert _found(vault) == [("LEFTOVER_FILE", f"versions/{name}")]
    assert vault.store.repair(vault.verify()) == (f"versions/{name}",)
    assert _found(vault) == []


def test_a_temporary_name_hides_no_link(vault: Vault, tmp_path: Path) -> None:
    (vault.folder / ".x.0123456789abcdef.tmp").symlink_to(tmp_path)
    assert _found(vault) == [("UNSAFE_FILE", ".x.0123456789abcdef.tmp")]


def test_backups_beside_the_vault_are_nobodys_business(vault: Vault) -> None:
    shutil.copytree(vault.folder, vault.data / "vault.backup")
    assert _found(vault) == []


def test_folders_that_git_does_not_keep_may_be_missing(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "project")
    (vault.folder / "versions").rmdir()
    (vault.folder / "hashes").rmdir()
    assert _found(vault) == []
    vault.store.probe()
    (vault.folder / "versions").rmdir()
    vault.register()
    assert _found(vault) == []


def test_no_vault_is_no_finding(tmp_path: Path) -> None:
    for data in (tmp_path / ".chameleon", tmp_path / "nowhere" / ".chameleon"):
        found = read_files(data)
        assert not found.exists
        assert verify(found).findings == ()


def test_a_vault_that_is_gone_left_a_trace(vault: Vault) -> None:
    shutil.rmtree(vault.folder)
    assert read_files(vault.data).exists
    assert _found(vault) == [("VAULT_MISSING", ".chameleon/vault")]


def test_an_emptied_vault_is_no_new_one(vault: Vault) -> None:
    shutil.rmtree(vault.folder)
    vault.folder.mkdir()
    assert _found(vault) == [("LOG_MISSING", "integrity.log"), ("MANIFEST_MISSING", "manifest.json")]


def test_a_reader_never_sees_half_a_step(vault: Vault) -> None:
    # Readers take no lock. What they may see is what a killed writer would leave, and no violation.
    done = threading.Event()
    seen: set[tuple[str, str]] = set()

    def read() -> None:
        while not done.is_set():
            seen.update((f.code, f.place) for f in vault.verify().findings if f.severity is Severity.VIOLATION)

    reader = threading.Thread(target=read)
    reader.start()
    history = vault.history
    for _ in range(15):
        history = vault.store.register(history, snapshot(history))
        history = vault.store.append(history, "DENIED", what="mode:standard", reason="wrong-password")
    done.set()
    reader.join()
    assert seen == set()
