"""What goes wrong between bytes and values."""

from noded.errors import InvalidMessage


class Malformed(InvalidMessage):
    """Bytes are not the one encoding of a value of the expected type (C1, C2)."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class Unencodable(ValueError):
    """
    A value breaks the limits of its own type, so nobody would accept its encoding.

    Whoever built the value is at fault; inside a node that is a bug, so nothing catches it there.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why
