"""From one epoch's conduct to the next epoch's table (L123–L135, L140–L142)."""

from collections.abc import Mapping
from dataclasses import replace

from noded.codec.schema import encode_value
from noded.crypto.hashing import tagged_hash
from noded.ledger.conduct import (
    Conduct,
    conduct_key,
    earn_credits,
)
from noded.ledger.context import BlockContext
from noded.ledger.events import Event
from noded.ledger.head import (
    CHAIN_KEY,
    HEAD_KEY,
    NEXT_PARAMETERS_KEY,
    BlockAt,
    Chain,
    Head,
    NextParameters,
    block_key,
    table_key,
)
from noded.ledger.participation import empty_counters
from noded.ledger.reputation import (
    FOUNDING_REPUTATION,
    POWER_FLOOR,
    Facts,
    cap_powers,
    compute_rho,
    compute_score,
    compute_share,
    compute_target,
    limit_moves,
)
from noded.ledger.state import Overlay
from noded.ledger.table import Row, alarms_of, choose, conduct_after, judge, share_out
from noded.types.frozen import frozen
from noded.types.genesis import Genesis, NetworkParameters
from noded.types.ids import Epoch, Height, InstitutionId, VotingPower
from noded.types.validator_set import Validator, ValidatorTable

SEED_DOMAIN = "noded/seed/1"

PROPOSAL_CREDITS = 1
"""Service credits for a final proposal."""

REPORTS = b"epochs/"
"""Listing of reports by member, then epoch."""


@frozen(kw_only=True)
class EpochReport:
    """The arithmetic of one member in one epoch; what `noded reputation explain` prints."""

    epoch: Epoch
    """The one that closed."""
    points: int
    opportunities: int
    proposed: int
    failed: int
    accepted: int
    lost: int
    incurred: int
    participation: int
    leading: int
    attesting: int
    score: int
    reputation: int
    """After the epoch, like all that follows."""
    debt: int
    effective: int
    rho_milli: int
    target: int
    raw_power: int
    power: int
    """0 for a member that is not in the next table."""
    share: int


@frozen(kw_only=True)
class NextEpoch:
    """What closing an epoch decides."""

    table: ValidatorTable
    parameters: NetworkParameters
    conducts: tuple[tuple[InstitutionId, Conduct], ...]
    """Those that change."""
    proposed: tuple[tuple[InstitutionId, int], ...]
    """Final proposals of those who had any."""
    reports: tuple[tuple[InstitutionId, EpochReport], ...]
    alarms: tuple[str, ...]
    """What the members should look into."""


def founding_table(genesis: Genesis) -> ValidatorTable:
    """The table of epoch 1: genesis powers, capped, and the founders' reputation."""
    particulars = {institution.id: institution for institution in genesis.institutions}
    raw = {each.id: int(each.power) for each in genesis.validators}
    params = genesis.parameters
    powers = cap_powers(raw, {each: particulars[each].owner for each in raw}, params.k_min).powers
    scored = params.reputation
    return ValidatorTable(
        epoch=Epoch(1),
        seed=tagged_hash(SEED_DOMAIN, genesis.chain_id),
        round_robin=not scored,
        validators=tuple(
            Validator(
                id=each,
                public_key=particulars[each].consensus_key,
                power=VotingPower(powers[each]),
                raw_power=VotingPower(raw[each]),
                share=compute_share(powers[each], FOUNDING_REPUTATION) if scored else powers[each],
                reputation=FOUNDING_REPUTATION,
                debt=0,
            )
            for each in raw
        ),
    )


def start_head(parent: Head, context: BlockContext) -> Head:
    """The head with which a block's counting starts: its parent's, or a new epoch's (L140)."""
    if not parent.terminal:
        return parent
    count = len(context.validators)
    return replace(
        parent,
        epoch=context.epoch,
        terminal=False,
        first_height=Height(parent.height + 1),
        last_height=Height(parent.height + context.params.epoch_length),
        opportunities=0,
        points=empty_counters(count),
        proposed=empty_counters(count),
        failed=empty_counters(count),
        recent=(),
    )


