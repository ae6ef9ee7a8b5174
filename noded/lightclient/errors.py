"""What a proof may fail by."""

from noded.errors import NodedError


class InvalidProof(NodedError):
    """A proof does not show what it claims; `part` names what does not hold."""

    def __init__(self, *, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part = part
        self.why = why


class TableForged(InvalidProof):
    """A table of voters is not the one that a final block commits to."""


class TrustExpired(InvalidProof):
    """The table from which epochs are skipped is older than the trusting period."""


class TooLittleOverlap(InvalidProof):
    """The voters who ended a skipped-to epoch hold no more than a third of the trusted table."""
