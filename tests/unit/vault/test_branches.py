"""Two branches of a vault become one history: sound, whole, and the same whoever joins them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chameleondb.errors import ChameleonError
from chameleondb.modes import change, key
from chameleondb.modes.change import format_time
from chameleondb.modes.key import derive
from chameleondb.modes.policy import Mode
from chameleondb.vault import log
from chameleondb.vault.branches import Joined, Side, join
from chameleondb.vault.history import History, fold
from chameleondb.vault.tree import by_id, files_of
from chameleondb.vault.verify import verify
from tests.unit.vault.vaults import CHEAP, START, snapshot

VAULT = "2c694f08-4976-485b-8543-4bb029f61d45"
WORDS = {"a": "a lizard in seven colours", "b": "seven lizards in one colour"}
KEYS = {name: derive(word, CHEAP) for name, word in WORDS.items()}


@dataclass
class Branch:
    """A vault in memory; `name` is also its database."""

    name: str = "0"
    history: History = field(default_factory=lambda: fold((_first(VAULT),)))
    contents: dict[str, bytes] = field(default_factory=dict)
    password: str = ""

    @property
    def side(self) -> Side:
        return Side(history=self.history, contents=self.contents)

    def fork(self, name: str) -> Branch:
        return replace(self, name=name, contents=dict(self.contents))

    def add(self, action: str, **fields: str) -> Branch:
        last = self.history.lines[-1]
        now = START + timedelta(minutes=last.seq)
        line = log.make(action, fields, now=now, seq=last.seq + 1, prev=last.sum)
        self.history = self.history.followed_by(line)
        return self

    def register(self) -> Branch:
        new = snapshot(self.history, author=self.name, text=f"{self.name}{len(self.history.lines)}")
        data = new.encode()
        digest = sha256(data).hexdigest()
        self.contents[digest] = data
        return self.add(
            "REGISTER",
            version=new.version,
            hash=digest,
            parent=new.parent,
            schema=new.schema_hash,
            declared=new.declared_hash,
            author=new.author,
            summary=new.summary,
        )

    def apply(self) -> Branch:
        newest = self.history.newest
        if newest is None:
            return self
        row = f"{len(self.history.lines)}:{sha256(self.name.encode()).hexdigest()}"
        return self.add(
            "APPLIED", version=newest.label, hash=newest.id, db=f"7:{self.name}", ledger=row, recovered="no"
        )

    def adopt(self) -> Branch:
        return self.add("ADOPT", db=f"7:{self.name}", ledger=f"{len(self.history.lines)}:{'a' * 64}", reason="copy")

    def deny(self) -> Branch:
        return self.add("DENIED", what="mode:standard", reason="wrong-password")

    def set_password(self, word: str = "a") -> Branch:
        new = KEYS[word].public
        if self.password:
            signed = key.message("vault", VAULT, self.history.head[1], new)
            new = replace(new, sig=KEYS[self.password].sign(signed))
        self.password = word
        return self.add("AUTH_SET", **new.fields())

    def reset(self) -> Branch:
        self.password = ""
        return self.add(
            "REPAIR", what="password", version="none", hash="none", db=f"7:{self.name}", ledger=f"9:{'b' * 64}"
        )

    def unlock(self) -> Branch:
        if not self.password:
            return self
        before = self.history.mode_changes[-1].to if self.history.mode_changes else Mode.READONLY
        until = format_time(START + timedelta(hours=len(self.history.lines)))
        signed = change.message(
            place="vault", vault=VAULT, prev=self.history.head[1], from_=before, to=Mode.STANDARD, until=until
        )
        facts = {"from": before.label, "to": "standard", "until": until, "sig": KEYS[self.password].sign(signed)}
        return self.add("MODE", **facts)

    def lock(self) -> Branch:
        before = self.history.mode_changes[-1].to if self.history.mode_changes else Mode.READONLY
        return self.add("MODE", **{"from": before.label, "to": "readonly", "until": "none", "sig": "none"})


def _first(vault: str) -> log.Line:
    return log.make("INIT", {"vault": vault}, now=START, seq=1, prev=log.genesis(vault))


def _of(joined: Joined) -> Side:
    return Side(history=joined.history, contents=by_id(joined.files))


def _actions(joined: Joined, since: int = 1) -> list[str]:
    return [line.action for line in joined.history.lines[since:]]


def _violations(joined: Joined) -> list[str]:
    return [str(f) for f in verify(files_of(joined.files)).violations]


@pytest.fixture
def base() -> Branch:
    return Branch().register().apply()


def test_versions_of_ours_give_way_and_their_receipts_with_them(base: Branch) -> None:
    ours, theirs = base.fork("1").apply().register().apply(), base.fork("2").register().apply()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert not joined.stays
    assert joined.history.lines[: len(theirs.history.lines)] == theirs.history.lines
    assert [line.action for line in joined.history.lines[len(theirs.history.lines) :]] == ["APPLIED", "SUPERSEDE"]
    (gone,) = joined.set_aside
    newest = theirs.history.newest
    assert newest is not None
    assert dict(joined.history.superseded) == {gone.id: newest.id}
    assert joined.files[f"versions/.superseded/{gone.id}.json"] == ours.contents[gone.id]
    assert [line.fields["hash"] for line in joined.dropped] == [gone.id]


def test_a_branch_that_only_applied_gives_way_to_one_that_registered(base: Branch) -> None:
    ours, theirs = base.fork("1").register().apply(), base.fork("2").apply()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert joined.stays
    assert joined.set_aside == ()
    assert joined.history.lines[: len(ours.history.lines)] == ours.history.lines
    assert {r.db for r in joined.history.receipts} == {"7:0", "7:1", "7:2"}


def test_lines_of_theirs_stay_where_neither_registered(base: Branch) -> None:
    ours, theirs = base.fork("1").apply(), base.fork("2").apply()
    joined = join(ours.side, theirs.side)
    assert not joined.stays
    assert joined.history.lines[: len(theirs.history.lines)] == theirs.history.lines


@pytest.mark.parametrize("is_longer", ["ours", "theirs"])
def test_one_that_continues_the_other_is_the_result(base: Branch, is_longer: str) -> None:
    longer = base.fork("1").register().apply()
    joined = join(longer.side, base.side) if is_longer == "ours" else join(base.side, longer.side)
    assert joined.history.lines == longer.history.lines
    assert (joined.carried, joined.dropped, joined.set_aside) == ((), (), ())


def test_a_new_password_of_theirs_makes_ours_give_way(base: Branch) -> None:
    base.set_password("a")
    ours, theirs = base.fork("1").register(), base.fork("2").set_password("b")
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert not joined.stays
    assert joined.history.keys == theirs.history.keys
    assert [v.label for v in joined.set_aside] == ["v002"]


def test_a_first_password_is_carried_over(base: Branch) -> None:
    ours, theirs = base.fork("1").set_password("a").unlock().register(), base.fork("2").register()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert joined.history.keys == ours.history.keys
    assert joined.history.mode_changes == ()
    assert [line.action for line in joined.dropped] == ["MODE"]


def test_of_two_first_passwords_theirs_is_valid(base: Branch) -> None:
    ours, theirs = base.fork("1").set_password("a").register(), base.fork("2").set_password("b").register()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert joined.history.keys == theirs.history.keys
    assert "AUTH_SET" in [line.action for line in joined.dropped]


def test_the_stricter_mode_is_kept(base: Branch) -> None:
    base.set_password("a").unlock()
    ours, theirs = base.fork("1").lock().register(), base.fork("2").register()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert joined.locked
    assert joined.history.mode_changes[-1].to is Mode.READONLY
    opened = join(base.fork("1").register().side, base.fork("2").register().side)
    assert opened.history.mode_changes[-1].to is Mode.STANDARD


def test_a_mode_of_ours_is_never_granted_by_joining(base: Branch) -> None:
    base.set_password("a")
    ours, theirs = base.fork("1").unlock().register(), base.fork("2").register()
    assert join(ours.side, theirs.side).history.mode_changes == ()


def test_a_reset_of_the_password_is_not_repeated(base: Branch) -> None:
    base.set_password("a")
    ours, theirs = base.fork("1").reset().set_password("b").register(), base.fork("2").register()
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert joined.history.keys == theirs.history.keys


def test_three_branches_in_a_row(base: Branch) -> None:
    first, second, third = (base.fork(name).register().apply() for name in "123")
    once = join(second.side, first.side)
    resumed = Branch("2", once.history, by_id(once.files)).register()
    twice = join(third.side, resumed.side)
    assert _violations(twice) == []
    assert [v.label for v in twice.history.versions] == ["v001", "v002", "v003"]
    assert len(twice.history.superseded) == 2
    # The other way round: the branch that has rebased gives way, with all that it has set aside.
    back = join(resumed.side, third.side)
    assert _violations(back) == []
    assert len(back.history.superseded) == 3


def test_a_line_that_was_carried_over_before_is_not_carried_over_again(base: Branch) -> None:
    # As `git rebase` does it, commit by commit: the second commit still has what the first was joined from.
    theirs = base.fork("2").register()
    ours = base.fork("1").apply().register()
    once = join(ours.side, theirs.side)
    ours.apply().register()
    twice = join(ours.side, _of(once))
    assert _violations(twice) == []
    assert _actions(twice, len(theirs.history.lines)).count("APPLIED") == 1
    assert _actions(twice).count("SUPERSEDE") == 2


def test_another_vault_is_refused(base: Branch) -> None:
    other = Branch(history=fold((_first("2c694f08-4976-485b-8543-4bb029f61d46"),)))
    with pytest.raises(ChameleonError) as refused:
        join(base.side, other.side)
    assert refused.value.code == "CHM2063"


def test_two_logs_without_a_common_line_are_refused(base: Branch) -> None:
    line = log.make("INIT", {"vault": VAULT}, now=START + timedelta(days=1), seq=1, prev=log.genesis(VAULT))
    with pytest.raises(ChameleonError) as refused:
        join(base.side, Branch(history=fold((line,))).side)
    assert refused.value.code == "CHM2064"


def test_without_any_version_nothing_can_take_the_place_of_ours() -> None:
    start = Branch().set_password("a")
    with pytest.raises(ChameleonError) as refused:
        join(start.fork("1").register().side, start.fork("2").set_password("b").side)
    assert refused.value.code == "CHM2067"


STEPS = ("register", "apply", "adopt", "deny", "set_password", "reset", "unlock", "lock")
Steps = st.lists(st.sampled_from(STEPS), max_size=6)


def _grown(branch: Branch, steps: list[str]) -> Branch:
    for step in steps:
        getattr(branch, step)()
    return branch


@given(Steps, Steps, Steps)
def test_any_two_branches_join(before: list[str], own: list[str], other: list[str]) -> None:
    base = _grown(Branch(), ["register", *before])
    ours, theirs = _grown(base.fork("1"), own), _grown(base.fork("2"), other)
    joined = join(ours.side, theirs.side)
    assert _violations(joined) == []
    assert join(ours.side, theirs.side) == joined

    kept = ours if joined.stays else theirs
    assert joined.history.lines[: len(kept.history.lines)] == kept.history.lines
    registered = {v.id for v in joined.history.versions}
    for version in (*ours.history.versions, *theirs.history.versions):
        assert version.id in registered or version.id in joined.history.superseded
        assert version.id in by_id(joined.files)
    receipts = {(r.id, r.db, r.ledger_seq) for r in joined.history.receipts}
    for receipt in (*ours.history.receipts, *theirs.history.receipts):
        assert receipt.id not in registered or (receipt.id, receipt.db, receipt.ledger_seq) in receipts
    last = joined.history.mode_changes[-1].to if joined.history.mode_changes else Mode.READONLY
    assert last is Mode.READONLY or last is kept.history.mode_changes[-1].to

    # Joined once more with either side, nothing is left to do.
    assert join(_of(joined), kept.side).history == joined.history
    assert join(kept.side, _of(joined)).history == joined.history
    gave_way = theirs if joined.stays else ours
    assert join(gave_way.side, _of(joined)).history == joined.history
