"""L57, L112, L124: receipts speak for a custodian, disputes upheld by vote against it."""

from dataclasses import replace

from noded.ledger.conduct import UNBLEMISHED, Conduct, get_conduct, get_credits
from noded.ledger.context import BlockContext
from noded.ledger.modules.access import SERVED_CREDITS, AccessStatus, get_access
from noded.ledger.modules.errors import NotDisputable
from noded.types.ids import Epoch, PublicKey, VotingPower
from noded.types.operations.consent import AccessReceipt, AccessRelease, OwnRecord, ReceiptResult
from noded.types.operations.membership import GovPropose, GovVote, Uphold
from noded.types.validator_set import Validator, ValidatorSet, ValidatorTable
from tests.helpers.medical import (
    CLINIC,
    HOSPITAL,
    PATIENT,
    REQUEST,
    RESEARCHER,
    ROLES,
    WRAP_HASH,
    World,
    id16,
    make_grant,
    make_record,
    make_request,
    refused,
)

RELEASE = AccessRelease(request=REQUEST, wrap_hash=WRAP_HASH)
READ = AccessReceipt(request=REQUEST, result=ReceiptResult.READ)
UPHOLD = GovPropose(proposal=id16("dispute"), action=Uphold(request=REQUEST))


class Court(World):
    """A lab record at `HOSPITAL`, a consent to `CLINIC`, and members who all vote with the same power."""

    def __init__(self) -> None:
        rows = [
            Validator(
                id=each.institution,
                public_key=PublicKey(each.key),
                power=VotingPower(1000),
                raw_power=VotingPower(1000),
                share=1000,
                reputation=500_000,
                debt=0,
            )
            for each in sorted(ROLES, key=lambda member: member.institution)
        ]
        self.validators = ValidatorSet(
            ValidatorTable(epoch=Epoch(1), seed=bytes(32), round_robin=False, validators=tuple(rows))
        )
        super().__init__()
        self.apply(HOSPITAL, make_record())
        self.apply(PATIENT, make_grant())

    @property
    def block(self) -> BlockContext:
        return replace(super().block, validators=self.validators)

    def receive(self, result: ReceiptResult) -> None:
        """`CLINIC` gets the key of the record, and says whether it could read it."""
        self.apply(CLINIC, make_request(REQUEST))
        self.apply(HOSPITAL, RELEASE)
        self.apply(CLINIC, replace(READ, result=result))

    @property
    def conduct(self) -> Conduct:
        """Of the custodian."""
        return get_conduct(self.state, HOSPITAL.institution)


def test_who_could_read_attests() -> None:
    court = Court()
    court.receive(ReceiptResult.READ)

    assert court.conduct.accepted_by == (CLINIC.institution,)
    assert get_credits(court.state, HOSPITAL.institution) == SERVED_CREDITS
    refused(court, NotDisputable, CLINIC, UPHOLD)


def test_a_patient_attests_nothing() -> None:
    court = Court()
    court.apply(PATIENT, make_request(REQUEST, basis=OwnRecord(), actor=None))
    court.apply(HOSPITAL, RELEASE)
    court.apply(PATIENT, READ)

    assert court.conduct == UNBLEMISHED


def test_a_quorum_upholds_a_dispute_once() -> None:
    court = Court()
    court.receive(ReceiptResult.UNREADABLE)
    refused(court, NotDisputable, RESEARCHER, UPHOLD)
    court.apply(CLINIC, UPHOLD)
    votes = 0
    for voter in ROLES:
        assert court.conduct == UNBLEMISHED
        court.apply(voter, GovVote(proposal=UPHOLD.proposal, approve=True))
        votes += 1
        if get_access(court.state, REQUEST).status is AccessStatus.UPHELD:
            break

    assert votes == 5
    assert (court.conduct.lost, court.conduct.accepted_by) == (1, ())
    refused(court, NotDisputable, CLINIC, replace(UPHOLD, proposal=id16("again")))
