"""One entry of a tokens file: the name and the role of a token, and its salted hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated

import msgspec

from ..roles import Role


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the tokens file.

    Attributes:
        name: the holder of the token, for the audit log.
        role: the name of its role; `level` in the file.
        salt: hexadecimal, different for each token.
        hash: SHA-256 of salt and token, hexadecimal. A slower hash is not needed, because a token is 256 random bits.
    """

    name: str
    role: str = msgspec.field(name="level")
    salt: str
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, name: str, role: Role, text: str) -> Token:
        """Return the entry for the token `text`."""
        salt = secrets.token_hex(16)
        return cls(name, str(role), salt, _hash(salt, text))

    def matches(self, token: str) -> bool:
        """Return whether `token` is this token, in constant time."""
        return hmac.compare_digest(self.hash, _hash(self.salt, token))


def new_token(name: str, role: Role) -> tuple[str, Token]:
    """Create a token. Return its text for the holder, and its entry for the tokens file."""
    text = f"lmci_{secrets.token_urlsafe(32)}"
    return text, Token.of(name, role, text)


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}{token}".encode("utf-8", "surrogatepass")).hexdigest()
