"""Who is in the next epoch's table, and what the closed epoch made of each member (L123–L125, L130–L135)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from noded.ledger.conduct import HISTORY_EPOCHS, Attested, Conduct, get_conduct
from noded.ledger.conduct import S as ONE
from noded.ledger.head import Head
from noded.ledger.members import Member, MemberStatus, get_member, get_members
from noded.ledger.modules.membership import Ready, ready_key
from noded.ledger.participation import read_counters
from noded.ledger.reputation import (
    DEBT_GRAVE_FAULT,
    DEBT_INVALID_PROPOSAL,
    NEWCOMERS_FRACTION,
    POWER_FLOOR,
    VOTERS_MIN,
    Facts,
    compute_debt,
    compute_reputation,
    compute_score,
    compute_share,
    effective_reputation,
    newcomer_reputation,
)
from noded.ledger.state import Overlay
from noded.types.genesis import NetworkParameters
from noded.types.ids import VALIDATORS_MAX, Epoch, InstitutionId
from noded.types.validator_set import Validator, ValidatorTable

JAIL_EPOCHS = 8
"""Epochs before a vote may end the jail, for each equivocation."""


@dataclass(slots=True, kw_only=True)
class Row:
    """
    A member on its way into the next table.

    Only `judge` and `choose` change one.
    """

    member: Member
    conduct: Conduct
    old: Validator | None
    """In the present table; None if it is not in it."""
    facts: Facts | None
    """Of the closed epoch, for those in the table."""
    reputation: int
    debt: int
    jailed: bool
    shareless: bool = False
    """Stays in the table although jailed, without proposing (L135)."""

    @property
    def id(self) -> InstitutionId:
        """The member's."""
        return self.member.institution.id

    @property
    def effective(self) -> int:
        """Reputation, as far as debt leaves room for it."""
        return effective_reputation(self.reputation, self.debt)


def judge(state: Overlay, table: ValidatorTable, head: Head) -> list[Row]:
    """All members that are or were, in order of id, with what the epoch made of their reputation (L123–L125)."""
    present = {validator.id: (index, validator) for index, validator in enumerate(table.validators)}
    points, proposed, failed = map(read_counters, (head.points, head.proposed, head.failed))
    newcomer = newcomer_reputation([validator.reputation for validator in table.validators])
    rows = []
    for id in get_members(state):
        member = get_member(state, id)
        assert member is not None
        conduct = get_conduct(state, id)
        entry = present.get(id)
        if entry is None:
            reputation = newcomer if conduct.reputation is None else conduct.reputation
            row = Row(
                member=member,
                conduct=conduct,
                old=None,
                facts=None,
                reputation=reputation,
                debt=conduct.debt,
                jailed=conduct.jailed_until is not None,
            )
        else:
            index, old = entry
            facts = Facts(
                points=points[index],
                opportunities=head.opportunities,
                proposed=proposed[index],
                failed=failed[index],
                accepted=len(conduct.accepted_by) + sum(each.accepted for each in conduct.history),
                lost=conduct.lost + sum(each.lost for each in conduct.history),
                debt=DEBT_INVALID_PROPOSAL * conduct.invalid_proposals + DEBT_GRAVE_FAULT * conduct.grave,
            )
            row = Row(
                member=member,
                conduct=conduct,
                old=old,
                facts=facts,
                reputation=compute_reputation(old.reputation, compute_score(facts).total),
                debt=compute_debt(old.debt, facts.debt),
                jailed=conduct.jailed_until is not None,
            )
        if conduct.equivocations:
            row.reputation, row.debt, row.jailed = 0, ONE, True
        rows.append(row)
    return rows


def choose(state: Overlay, rows: list[Row], table: ValidatorTable, epoch: Epoch) -> list[Row]:
    """The rows of the next table, in order of id (L131, L134, L135)."""
    standing = [row for row in rows if row.member.status in (MemberStatus.MEMBER, MemberStatus.SUSPENDED)]
    staying = [row for row in standing if row.old is not None and not row.jailed]
    waiting = [row for row in standing if row.old is None and not row.jailed and _is_ready(state, row, epoch)]
    waiting.sort(key=lambda row: (row.member.since, row.id))
    total = sum(validator.power for validator in table.validators)
    entering = min(max(1, total // NEWCOMERS_FRACTION // POWER_FLOOR), VALIDATORS_MAX - len(staying))
    newcomers = waiting[:entering]
    jailed = [row for row in standing if row.old is not None and row.jailed]
    jailed.sort(key=lambda row: (row.conduct.jailed_until or 0, row.id))
    kept = jailed[: max(0, VOTERS_MIN - len(staying) - len(newcomers))]
    for row in kept:
        row.shareless = True
    chosen = staying + newcomers + kept
    if not chosen:
        chosen = [row for row in rows if row.old is not None]
    return sorted(chosen, key=lambda row: row.id)


def _is_ready(state: Overlay, row: Row, epoch: Epoch) -> bool:
    ready = state.read(ready_key(row.id), Ready)
    return ready is not None and ready.epoch == epoch and ready.key == row.member.institution.consensus_key


def share_out(
    chosen: list[Row], powers: Mapping[InstitutionId, int], params: NetworkParameters
) -> dict[InstitutionId, int]:
    """Shares of the proposals; somebody always has one (L129, L135)."""
    shares = {
        row.id: 0
        if row.shareless
        else compute_share(powers[row.id], row.effective)
        if params.reputation
        else powers[row.id]
        for row in chosen
    }
    return shares if any(shares.values()) else dict(powers)


def conduct_after(row: Row, epoch: Epoch, chosen: bool) -> Conduct:
    """A member's conduct as the next epoch starts with it."""
    conduct = row.conduct
    history = tuple(each for each in conduct.history if each.epoch > epoch - HISTORY_EPOCHS + 1)
    if conduct.accepted_by or conduct.lost:
        attested = Attested(epoch=epoch, accepted=len(conduct.accepted_by), lost=conduct.lost)
        history = (*history, attested)
    until = conduct.jailed_until
    if conduct.equivocations:
        until = Epoch(max(until or 0, epoch + 1) + JAIL_EPOCHS * conduct.equivocations)
    leaves = row.old is not None and not chosen
    return replace(
        conduct,
        reputation=row.reputation
        if leaves or (row.old is None and conduct.equivocations)
        else conduct.reputation,
        debt=row.debt if leaves or (row.old is None and conduct.equivocations) else conduct.debt,
        jailed_until=until,
        equivocations=0,
        invalid_proposals=0,
        grave=0,
        lost=0,
        accepted_by=(),
        history=history,
    )


def alarms_of(rows: list[Row], table: ValidatorTable, *, owners_ignored: bool) -> tuple[str, ...]:
    """An incident of the network, or too few owners (L133)."""
    alarms = []
    total = sum(validator.power for validator in table.validators)
    silent = sum(
        row.old.power
        for row in rows
        if row.old is not None and row.facts is not None and 2 * compute_score(row.facts).participation < ONE
    )
    if 4 * silent > total:
        alarms.append("silent-power")
    if owners_ignored:
        alarms.append("few-owners")
    return tuple(alarms)
