"""
Bearer tokens: who may use the API over TCP, for what, until when.

A token is ``noded_ID_SECRET``. The secret is 32 random bytes, so its SHA-256 in the file gives nothing away.
"""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

from noded.errors import ConfigError
from noded.keys.files import read_private, write_private

TOKENS_MAX: Final = 128
"""Tokens of one node: with 500 bytes each at most they fit the 64 KiB that are read of a private file."""

NAME_CHARACTERS_MAX: Final = 64
ID_BYTES: Final = 8
SECRET_BYTES: Final = 32
PREFIX: Final = "noded"
_VERSION: Final = 1


class Scope(StrEnum):
    """What a token allows; each is for itself."""

    READ = "read"
    """Everything on the chain, and how the node stands."""
    SUBMIT = "submit"
    """Handing in transactions, which are signed elsewhere."""
    CUSTODY = "custody"
    """This institution's records: keeping, reading, releasing, erasing, fetching."""
    METRICS = "metrics"
    """Figures for Prometheus."""


class TokensDamaged(ConfigError):
    """The file of tokens is not what the node wrote."""


class TooManyTokens(ConfigError):
    """There are as many tokens as a node keeps; revoke some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is kept of a token."""

    id: str
    name: str
    """Who uses it, for the operator."""
    scopes: tuple[Scope, ...]
    created_ms: int
    expires_ms: int
    """First millisecond at which it is refused."""
    digest: str = field(repr=False)
    """SHA-256 of the secret, in hexadecimal."""


class Tokens:
    """The tokens of a node, in a file that is written whole."""

    def __init__(self, path: Path, *, clock_ms: Callable[[], int]) -> None:
        """
        Read the file, if there is one.

        Raises:
            TokensDamaged: It is not what the node wrote.
            FileExposed: Other users have access to it.
        """
        self._path = path
        self._clock_ms = clock_ms
        self._by_id: dict[str, Token] = {}
        if path.exists():
            try:
                self._by_id = {token.id: token for token in _parse(read_private(path))}
            except (ValueError, KeyError, TypeError) as error:
                raise TokensDamaged(
                    f"{path}: {error}; restore it, or remove it and make new tokens"
                ) from error

    def all(self) -> Sequence[Token]:
        """All tokens, expired ones included, oldest first."""
        return sorted(self._by_id.values(), key=lambda token: (token.created_ms, token.id))

    def create(self, name: str, scopes: Sequence[Scope], *, valid_ms: int) -> tuple[Token, str]:
        """
        Make a token, durably.

        Returns:
            What is kept of it, and the token itself, which nobody can read again.

        Raises:
            TooManyTokens: There are TOKENS_MAX that have not expired.
        """
        now_ms = self._clock_ms()
        kept = {token.id: token for token in self._by_id.values() if token.expires_ms > now_ms}
        if len(kept) >= TOKENS_MAX:
            raise TooManyTokens(f"there are {TOKENS_MAX} tokens; revoke some")
        secret = urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=")
        token = Token(
            id=secrets.token_hex(ID_BYTES),
            name=name,
            scopes=tuple(dict.fromkeys(scopes)),
            created_ms=now_ms,
            expires_ms=now_ms + valid_ms,
            digest=sha256(secret.encode()).hexdigest(),
        )
        self._write({**kept, token.id: token})
        return token, f"{PREFIX}_{token.id}_{secret}"

    def revoke(self, id: str) -> bool:
        """Refuse a token from now on, durably; False if there is none with this id."""
        if id not in self._by_id:
            return False
        self._write({other: token for other, token in self._by_id.items() if other != id})
        return True

    def find(self, presented: str) -> Token | None:
        """The token that a client presents, if it is one that holds now."""
        prefix, _, rest = presented.partition("_")
        id, _, secret = rest.partition("_")
        token = self._by_id.get(id)
        if token is None or prefix != PREFIX or not secret.isascii():
            return None
        if not compare_digest(sha256(secret.encode()).hexdigest(), token.digest):
            return None
        return token if self._clock_ms() < token.expires_ms else None

    def _write(self, tokens: dict[str, Token]) -> None:
        document = {"version": _VERSION, "tokens": [_document(token) for token in tokens.values()]}
        write_private(self._path, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
        self._by_id = tokens


def _document(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_ms": token.created_ms,
        "expires_ms": token.expires_ms,
        "sha256": token.digest,
    }


def _parse(data: bytes) -> list[Token]:
    document = json.loads(data)
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']} is unknown")
    return [
        Token(
            id=str(each["id"]),
            name=str(each["name"]),
            scopes=tuple(Scope(scope) for scope in each["scopes"]),
            created_ms=int(each["created_ms"]),
            expires_ms=int(each["expires_ms"]),
            digest=str(each["sha256"]),
        )
        for each in document["tokens"]
    ]
