"""Each way to change a vault has its code. The numbers are those of docs/security.md; here no database helps.

Attackers know the format: they compute hashes, chain lines anew and rebuild the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from chameleondb.canonical import canonical_json
from chameleondb.findings import Finding, Severity
from chameleondb.modes.change import parse_time
from chameleondb.modes.key import derive
from chameleondb.vault import layout, log, manifest
from chameleondb.vault.history import fold
from chameleondb.vault.log import Line
from chameleondb.vault.snapshot import decode
from chameleondb.vault.tree import files_of
from chameleondb.vault.verify import verify
from tests.unit.vault.vaults import CHEAP, DATABASE, three_versions

Contents = dict[str, bytes]
Attack = Callable[[Contents], None]

V1, V2, V3 = (f"versions/v00{n}.json" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return three_versions(tmp_path_factory.mktemp("project")).contents()


def _lines(contents: Contents) -> list[Line]:
    return [log.parse(row) for row in contents["integrity.log"].split(b"\n")[:-1]]


def _chained(lines: Iterable[Line]) -> list[Line]:
    """Give lines the numbers and sums that fit their order."""
    made: list[Line] = []
    for line in lines:
        prev = made[-1].sum if made else log.genesis(line.fields["vault"])
        now = parse_time(line.time)
        made.append(log.make(line.action, line.fields, now=now, seq=len(made) + 1, prev=prev))
    return made


def _write(contents: Contents, lines: Iterable[Line], *, with_manifest: bool = True) -> None:
    lines = list(lines)
    contents["integrity.log"] = "".join(f"{line.text}\n" for line in lines).encode()
    if with_manifest:
        contents["manifest.json"] = manifest.encode(fold(lines))


def _with(line: Line, **fields: str) -> Line:
    return replace(line, fields={**line.fields, **fields})


def _added(contents: Contents, action: str, fields: Mapping[str, str], *, with_manifest: bool = True) -> None:
    lines = _lines(contents)
    now = parse_time(lines[-1].time)
    line = log.make(action, fields, now=now, seq=len(lines) + 1, prev=lines[-1].sum)
    _write(contents, [*lines, line], with_manifest=with_manifest)


def _edit(contents: Contents, path: str = V1) -> str:
    contents[path] = contents[path].replace(b"Initial schema", b"Harmless thing")
    return sha256(contents[path]).hexdigest()


def _forget(contents: Contents, label: str) -> None:
    value = json.loads(contents["manifest.json"])
    value["versions"] = [v for v in value["versions"] if v["version"] != label]
    contents["manifest.json"] = canonical_json(value).encode() + b"\n"
    del contents[f"versions/{label}.json"], contents[f"hashes/{label}.hash"]


def _as_registered(contents: Contents, data: bytes, number: int = 3) -> None:
    """Put `data` in the place of a version, in every file that knows of it."""
    label, digest = layout.label(number), sha256(data).hexdigest()
    contents[f"versions/{label}.json"], contents[f"hashes/{label}.hash"] = data, layout.hash_text(label, digest)
    lines = [_with(n, hash=digest) if n.fields.get("version") == label else n for n in _lines(contents)]
    _write(contents, _chained(lines))


def edit_version(c: Contents) -> None:
    _edit(c)


def edit_version_and_hash(c: Contents) -> None:
    c["hashes/v001.hash"] = layout.hash_text("v001", _edit(c))


def edit_version_hash_and_manifest(c: Contents) -> None:
    before = sha256(c[V1]).hexdigest()
    after = _edit(c)
    c["hashes/v001.hash"] = layout.hash_text("v001", after)
    c["manifest.json"] = c["manifest.json"].replace(before.encode(), after.encode())


def delete_newest(c: Contents) -> None:
    _forget(c, "v003")


def delete_middle(c: Contents) -> None:
    _forget(c, "v002")


def cut_lines(c: Contents) -> None:
    _write(c, _lines(c)[:-2], with_manifest=False)


def cut_lines_and_rebuild(c: Contents) -> None:
    _write(c, _lines(c)[:2])


def edit_line(c: Contents) -> None:
    c["integrity.log"] = c["integrity.log"].replace(b"author=mia", b"author=max")


def edit_line_and_its_sum(c: Contents) -> None:
    lines = _lines(c)
    lines[1] = log.make(
        "REGISTER",
        {**lines[1].fields, "author": "max"},
        now=parse_time(lines[1].time),
        seq=2,
        prev=lines[1].prev,
    )
    _write(c, lines, with_manifest=False)


def swap_lines(c: Contents) -> None:
    lines = _lines(c)
    lines[3], lines[4] = lines[4], lines[3]
    _write(c, lines, with_manifest=False)


def drop_line(c: Contents) -> None:
    lines = _lines(c)
    _write(c, lines[:3] + lines[4:], with_manifest=False)


def rechain(c: Contents) -> None:
    lines = _lines(c)
    lines[1] = _with(lines[1], author="max")
    _write(c, _chained(lines), with_manifest=False)


def delete_log(c: Contents) -> None:
    del c["integrity.log"]


def delete_manifest(c: Contents) -> None:
    del c["manifest.json"]


def empty_log(c: Contents) -> None:
    c["integrity.log"] = b""


def plant_version(c: Contents) -> None:
    c["versions/v004.json"] = c[V3]
    c["hashes/v004.hash"] = layout.hash_text("v004", sha256(c[V3]).hexdigest())


def plant_far_version(c: Contents) -> None:
    c["versions/v009.json"] = c[V3]


def plant_hash(c: Contents) -> None:
    c["hashes/v004.hash"] = c["hashes/v003.hash"]


def upgrade_without_signature(c: Contents) -> None:
    until = "2026-02-20T23:00:00Z"
    _added(c, "MODE", {"from": "readonly", "to": "emergency", "until": until, "sig": "none"})


def upgrade_with_another_key(c: Contents) -> None:
    sig = derive("somebody else's password", CHEAP).sign(b"anything")
    until = "2026-02-20T23:00:00Z"
    _added(c, "MODE", {"from": "readonly", "to": "emergency", "until": until, "sig": sig})


def replay_upgrade(c: Contents) -> None:
    old = next(n for n in _lines(c) if n.action == "MODE")
    _added(c, "MODE", old.fields)


def upgrade_as_downgrade(c: Contents) -> None:
    until = "2026-02-20T23:00:00Z"
    _added(c, "MODE", {"from": "emergency", "to": "standard", "until": until, "sig": "none"})


def edit_mode_in_manifest(c: Contents) -> None:
    value = json.loads(c["manifest.json"])
    c["manifest.json"] = canonical_json({**value, "mode": "emergency"}).encode() + b"\n"


def swap_key(c: Contents) -> None:
    _added(c, "AUTH_SET", derive("somebody else's password", CHEAP).public.fields())


def swap_key_with_own_signature(c: Contents) -> None:
    private = derive("somebody else's password", CHEAP)
    _added(c, "AUTH_SET", {**private.public.fields(), "sig": private.sign(b"anything")})


def enormous_key(c: Contents) -> None:
    fields = derive("somebody else's password", CHEAP).public.fields()
    _added(c, "AUTH_SET", {**fields, "m": "99999999999"}, with_manifest=False)


def traverse_in_manifest(c: Contents) -> None:
    c["manifest.json"] = c["manifest.json"].replace(b'"version":"v001"', b'"version":"../v"')


def traverse_in_log(c: Contents) -> None:
    c["integrity.log"] = c["integrity.log"].replace(b"version=v001", b"version=../v")


def duplicate_key(c: Contents) -> None:
    _as_registered(c, c[V3].replace(b'{"author"', b'{"author":"mia","author"'))


def pretty_version(c: Contents) -> None:
    _as_registered(c, json.dumps(json.loads(c[V3]), indent=1).encode())


def version_of_another_vault(c: Contents) -> None:
    _as_registered(c, replace(decode(c[V3]), vault="00000000-0000-4000-8000-000000000000").encode())


def version_of_another_name(c: Contents) -> None:
    _as_registered(c, replace(decode(c[V3]), version="v005").encode())


def version_of_another_parent(c: Contents) -> None:
    _as_registered(c, replace(decode(c[V3]), parent="0" * 64).encode())


def version_of_another_format(c: Contents) -> None:
    _as_registered(c, c[V3].replace(b"chameleon.version/1", b"chameleon.version/2"))


def weaker_hash(c: Contents) -> None:
    c["integrity.log"] = c["integrity.log"].replace(b"sum=", b"md5=")


def manifest_of_another_format(c: Contents) -> None:
    c["manifest.json"] = c["manifest.json"].replace(b"chameleon.manifest/1", b"chameleon.manifest/0")


def line_in_author(c: Contents) -> None:
    line = b"2026-02-20T10:40:00Z [REGISTER] version=v004"
    c["integrity.log"] = c["integrity.log"].replace(b"author=mia", b'author="mia\n' + line + b'"')


def skip_number(c: Contents) -> None:
    lines = _lines(c)
    lines[-1] = _with(lines[-1], version="v007")
    _write(c, _chained(lines), with_manifest=False)


def wrong_parent(c: Contents) -> None:
    lines = _lines(c)
    lines[-1] = _with(lines[-1], parent="0" * 64)
    _write(c, _chained(lines), with_manifest=False)


def receipt_of_nothing(c: Contents) -> None:
    row = f"9:{'a' * 64}"
    _added(c, "APPLIED", {"version": "v004", "hash": "b" * 64, "db": DATABASE, "ledger": row, "recovered": "no"})


def second_beginning(c: Contents) -> None:
    lines = _lines(c)
    _write(c, _chained([*lines, lines[0]]), with_manifest=False)


def wrong_beginning(c: Contents) -> None:
    first, *rest = _lines(c)
    _write(c, [log.make("INIT", first.fields, now=parse_time(first.time), seq=1, prev="0" * 64), *rest])


def wrong_number(c: Contents) -> None:
    *lines, last = _lines(c)
    _write(c, [*lines, log.make(last.action, last.fields, now=parse_time(last.time), seq=99, prev=last.prev)])


def convert_line_ends(c: Contents) -> None:
    c["integrity.log"] = c["integrity.log"].replace(b"\n", b"\r\n")


def lose_superseded(c: Contents) -> None:
    newest = _lines(c)[-1].fields["hash"]
    _added(c, "SUPERSEDE", {"old": "c" * 64, "new": newest})


def supersede_by_nothing(c: Contents) -> None:
    _added(c, "SUPERSEDE", {"old": "c" * 64, "new": "d" * 64})


def edit_superseded(c: Contents) -> None:
    c[f"versions/.superseded/{'c' * 64}.json"] = c[V1]


def plant_file(c: Contents) -> None:
    c["notes.txt"] = b"call me"


def merge_by_lines(c: Contents) -> None:
    *lines, last = _lines(c)
    other = _with(last, hash="e" * 64)
    twin = log.make(other.action, other.fields, now=parse_time(last.time), seq=last.seq, prev=last.prev)
    _write(c, [*lines, last, twin], with_manifest=False)


def leave_conflict_in_log(c: Contents) -> None:
    *rows, last, end = c["integrity.log"].split(b"\n")
    c["integrity.log"] = b"\n".join([*rows, b"<<<<<<< HEAD", last, b"=======", last, b">>>>>>> theirs", end])


def leave_conflict_in_manifest(c: Contents) -> None:
    text = c["manifest.json"]
    c["manifest.json"] = b"<<<<<<< HEAD\n" + text + b"=======\n" + text + b">>>>>>> theirs\n"


ATTACKS: list[tuple[str, Attack, str, str]] = [
    ("01", edit_version, "VERSION_HASH_MISMATCH", "v001.json"),
    ("02", edit_version_and_hash, "HASH_FILE_MISMATCH", "hashes/v001.hash"),
    ("03", edit_version_hash_and_manifest, "VERSION_HASH_MISMATCH", "v001.json"),
    ("05", delete_newest, "VERSION_MISSING", "v003.json"),
    ("07", delete_middle, "VERSION_MISSING", "v002.json"),
    ("08", cut_lines, "LOG_TRUNCATED", "integrity.log"),
    ("09", cut_lines_and_rebuild, "UNKNOWN_FILE", "v003.json"),
    ("10", edit_line, "LOG_SUM_MISMATCH", "integrity.log:2"),
    ("10", edit_line_and_its_sum, "LOG_CHAIN_BROKEN", "integrity.log:3"),
    ("11", rechain, "LOG_REWRITTEN", "integrity.log:9"),
    ("12", swap_lines, "LOG_CHAIN_BROKEN", "integrity.log:4"),
    ("12", drop_line, "LOG_CHAIN_BROKEN", "integrity.log:4"),
    ("13", delete_log, "LOG_MISSING", "integrity.log"),
    ("13", empty_log, "LOG_GENESIS", "integrity.log:1"),
    ("14", delete_manifest, "MANIFEST_MISSING", "manifest.json"),
    ("18", plant_version, "UNKNOWN_FILE", "v004.json"),
    ("18", plant_far_version, "UNKNOWN_FILE", "v009.json"),
    ("18", plant_hash, "UNKNOWN_FILE", "hashes/v004.hash"),
    ("19", upgrade_without_signature, "MODE_UPGRADE_UNSIGNED", "integrity.log:10"),
    ("19", upgrade_with_another_key, "MODE_UPGRADE_UNSIGNED", "integrity.log:10"),
    ("19", replay_upgrade, "MODE_UPGRADE_UNSIGNED", "integrity.log:10"),
    ("19", upgrade_as_downgrade, "MODE_UPGRADE_UNSIGNED", "integrity.log:10"),
    ("20", edit_mode_in_manifest, "MANIFEST_MISMATCH", "manifest.json"),
    ("21", swap_key, "AUTH_ROTATED_WITHOUT_OLD_KEY", "integrity.log:10"),
    ("21", swap_key_with_own_signature, "AUTH_ROTATED_WITHOUT_OLD_KEY", "integrity.log:10"),
    ("24", traverse_in_manifest, "MANIFEST_MISMATCH", "manifest.json"),
    ("24", traverse_in_log, "LOG_BAD_FIELDS", "integrity.log:2"),
    ("25", duplicate_key, "VERSION_NOT_CANONICAL", "v003.json"),
    ("25", pretty_version, "VERSION_NOT_CANONICAL", "v003.json"),
    ("26", line_in_author, "LOG_BAD_LINE", "integrity.log:2"),
    ("37", weaker_hash, "LOG_BAD_LINE", "integrity.log:1"),
    ("37", version_of_another_format, "VERSION_NOT_CANONICAL", "v003.json"),
    ("37", manifest_of_another_format, "MANIFEST_INVALID", "manifest.json"),
    ("", version_of_another_vault, "FOREIGN_VAULT", "v003.json"),
    ("", version_of_another_name, "VERSION_NAME_MISMATCH", "v003.json"),
    ("", version_of_another_parent, "PARENT_MISMATCH", "v003.json"),
    ("", skip_number, "BAD_VERSION_NAME", "integrity.log:9"),
    ("", wrong_parent, "PARENT_MISMATCH", "integrity.log:9"),
    ("", receipt_of_nothing, "LOG_BAD_FIELDS", "integrity.log:10"),
    ("", second_beginning, "LOG_GENESIS", "integrity.log:10"),
    ("", wrong_beginning, "LOG_GENESIS", "integrity.log:1"),
    ("", wrong_number, "LOG_SEQ", "integrity.log:9"),
    ("", convert_line_ends, "LOG_BAD_LINE", "integrity.log:1"),
    ("", lose_superseded, "VERSION_MISSING", f"versions/.superseded/{'c' * 64}.json"),
    ("", supersede_by_nothing, "LOG_BAD_FIELDS", "integrity.log:10"),
    ("", edit_superseded, "VERSION_HASH_MISMATCH", f"versions/.superseded/{'c' * 64}.json"),
    ("", plant_file, "UNKNOWN_FILE", "notes.txt"),
    ("", merge_by_lines, "BRANCHES_COLLIDE", "integrity.log:10"),
    ("", leave_conflict_in_log, "BRANCHES_COLLIDE", "integrity.log:9"),
    ("", leave_conflict_in_manifest, "BRANCHES_COLLIDE", "manifest.json"),
    ("", enormous_key, "LOG_BAD_FIELDS", "integrity.log:10"),
]


def _verdict(contents: Contents, *, deep: bool = True) -> tuple[Finding, ...]:
    return verify(files_of(contents), deep=deep).findings


@pytest.mark.parametrize(
    ("attack", "code", "place"),
    [row[1:] for row in ATTACKS],
    ids=[f"{number} {attack.__name__}".strip() for number, attack, _, _ in ATTACKS],
)
def test_an_attack_has_its_code_and_names_the_file(sound: Contents, attack: Attack, code: str, place: str) -> None:
    contents = dict(sound)
    attack(contents)
    findings = _verdict(contents)
    assert (code, place) in [(f.code, f.place) for f in findings]
    assert Severity.VIOLATION in {f.severity for f in findings if f.code == code}
    assert all(f.hint for f in findings)


@pytest.mark.parametrize("attack", [edit_version, edit_version_and_hash, delete_newest, plant_version])
def test_a_quick_look_compares_all_hashes(sound: Contents, attack: Attack) -> None:
    contents = dict(sound)
    attack(contents)
    assert [f.code for f in _verdict(contents, deep=False)] == [f.code for f in _verdict(contents)]


def test_a_changed_version_is_told_as_the_guide_does(sound: Contents) -> None:
    contents = dict(sound)
    edit_version(contents)
    assert [str(f) for f in _verdict(contents)] == ["v001.json: hash mismatch"]


def test_two_branches_are_told_apart_from_an_attack(sound: Contents) -> None:
    for merge in (merge_by_lines, leave_conflict_in_log, leave_conflict_in_manifest):
        contents = dict(sound)
        merge(contents)
        (finding,) = _verdict(contents)
        assert "branches" in finding.message
        assert "chameleon vault rebase" in (finding.hint or "")


def test_converted_line_ends_are_named_and_do_not_flood(sound: Contents) -> None:
    contents = dict(sound)
    row = contents["integrity.log"].split(b"\n")[0]
    contents["integrity.log"] = (row + b"\r\n") * 1000
    findings = [f for f in _verdict(contents) if f.code == "LOG_BAD_LINE"]
    assert "line ends were converted" in findings[0].message
    assert len(findings) == 11
    assert findings[-1].message == "990 more of 1000 lines do not hold"


def test_a_clock_that_went_back_is_a_notice(sound: Contents) -> None:
    contents = dict(sound)
    *lines, last = _lines(contents)
    now = parse_time(last.time) - timedelta(days=3650)
    _write(contents, [*lines, log.make(last.action, last.fields, now=now, seq=last.seq, prev=last.prev)])
    assert [(f.code, f.severity) for f in _verdict(contents)] == [("CLOCK_BACKWARD", Severity.NOTICE)]


def test_a_reset_password_stays_visible_and_allows_a_new_one(sound: Contents) -> None:
    contents = dict(sound)
    row = f"9:{'a' * 64}"
    _added(contents, "REPAIR", {"what": "password", "version": "none", "hash": "none", "db": DATABASE, "ledger": row})
    _added(contents, "AUTH_SET", derive("a new password of mine", CHEAP).public.fields())
    assert [(f.code, f.severity) for f in _verdict(contents)] == [("PASSWORD_RESET", Severity.NOTICE)]


def test_one_version_cut_off_everywhere_looks_like_a_killed_command(sound: Contents) -> None:
    # Nothing on disk can tell them apart; a ledger, or whoever saw the newer head, can.
    contents = dict(sound)
    _write(contents, _lines(contents)[:-1])
    assert [(f.code, f.place) for f in _verdict(contents)] == [("ORPHAN_VERSION", "v003.json")]


def _torn(c: Contents) -> None:
    c["integrity.log"] += b"2026-02-20T11:00:00Z [DENIED] what=mo"


def _behind(c: Contents) -> None:
    c["manifest.json"] = manifest.encode(fold(_lines(c)[:-1]))


def _no_hash(c: Contents) -> None:
    del c["hashes/v002.hash"]


@pytest.mark.parametrize(
    ("damage", "code"), [(_torn, "LOG_TORN_TAIL"), (_behind, "MANIFEST_BEHIND"), (_no_hash, "HASH_FILE_MISSING")]
)
def test_what_a_crash_leaves_is_recoverable(sound: Contents, damage: Attack, code: str) -> None:
    contents = dict(sound)
    damage(contents)
    assert [(f.code, f.severity) for f in _verdict(contents)] == [(code, Severity.RECOVERABLE)]


def test_a_torn_line_that_the_manifest_knows_was_cut(sound: Contents) -> None:
    contents = dict(sound)
    contents["integrity.log"] = contents["integrity.log"][:-1]
    assert {f.code for f in _verdict(contents)} >= {"LOG_TORN_TAIL", "LOG_TRUNCATED"}


def test_a_log_that_breaks_has_no_history(sound: Contents) -> None:
    contents = dict(sound)
    edit_line(contents)
    assert verify(files_of(contents)).history is None
    assert verify(files_of(sound)).history is not None