def close_epoch(state: Overlay, table: ValidatorTable) -> NextEpoch:
    """What the state after a terminal block's parent decides for the next epoch; changes nothing (L141)."""
    chain = state.read(CHAIN_KEY, Chain)
    head = state.read(HEAD_KEY, Head)
    assert chain is not None
    assert head is not None
    voted = state.read(NEXT_PARAMETERS_KEY, NextParameters)
    params = chain.parameters if voted is None else voted.parameters
    rows = judge(state, table, head)
    chosen = choose(state, rows, table, head.epoch)
    chosen_ids = {row.id: None for row in chosen}
    staying = [row for row in chosen if row.old is not None and not row.jailed]
    rho_milli = compute_rho(len(chosen), params.k_min) if len(chosen) > params.k_min else POWER_FLOOR
    targets = {row.id: compute_target(row.effective, rho_milli) for row in chosen}
    raw = {row.id: int(row.old.raw_power) for row in staying if row.old is not None}
    if params.reputation:
        raw = limit_moves(raw, targets)
    raw = {row.id: raw.get(row.id, POWER_FLOOR) for row in chosen}
    capped = cap_powers(raw, {row.id: row.member.institution.owner for row in chosen}, params.k_min)
    powers = capped.powers
    shares = share_out(chosen, powers, params)
    epoch = Epoch(table.epoch + 1)
    next_table = ValidatorTable(
        epoch=epoch,
        seed=tagged_hash(SEED_DOMAIN, _epoch_genesis(state, head), epoch.to_bytes(8)),
        round_robin=not params.reputation,
        validators=tuple(
            Validator(
                id=row.id,
                public_key=row.member.institution.consensus_key,
                power=VotingPower(powers[row.id]),
                raw_power=VotingPower(raw[row.id]),
                share=shares[row.id],
                reputation=row.reputation,
                debt=row.debt,
            )
            for row in chosen
        ),
    )
    conducts = [(row.id, conduct_after(row, head.epoch, row.id in chosen_ids)) for row in rows]
    return NextEpoch(
        table=next_table,
        parameters=params,
        conducts=tuple(
            (row.id, conduct)
            for row, (_, conduct) in zip(rows, conducts, strict=True)
            if conduct != row.conduct
        ),
        proposed=tuple(
            (row.id, row.facts.proposed) for row in rows if row.facts is not None and row.facts.proposed
        ),
        reports=tuple(
            (
                row.id,
                _report(row, row.facts, head.epoch, rho_milli, targets, raw, powers, shares),
            )
            for row in rows
            if row.facts is not None
        ),
        alarms=alarms_of(rows, table, owners_ignored=capped.owners_ignored),
    )


def enter_epoch(state: Overlay, closed: NextEpoch, context: BlockContext) -> None:
    """Write what closing the epoch decided, and forget the tables that evidence can no longer name (L141, L143)."""
    table = closed.table
    state.write(table_key(table.epoch), table)
    oldest = table.epoch - context.params.evidence_epochs - 1
    while oldest >= 1 and state.has(table_key(Epoch(oldest))):  # Several when fewer are to be kept.
        state.delete(table_key(Epoch(oldest)))
        oldest -= 1
    if state.has(NEXT_PARAMETERS_KEY):
        state.write(CHAIN_KEY, Chain(chain_id=context.chain_id, parameters=closed.parameters))
        state.delete(NEXT_PARAMETERS_KEY)
    for member, conduct in closed.conducts:
        state.write(conduct_key(member), conduct)
    for member, count in closed.proposed:
        earn_credits(state, member, PROPOSAL_CREDITS * count)
    for member, report in closed.reports:
        state.index_put(REPORTS + member + report.epoch.to_bytes(8), encode_value(report))
    for alarm in closed.alarms:
        state.emit(Event("epoch.alarm", table.epoch.to_bytes(8), (), alarm.encode()))
    state.emit(Event("epoch.closed", context.epoch.to_bytes(8)))


def _report(
    row: Row,
    facts: Facts,
    epoch: Epoch,
    rho_milli: int,
    targets: Mapping[InstitutionId, int],
    raw: Mapping[InstitutionId, int],
    powers: Mapping[InstitutionId, int],
    shares: Mapping[InstitutionId, int],
) -> EpochReport:
    score = compute_score(facts)
    return EpochReport(
        epoch=epoch,
        points=facts.points,
        opportunities=facts.opportunities,
        proposed=facts.proposed,
        failed=facts.failed,
        accepted=facts.accepted,
        lost=facts.lost,
        incurred=facts.debt,
        participation=score.participation,
        leading=score.leading,
        attesting=score.attesting,
        score=score.total,
        reputation=row.reputation,
        debt=row.debt,
        effective=row.effective,
        rho_milli=rho_milli,
        target=targets.get(row.id, 0),
        raw_power=raw.get(row.id, 0),
        power=powers.get(row.id, 0),
        share=shares.get(row.id, 0),
    )


def _epoch_genesis(state: Overlay, head: Head) -> bytes:
    """The terminal block before the epoch: what the seed after next is drawn from, known before anyone can grind it."""
    found = state.read(block_key(Height(head.first_height - 1)), BlockAt)
    assert found is not None
    return found.hash
