"""What peers may do wrong; each is caught in `ConsensusCore.step` and becomes a PenalizePeer of its name."""

from noded.errors import InvalidMessage


class MalformedVote(InvalidMessage):
    """A vote names a block exactly if it is not NULLIFY, and all votes of a message are of one epoch."""


class NotTheSigner(InvalidMessage):
    """A vote came over another connection than its voter's own (R14)."""


class NotAValidator(InvalidMessage):
    """A vote of somebody who has no voice in this epoch."""


class NotTheProposer(InvalidMessage):
    """A proposal of somebody whose view it is not (R1)."""


class BadSignature(InvalidMessage):
    """A vote or proposal whose signature does not verify (R14)."""


class BadCertificate(InvalidMessage):
    """A certificate without a quorum, or with a signature that does not verify; the peer is disconnected (R14)."""


class BadProposal(InvalidMessage):
    """A proposal that does not carry the certificates that its block names (R2)."""


class InvalidBlock(InvalidMessage):
    """A signed block that its own bytes, its parent and the epoch's table show to be invalid (R2, R19)."""


class BadEpochEntry(InvalidMessage):
    """A proof of an epoch's end that does not prove it (R16)."""


class BadEvidence(InvalidMessage):
    """Evidence that proves nothing (R18)."""


class BlockNotAsked(InvalidMessage):
    """A block that this node did not ask for (R11)."""
