"""Why the membership module rejects operations."""

from noded.errors import InvalidTransaction
from noded.types.ids import Epoch, InstitutionId, PublicKey


class InstitutionExists(InvalidTransaction):
    """There is, or was, an institution with this id (L100)."""

    def __init__(self, *, institution: InstitutionId) -> None:
        super().__init__(f"institution {institution.hex()} exists")
        self.institution = institution


class UnknownInstitution(InvalidTransaction):
    """No institution has this id."""

    def __init__(self, *, institution: InstitutionId) -> None:
        super().__init__(f"no institution {institution.hex()}")
        self.institution = institution


class CosignatureMissing(InvalidTransaction):
    """A key that must show its consent did not cosign (L100, L104, L109)."""

    def __init__(self, *, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} did not cosign")
        self.key = key


class MemberKeyTaken(InvalidTransaction):
    """The key is, or once was, a member's key (L100, L104)."""

    def __init__(self, *, key: bytes) -> None:
        super().__init__(f"key {key.hex()} is taken")
        self.key = key


class NotEntitled(InvalidTransaction):
    """Only a regulator, or the member itself, may suspend it (L103)."""


class TooFewLeft(InvalidTransaction):
    """Without this member, those who may still vote would be no quorum, and nobody could be reinstated (L103)."""

    def __init__(self, *, power: int, quorum: int) -> None:
        super().__init__(
            f"power {power} would be left to vote, {quorum} is a quorum; propose to remove the member instead"
        )
        self.power = power
        self.quorum = quorum


class WrongStatus(InvalidTransaction):
    """The institution's status does not allow this."""

    def __init__(self, *, institution: InstitutionId, status: str) -> None:
        super().__init__(f"institution {institution.hex()} is {status}")
        self.institution = institution
        self.status = status


class LastMember(InvalidTransaction):
    """Removing the last member would leave nobody to run the chain (L107)."""


class StillJailed(InvalidTransaction):
    """The jail has not lasted long enough for a reinstatement (L108)."""

    def __init__(self, *, institution: InstitutionId, until: Epoch) -> None:
        super().__init__(f"institution {institution.hex()} is jailed until epoch {until}")
        self.institution = institution
        self.until = until


class ProposalExists(InvalidTransaction):
    """There is, or was, a proposal with this id (L105)."""


class TooManyProposals(InvalidTransaction):
    """The proposer has as many open proposals as one may have (L105)."""

    def __init__(self, *, open_count: int) -> None:
        super().__init__(f"{open_count} proposals are open")
        self.open_count = open_count


class UnknownProposal(InvalidTransaction):
    """No proposal has this id."""


class ProposalClosed(InvalidTransaction):
    """The proposal was decided or has lapsed (L106)."""

    def __init__(self, *, status: str) -> None:
        super().__init__(f"the proposal is {status}")
        self.status = status


class NotAVoter(InvalidTransaction):
    """Only members in the epoch's table vote (L106)."""

    def __init__(self, *, institution: InstitutionId) -> None:
        super().__init__(f"institution {institution.hex()} has no voting power in this epoch")
        self.institution = institution


class AlreadyVoted(InvalidTransaction):
    """A vote is final (L106)."""


class WrongEpoch(InvalidTransaction):
    """The operation is for another epoch (L109, L111)."""

    def __init__(self, *, named: Epoch, present: Epoch) -> None:
        super().__init__(f"epoch {named} is named, the present one is {present}")
        self.named = named
        self.present = present


class InvalidParameters(InvalidTransaction):
    """The network parameters contradict each other or the number of validators (L110)."""


class WrongConsensusKey(InvalidTransaction):
    """The key is not the member's consensus key (L109)."""
