"""The password's key: what it takes, what it binds, what it never shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chameleondb.errors import ModeError
from chameleondb.modes import key
from chameleondb.modes.key import PrivateKey, PublicKey, check_new_password, derive, is_rotation_sound, is_signed
from tests.unit.modes.keys import OTHER, PASSWORD, cheap_key

PLACE = {"place": "vault", "vault": "5e1b0c1e-0000-4000-8000-000000000001", "prev": "a" * 64}


def test_a_new_key_has_the_recommended_cost_and_a_salt_of_its_own() -> None:
    first, second = derive(PASSWORD, None).public, derive(PASSWORD, None).public
    assert (first.kdf, first.m, first.t, first.p, len(first.salt)) == ("argon2id", 64 * 1024, 3, 4, 32)
    assert first.salt != second.salt
    assert first.key != second.key


def test_the_same_password_gives_the_same_key() -> None:
    public = cheap_key(PASSWORD).public
    assert derive(PASSWORD, public).public == public
    assert derive(OTHER, public).public.key != public.key


def test_no_release_of_us_or_of_a_library_locks_anybody_out() -> None:
    like = PublicKey(m=8, t=1, p=1, salt="00" * 16, key="00" * 32)
    assert derive("four unlikely words", like).public.key == (
        "125903a9d32b2653b78f22852ebd88d8dc850d1f7e682a1cf5bb13a1716a9f18"
    )


def test_one_password_typed_in_two_ways_is_one_password() -> None:
    public = cheap_key("caf\u00e9 caf\u00e9 caf\u00e9").public
    assert derive("cafe\u0301 cafe\u0301 cafe\u0301", public).public.key == public.key


@pytest.mark.parametrize(
    "changed", [PASSWORD + " ", " " + PASSWORD, PASSWORD + "\n", PASSWORD.upper(), PASSWORD + "\0"]
)
def test_nothing_is_trimmed(changed: str) -> None:
    public = cheap_key(PASSWORD).public
    assert derive(changed, public).public.key != public.key


def test_the_signature_is_of_one_message_and_one_key() -> None:
    private, other = cheap_key(PASSWORD), cheap_key(OTHER)
    signature = private.sign(b"message")
    assert is_signed(private.public.key, b"message", signature)
    assert not is_signed(private.public.key, b"massage", signature)
    assert not is_signed(other.public.key, b"message", signature)


@pytest.mark.parametrize("signature", ["", "none", "0" * 128, "f" * 128, "0" * 126, "g" * 128, "A" * 128])
def test_what_is_no_signature_signs_nothing(signature: str) -> None:
    assert not is_signed(cheap_key(PASSWORD).public.key, b"message", signature)


@pytest.mark.parametrize("public", ["", "none", "0" * 63, "f" * 64, "z" * 64])
def test_what_is_no_key_signed_nothing(public: str) -> None:
    assert not is_signed(public, b"message", cheap_key(PASSWORD).sign(b"message"))


def test_a_line_comes_back() -> None:
    public = replace(cheap_key(PASSWORD).public, sig="ab" * 64)
    assert PublicKey.read(public.fields()) == public
    assert list(public.fields()) == ["kdf", "m", "t", "p", "salt", "key", "sig"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kdf", "argon2i"),
        ("kdf", ""),
        ("m", str(1024 * 1024 + 1)),  # more than 1 GiB
        ("m", "7"),  # less than Argon2 takes
        ("m", "-8"),
        ("m", "8 "),
        ("m", "９"),
        ("m", "9" * 5000),
        ("t", "0"),
        ("t", "17"),
        ("p", "0"),
        ("p", "17"),
        ("p", "2"),  # needs 16 KiB
        ("salt", "00" * 7),
        ("salt", "00" * 65),
        ("salt", "0" * 31),
        ("salt", "zz" * 16),
        ("key", "00" * 31),
        ("key", "AA" * 32),
        ("key", "aa" * 32 + "\n"),
        ("sig", ""),
        ("sig", "ab" * 63),
    ],
)
def test_a_forged_line_cannot_exhaust_us(name: str, value: str) -> None:
    fields = cheap_key(PASSWORD).public.fields()
    with pytest.raises(ValueError, match="of this format"):
        PublicKey.read({**fields, name: value})
    with pytest.raises(ValueError, match="of this format"):
        PublicKey.read({k: v for k, v in fields.items() if k != name})


# --- Rotation ------------------------------------------------------------------------------------------------------


def _rotated(old: PrivateKey, new: PublicKey) -> PublicKey:
    return replace(new, sig=old.sign(key.message(new=new, **PLACE)))


def test_attack_21_a_key_is_followed_only_by_one_that_it_signed() -> None:
    old, new = cheap_key(PASSWORD), cheap_key(OTHER)
    signed = _rotated(old, new.public)
    assert is_rotation_sound(old.public, signed, **PLACE)
    assert not is_rotation_sound(old.public, new.public, **PLACE)
    assert not is_rotation_sound(old.public, _rotated(new, new.public), **PLACE)


@pytest.mark.parametrize("part", ["place", "vault", "prev", "m", "t", "p", "salt", "key"])
def test_a_rotation_binds_each_part(part: str) -> None:
    old, new = cheap_key(PASSWORD), cheap_key(OTHER)
    signed, where = _rotated(old, new.public), dict(PLACE)
    if part in where:
        where[part] = "ledger" if part == "place" else "b" * 64
    else:
        other = {"m": 9, "t": 2, "p": 1, "salt": "11" * 16, "key": old.public.key}
        signed = replace(signed, **({"m": 16, "p": 2} if part == "p" else {part: other[part]}))
    assert not is_rotation_sound(old.public, signed, **where)


def test_the_first_key_is_unsigned() -> None:
    first = cheap_key(PASSWORD)
    assert is_rotation_sound(None, first.public, **PLACE)
    assert not is_rotation_sound(None, _rotated(first, first.public), **PLACE)


# --- New passwords -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "",
        "fourteen chars",
        "a" * 40,
        "121212121212121212",
        "PasswordPassword",
        "Correct Horse Battery Staple",
        "e\u0301" * 14,  # fourteen characters, however they are typed
    ],
)
def test_passwords_that_are_guessed_first_are_refused(password: str) -> None:
    with pytest.raises(ModeError) as caught:
        check_new_password(password)
    assert caught.value.code == "CHM2107"
    assert not password or password not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "password", [PASSWORD, "fifteen charact", "Zahl 7 ist größer", "日本語のパスワードは長くてもよい"]
)
def test_other_passwords_are_taken(password: str) -> None:
    check_new_password(password)


def test_what_is_not_text_is_refused_without_being_shown() -> None:
    for use in (lambda text: derive(text, None), check_new_password):
        with pytest.raises(ModeError) as caught:
            use("secret secret s\udcff")
        assert caught.value.code == "CHM2108"
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_library_without_argon2_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf import argon2

    def without(**_: object) -> None:
        raise UnsupportedAlgorithm("argon2id")

    monkeypatch.setattr(argon2, "Argon2id", without)
    with pytest.raises(ModeError) as caught:
        derive(PASSWORD, None)
    assert caught.value.code == "CHM2109"


def test_a_key_shows_nothing_of_itself() -> None:
    private = cheap_key(PASSWORD)
    for text in (repr(private), str(private), f"{private}"):
        assert "seed" not in text
        assert private.seed.hex() not in text
        assert repr(private.seed) not in text
        assert PASSWORD not in text
