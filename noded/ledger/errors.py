"""Why the engine rejects transactions and blocks; modules have errors of their own."""

from noded.errors import InvalidMessage, InvalidTransaction, NodedError
from noded.types.ids import BlockHash, Height, PublicKey


class WrongChain(InvalidTransaction):
    """The transaction is for another chain (L1)."""


class UnknownVersion(InvalidTransaction):
    """The transaction's version is not in use (L1)."""

    def __init__(self, *, version: int) -> None:
        super().__init__(f"version {version} is not in use")
        self.version = version


class OutsideWindow(InvalidTransaction):
    """The transaction is too late, or is valid for longer than the network allows (L2)."""

    def __init__(self, *, valid_until: Height, height: Height) -> None:
        super().__init__(f"valid until height {valid_until}, but the block is {height}")
        self.valid_until = valid_until
        self.height = height


class UnknownSender(InvalidTransaction):
    """The sender's key is not on the ledger (L3)."""

    def __init__(self, *, sender: PublicKey) -> None:
        super().__init__(f"key {sender.hex()} is not registered")
        self.sender = sender


class SenderInactive(InvalidTransaction):
    """The sender's key has ended, or its institution is suspended or gone (L3)."""

    def __init__(self, *, sender: PublicKey) -> None:
        super().__init__(f"key {sender.hex()} may not sign any more")
        self.sender = sender


class SequenceUsed(InvalidTransaction):
    """The sender already used this sequence (L4)."""

    def __init__(self, *, sender: PublicKey, sequence: int) -> None:
        super().__init__(f"sequence {sequence} of {sender.hex()} was used before")
        self.sender = sender
        self.sequence = sequence


class SequenceTooOld(InvalidTransaction):
    """The sequence lies too far below the highest one used (L4)."""

    def __init__(self, *, sender: PublicKey, sequence: int, lowest: int) -> None:
        super().__init__(f"sequence {sequence} of {sender.hex()} is below {lowest}")
        self.sender = sender
        self.sequence = sequence
        self.lowest = lowest


class RoleNotAllowed(InvalidTransaction):
    """The role table does not let the sender send this operation (L5)."""

    def __init__(self, *, operation: str, sender: str) -> None:
        super().__init__(f"{operation} may not be sent by a {sender}")
        self.operation = operation
        self.sender = sender


class PurposeNotAllowed(InvalidTransaction):
    """The role table does not let the operation be used for this purpose (L5)."""

    def __init__(self, *, operation: str, purpose: str) -> None:
        super().__init__(f"{operation} may not be used for {purpose}")
        self.operation = operation
        self.purpose = purpose


class KeyTaken(InvalidTransaction):
    """The public key belongs, or once belonged, to somebody (L8)."""

    def __init__(self, *, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} is taken")
        self.key = key


class UnknownKey(InvalidTransaction):
    """There is no such key, or it ended before."""

    def __init__(self, *, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} is not registered")
        self.key = key


class ValueTooLarge(InvalidTransaction):
    """The transaction would grow one entry of the state beyond its limits (L7)."""

    def __init__(self, *, why: str) -> None:
        super().__init__(why)


class UnknownParent(InvalidMessage):
    """The block's parent was not executed here."""

    def __init__(self, *, parent: BlockHash) -> None:
        super().__init__(f"block {parent.hex()} was not executed")
        self.parent = parent


class NotCertifiedYet(NodedError):
    """No final header commits yet to the state that a proof would need; the next block will (L12)."""
