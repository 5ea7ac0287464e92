"""Keys that cost nothing to derive; a key carries its own parameters, so real code derives them as cheaply."""

from __future__ import annotations

from chameleondb.modes.key import PrivateKey, PublicKey, derive

PASSWORD = "four unlikely words"
OTHER = "some other long words"

_CHEAP = PublicKey(m=8, t=1, p=1, salt="00" * 16, key="00" * 32)


def cheap_key(password: str) -> PrivateKey:
    """Return the key of a password at the least cost that Argon2 has."""
    return derive(password, _CHEAP)
