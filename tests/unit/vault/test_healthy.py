"""Vaults that nobody touched raise no alarm, whoever made them and whatever they are called."""

from __future__ import annotations

import random
from datetime import timedelta
from hashlib import sha256

from chameleondb.findings import Severity
from chameleondb.modes import change
from chameleondb.modes.change import format_time
from chameleondb.modes.key import PrivateKey, derive
from chameleondb.modes.policy import Mode
from chameleondb.vault import layout, log, manifest
from chameleondb.vault.history import History, fold
from chameleondb.vault.tree import files_of
from chameleondb.vault.verify import verify
from tests.unit.vault.vaults import CHEAP, DATABASE, START, snapshot

VAULTS = 1000
PIECES = ["Ann", "O'Neil", '"', "\\", "\n", "\r", "\t", "=", " ", "日本", "é", "e\u0301", "\U0001f98e", "[x]", "\u202e"]


class Paper:
    """A vault in memory, written by the rules of docs/formats.md and not by the store."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.time = chance, START
        vault = f"{chance.getrandbits(32):08x}-0000-4000-8000-{chance.getrandbits(48):012x}"
        line = log.make("INIT", {"vault": vault}, now=self.time, seq=1, prev=log.genesis(vault))
        self.history: History = fold((line,))
        self.files: dict[str, bytes] = {}
        self.private: PrivateKey | None = None

    def word(self) -> str:
        return "".join(self.chance.choices(PIECES, k=self.chance.randint(1, 6)))

    def add(self, action: str, **fields: str) -> None:
        self.time += timedelta(seconds=self.chance.randint(0, 4000))
        seq, prev = self.history.head
        line = log.make(action, fields, now=self.time, seq=seq + 1, prev=prev)
        self.history = self.history.followed_by(line)

    def register(self) -> None:
        new = snapshot(self.history, self.word(), self.word(), self.word())
        data = new.encode()
        digest = sha256(data).hexdigest()
        self.files[f"versions/{new.version}.json"] = data
        self.files[f"hashes/{new.version}.hash"] = layout.hash_text(new.version, digest)
        hashes = {"schema": new.schema_hash, "declared": new.declared_hash}
        self.add(
            "REGISTER",
            version=new.version,
            hash=digest,
            parent=new.parent,
            **hashes,
            author=new.author,
            summary=new.summary,
        )

    def apply(self) -> None:
        if (newest := self.history.newest) is not None:
            row = f"{self.chance.randint(1, 10**6)}:{self.chance.getrandbits(256):064x}"
            recovered = self.chance.choice(["yes", "no"])
            self.add("APPLIED", version=newest.label, hash=newest.id, db=DATABASE, ledger=row, recovered=recovered)

    def set_password(self) -> None:
        if self.private is None:
            self.private = derive(f"a lizard in {self.chance.random()} colours", CHEAP)
            self.add("AUTH_SET", **self.private.public.fields())

    def set_mode(self) -> None:
        if self.private is None:
            return
        to = self.chance.choice(list(Mode))
        before = change.effective(self.history.mode_changes, self.time)
        until = format_time(self.time + timedelta(hours=2)) if to > Mode.READONLY else "none"
        signed = change.message(
            place="vault", vault=self.history.vault, prev=self.history.head[1], from_=before, to=to, until=until
        )
        sig = self.private.sign(signed) if to > Mode.READONLY else "none"
        self.add("MODE", **{"from": before.label, "to": to.label, "until": until, "sig": sig})

    def deny(self) -> None:
        self.add("DENIED", what=self.word(), reason="wrong-password")

    def contents(self) -> dict[str, bytes]:
        text = "".join(f"{line.text}\n" for line in self.history.lines).encode("ascii")
        return {**self.files, "integrity.log": text, "manifest.json": manifest.encode(self.history)}


def test_a_thousand_healthy_vaults_raise_no_alarm() -> None:
    for seed in range(VAULTS):
        chance = random.Random(seed)
        paper = Paper(chance)
        for _ in range(chance.randint(0, 12)):
            chance.choice([paper.register, paper.apply, paper.set_password, paper.set_mode, paper.deny])()
        findings = verify(files_of(paper.contents())).findings
        assert [f for f in findings if f.severity is not Severity.NOTICE] == [], f"seed {seed}"
