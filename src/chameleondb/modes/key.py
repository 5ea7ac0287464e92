"""The password as a key: Argon2id makes an Ed25519 key of it, and only the public half is ever kept.

So whoever holds the project can check that a change was made by somebody who knew the password, and nobody can make one
from what is on disk. Guessing costs one Argon2id a try.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import field

from chameleondb.errors import ModeError
from chameleondb.frozen import frozen

UNSIGNED = "none"
PASSWORD_LENGTH_MIN = 15  # NIST SP 800-63B-4, for a password that is the only factor
_DIFFERENT_CHARACTERS_MIN = 5

# RFC 9106, second recommended option; m in KiB.
_M, _T, _P, _SALT_BYTES, _KEY_BYTES = 64 * 1024, 3, 4, 16, 32

# A line of a log is not to be trusted with our memory and time.
_M_MAX, _T_MAX, _P_MAX = 1024 * 1024, 16, 16

_HEX = re.compile(r"(?:[0-9a-f]{2}){8,64}")
_KEY_HEX = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_HEX = re.compile(r"[0-9a-f]{128}")

# Long enough, and first in every list of guesses all the same; compared without blanks and case.
_COMMON = """
123456789012345 1234567890123456 12345678901234567890 123456789123456 123456789123456789 012345678901234
0123456789012345 987654321098765 abcdefghijklmno abcdefghijklmnop abcdefghijklmnopqrstuvwxyz 1q2w3e4r5t6y7u8i
1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv 1qaz2wsx3edc4rfv5tgb 1qazxsw23edcvfr4 qwertyuiopasdfg qwertyuiopasdfgh
qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm qwerty123456789 qwertyqwertyqwerty qwertyqwerty123 asdfghjklqwertyuiop
passwordpassword passwordpassword1 passwordpassword123 password12345678 password123456789 password1234567
password1password1 administrator123 administrator1234 adminadminadmin adminadminadmin1 iloveyouiloveyou iloveyousomuch1
letmeinletmein1 letmeinletmein123 welcomewelcome1 changemechangeme changemechangeme1 changeme12345678
correcthorsebatterystaple thisismypassword thisismypassword1 thisisapassword mypassword12345 mypassword123456
supersecretpassword postgrespostgres postgrespassword databasepassword chameleonchameleon chameleonpassword
chameleon123456
"""


@frozen(kw_only=True)
class PublicKey:
    """A password's public key and how it is derived; `m` in KiB. `sig` is the old key's signature, or ``none``."""

    kdf: str = "argon2id"
    m: int = _M
    t: int = _T
    p: int = _P
    salt: str
    key: str
    sig: str = UNSIGNED

    def __post_init__(self) -> None:
        if (
            self.kdf != "argon2id"
            or not 1 <= self.p <= _P_MAX
            or not 8 * self.p <= self.m <= _M_MAX
            or not 1 <= self.t <= _T_MAX
            or not _HEX.fullmatch(self.salt)
            or not _KEY_HEX.fullmatch(self.key)
            or not (self.sig == UNSIGNED or _SIGNATURE_HEX.fullmatch(self.sig))
        ):
            raise ValueError("not a key of this format")

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> PublicKey:
        """Return the key of an AUTH_SET line or ledger row. Raises: ValueError if it is malformed or out of bounds."""
        m, t, p = (_number(fields.get(name, "")) for name in ("m", "t", "p"))
        kdf, salt, key, sig = (fields.get(name, "") for name in ("kdf", "salt", "key", "sig"))
        return cls(kdf=kdf, m=m, t=t, p=p, salt=salt, key=key, sig=sig)

    def fields(self) -> dict[str, str]:
        """Return what an AUTH_SET line holds, in its order."""
        return {
            "kdf": self.kdf,
            "m": str(self.m),
            "t": str(self.t),
            "p": str(self.p),
            "salt": self.salt,
            "key": self.key,
            "sig": self.sig,
        }


@frozen(kw_only=True)
class PrivateKey:
    """What a password opens; lives in memory only, and shows nothing of itself."""

    public: PublicKey  # unsigned
    seed: bytes = field(repr=False)

    def sign(self, message: bytes) -> str:
        """Return the signature in hexadecimal."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message).hex()


def derive(password: str, like: PublicKey | None) -> PrivateKey:
    """Return the key of a password: with the salt and cost of `like`, or with new ones.

    The password was right if the result's `public.key` is that of `like`. Raises: ModeError CHM2108, CHM2109.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    m, t, p = (like.m, like.t, like.p) if like else (_M, _T, _P)
    salt = bytes.fromhex(like.salt) if like else secrets.token_bytes(_SALT_BYTES)
    secret = _bytes(password)
    try:
        kdf = Argon2id(salt=salt, length=_KEY_BYTES, iterations=t, lanes=p, memory_cost=m)
    except UnsupportedAlgorithm:
        raise ModeError(
            "CHM2109",
            "this build of the library cryptography has no Argon2id",
            hint="install it as a wheel: pip install --force-reinstall cryptography",
        ) from None
    seed = kdf.derive(secret)
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()
    return PrivateKey(public=PublicKey(m=m, t=t, p=p, salt=salt.hex(), key=key), seed=seed)


def is_signed(key_hex: str, message: bytes, signature_hex: str) -> bool:
    """Tell whether the key signed the message; a malformed key or signature did not."""
    if not _KEY_HEX.fullmatch(key_hex) or not _SIGNATURE_HEX.fullmatch(signature_hex):
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_hex)).verify(bytes.fromhex(signature_hex), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def message(place: str, vault: str, prev: str, new: PublicKey) -> bytes:
    """Return what the old key signs when `new` takes its place: bound to one position of one chain."""
    parts = f"{new.kdf} {new.m} {new.t} {new.p} {new.salt} {new.key}"
    return "\n".join(("chameleon.auth/1", place, vault, prev, parts)).encode("ascii")


def is_rotation_sound(old: PublicKey | None, new: PublicKey, *, place: str, vault: str, prev: str) -> bool:
    """Tell whether `new` may follow `old`; None for the first key, and for the first one after a reset."""
    if old is None:
        return new.sig == UNSIGNED
    return is_signed(old.key, message(place, vault, prev, new), new.sig)


def check_new_password(password: str) -> None:
    """Refuse a password that would be guessed. Raises: ModeError CHM2107, CHM2108."""
    text = unicodedata.normalize("NFC", password)
    _bytes(text)
    if len(text) < PASSWORD_LENGTH_MIN:
        raise ModeError(
            "CHM2107",
            f"a mode password has at least {PASSWORD_LENGTH_MIN} characters",
            hint="four words that have nothing to do with each other are long enough",
        )
    if len(set(text)) < _DIFFERENT_CHARACTERS_MIN or "".join(text.split()).casefold() in _COMMON.split():
        raise ModeError(
            "CHM2107",
            "this password is one of the first that are guessed",
            hint="four words that have nothing to do with each other are better",
        )


def _bytes(password: str) -> bytes:
    # The exception would quote what it could not encode.
    try:
        return unicodedata.normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError:
        pass
    raise ModeError("CHM2108", "the password is not text", hint="store it as UTF-8")


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,7}", text):
        raise ValueError("not a number of this format")
    return int(text)
