"""Who may sign transactions: `key/` entries, one a public key, never deleted and never given to another owner."""

from dataclasses import replace
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.errors import KeyTaken, UnknownKey
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, PublicKey
from noded.types.roles import KeyKind


@frozen(kw_only=True)
class KeyEntry:
    """A public key that may sign transactions, or might once."""

    kind: KeyKind
    owner: Annotated[bytes, Limit(16, 32)]
    """By kind: an institution's id, or a patient's."""
    since: Height
    until: Height | None
    """First height at which it may no longer sign; None while it may."""


def key_key(key: PublicKey) -> bytes:
    """Where a public key's entry is in the state."""
    return b"key/" + key


def get_key(state: Overlay, key: PublicKey) -> KeyEntry | None:
    """The entry of a key, whether it may still sign or not."""
    return state.read(key_key(key), KeyEntry)


def add_key(state: Overlay, key: PublicKey, *, kind: KeyKind, owner: bytes, height: Height) -> None:
    """
    Let a key sign transactions from this height on (L8).

    Raises:
        KeyTaken: It belongs, or once belonged, to somebody.
    """
    if get_key(state, key) is not None:
        raise KeyTaken(key=key)
    state.write(key_key(key), KeyEntry(kind=kind, owner=owner, since=height, until=None))


def end_key(state: Overlay, key: PublicKey, height: Height) -> None:
    """
    Let a key sign nothing from this height on.

    Raises:
        UnknownKey: There is no such key, or it ended before.
    """
    entry = get_key(state, key)
    if entry is None or entry.until is not None:
        raise UnknownKey(key=key)
    state.write(key_key(key), replace(entry, until=height))


def reopen_key(state: Overlay, key: PublicKey, height: Height) -> None:
    """
    Let a key that had ended sign again.

    Raises:
        UnknownKey: There is no such key, or it had not ended.
    """
    entry = get_key(state, key)
    if entry is None or entry.until is None:
        raise UnknownKey(key=key)
    state.write(key_key(key), replace(entry, since=height, until=None))
