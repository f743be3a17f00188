"""One entry of a tokens file: who holds a token, what it allows, and its salted hash."""

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
        name: who holds it, for the audit log.
        level: what the holder may do.
        salt: hexadecimal, its own for each token.
        hash: SHA-256 of salt and token, hexadecimal. Tokens are 256 random bits, so that
            nothing slower is needed against guessing.
    """

    name: str
    level: str
    salt: str
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, name: str, level: Role, text: str) -> Token:
        """The entry of the token `text`."""
        salt = secrets.token_hex(16)
        return cls(name, str(level), salt, _hash(salt, text))

    def matches(self, token: str) -> bool:
        """Whether `token` is this one, in a time that does not tell how nearly."""
        return hmac.compare_digest(self.hash, _hash(self.salt, token))


def new_token(name: str, level: Role) -> tuple[str, Token]:
    """Make a token: the text to hand out, and the entry to keep."""
    text = f"lmci_{secrets.token_urlsafe(32)}"
    return text, Token.of(name, level, text)


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}{token}".encode("utf-8", "surrogatepass")).hexdigest()
