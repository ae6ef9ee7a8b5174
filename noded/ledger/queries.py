"""
Questions about members, validators, reputations and proposals.

Single things are read by `get_member`, `get_proposal`, `get_conduct` …, which a state proof can accompany; lists
come from the listings, which nothing proves.
"""

from collections.abc import Sequence
from typing import Protocol

from noded.codec.schema import decode_value
from noded.ledger.conduct import get_conduct, get_credits
from noded.ledger.epoch import REPORTS, EpochReport
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, Chain, Head, table_key
from noded.ledger.members import Member, get_member, get_members
from noded.ledger.modules.governance import PROPOSALS, GovernanceProposal, get_proposal
from noded.ledger.participation import read_counters
from noded.ledger.reputation import effective_reputation, tolerated
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Epoch, InstitutionId
from noded.types.validator_set import ValidatorTable

REPORTS_MAX = 1000
PROPOSALS_MAX = 1000


class Listings(Protocol):
    """The store's listings."""

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """Up to `limit` rows whose keys begin with `prefix`, behind the key `after`, ascending."""


@frozen(kw_only=True)
class Standing:
    """A member's standing: by the present table, and what counts for the next."""

    member: Member
    power: int
    """0 for one that is not in the table."""
    share: int
    reputation: int | None
    """None for one that never was in a table."""
    debt: int
    effective: int
    jailed_until: Epoch | None
    credits: int
    points: int
    """In this epoch so far, as are the following."""
    opportunities: int
    proposed: int
    failed: int


@frozen(kw_only=True)
class EpochStatus:
    """Where the chain is in its epoch, and what its present powers bear."""

    epoch: Epoch
    first_height: int
    last_height: int
    total_power: int
    quorum: int
    tolerated: int
    """How many members may be byzantine, whichever they are."""


def members(state: Overlay) -> list[Member]:
    """All institutions that are or were members, in order of id; applicants are not."""
    found = [get_member(state, institution) for institution in get_members(state)]
    return [member for member in found if member is not None]


def present_table(state: Overlay) -> ValidatorTable:
    """The table of the next block's epoch."""
    head = state.read(HEAD_KEY, Head)
    assert head is not None
    table = state.read(table_key(Epoch(head.epoch + 1) if head.terminal else head.epoch), ValidatorTable)
    assert table is not None
    return table


def epoch_status(state: Overlay) -> EpochStatus:
    """The epoch of the next block."""
    head = state.read(HEAD_KEY, Head)
    chain = state.read(CHAIN_KEY, Chain)
    assert head is not None
    assert chain is not None
    table = present_table(state)
    powers = [int(validator.power) for validator in table.validators]
    total = sum(powers)
    return EpochStatus(
        epoch=table.epoch,
        first_height=head.height + 1 if head.terminal else head.first_height,
        last_height=head.height + chain.parameters.epoch_length if head.terminal else head.last_height,
        total_power=total,
        quorum=total - (total - 1) // 3,
        tolerated=tolerated(powers),
    )


def standings(state: Overlay) -> list[Standing]:
    """Every member's standing, in order of id."""
    head = state.read(HEAD_KEY, Head)
    assert head is not None
    validators = present_table(state).validators
    counting = not head.terminal
    rows = {validator.id: (index, validator) for index, validator in enumerate(validators)}
    points, proposed, failed = map(read_counters, (head.points, head.proposed, head.failed))
    found = []
    for member in members(state):
        id = member.institution.id
        conduct = get_conduct(state, id)
        index, row = rows.get(id, (None, None))
        reputation = conduct.reputation if row is None else row.reputation
        debt = conduct.debt if row is None else row.debt
        found.append(
            Standing(
                member=member,
                power=0 if row is None else int(row.power),
                share=0 if row is None else row.share,
                reputation=reputation,
                debt=debt,
                effective=0 if reputation is None else effective_reputation(reputation, debt),
                jailed_until=conduct.jailed_until,
                credits=get_credits(state, id),
                points=points[index] if counting and index is not None else 0,
                opportunities=head.opportunities if counting and index is not None else 0,
                proposed=proposed[index] if counting and index is not None else 0,
                failed=failed[index] if counting and index is not None else 0,
            )
        )
    return found


def reports(
    listings: Listings, member: InstitutionId, *, after: Epoch | None = None, limit: int = 100
) -> list[EpochReport]:
    """The arithmetic of a member's closed epochs, ascending, behind epoch `after`."""
    prefix = REPORTS + member
    start = b"" if after is None else prefix + after.to_bytes(8)
    found = listings.index_range(prefix, start, min(limit, REPORTS_MAX))
    return [decode_value(EpochReport, value, max_bytes=len(value)) for _, value in found]


def proposals(
    state: Overlay, listings: Listings, *, after: bytes = b"", limit: int = 100
) -> list[tuple[bytes, GovernanceProposal]]:
    """Proposals with their ids, oldest first; `after` is the last one's key as `proposal_row` makes it."""
    found = []
    for key, _ in listings.index_range(PROPOSALS, after, min(limit, PROPOSALS_MAX)):
        id = key[len(PROPOSALS) + 8 :]
        proposal = get_proposal(state, id)
        if proposal is not None:
            found.append((id, proposal))
    return found


def proposal_row(id: bytes, proposal: GovernanceProposal) -> bytes:
    """The key of a proposal's row, to go on behind it."""
    return PROPOSALS + proposal.since.to_bytes(8) + id
