"""
Reputation's arithmetic: integers only, and no order of members matters (L123–L133).

Facts of an epoch become a score; scores move reputation R slowly up and fast down; faults leave debt D, which decays
over 64 epochs; the effective reputation E sets a target for the member's power, and its share of the proposals.
"""

from collections.abc import Mapping, Sequence

from noded.ledger.conduct import S
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId

POWER_FLOOR = 1000
"""Of every member in good standing; a mere crash never takes it below."""

RHO_MIN, RHO_MAX = 1000, 2000
"""Bounds of the largest power in relation to the floor, in thousandths."""

FOUNDING_REPUTATION = S // 2

DEBT_INVALID_PROPOSAL = S // 4
DEBT_GRAVE_FAULT = S // 16

MOVES_FRACTION = 12
"""The sum of all moves of power in one epoch is at most a twelfth of the total."""

NEWCOMERS_FRACTION = 6
"""Newcomers of one epoch add at most a sixth of the total, but always may be one."""

VOTERS_MIN = 4
"""Below four voters no byzantine one is tolerated, so jail does not go below."""


@frozen(kw_only=True)
class Facts:
    """What the chain says about one validator in one epoch."""

    points: int
    """For votes (L121): up to 2 an opportunity."""
    opportunities: int
    """Blocks whose votes were counted."""
    proposed: int
    """Blocks that became final."""
    failed: int
    """Views that a quorum nullified."""
    accepted: int
    """Attestations accepted, in 64 epochs."""
    lost: int
    """Disputes lost and duties overdue, in 64 epochs."""
    debt: int
    """Incurred in this epoch."""


@frozen(kw_only=True)
class Score:
    """An epoch's score and its factors; S is the best."""

    participation: int
    leading: int
    attesting: int
    total: int


def compute_score(facts: Facts) -> Score:
    """A product, so that one dead dimension kills it (L123)."""
    participation = S * (facts.points + 8) // (2 * facts.opportunities + 8)
    leading = S * (facts.proposed + 2) // (facts.proposed + 2 + facts.failed)
    attesting = S * (facts.accepted + 8) // (facts.accepted + 10 * facts.lost + 8)
    total = participation * leading // S * attesting // S
    return Score(participation=participation, leading=leading, attesting=attesting, total=total)


def compute_reputation(reputation: int, score: int) -> int:
    """R after an epoch: a 32nd of the way up, or a quarter of the way down (L125)."""
    if score >= reputation:
        moved = reputation + (score - reputation) // 32
    else:
        moved = reputation - _ceil_div(reputation - score, 4)
    return max(0, min(S, moved))


def compute_debt(debt: int, incurred: int) -> int:
    """D after an epoch: a 64th is forgiven, what was incurred is added (L125)."""
    return min(S, debt - _ceil_div(debt, 64) + incurred)


def effective_reputation(reputation: int, debt: int) -> int:
    """E: reputation, but never more than debt leaves room for."""
    return max(0, min(reputation, S - debt))


def compute_rho(members: int, k_min: int) -> int:
    """
    The largest power in thousandths of the floor with which any `k_min` members are less than a third (L126).

    Members with powers in [1, ρ] tolerate k whatever their reputations are iff k < n / (2ρ + 1).
    """
    return max(RHO_MIN, min(RHO_MAX, (1000 * (members - k_min) - 1) // (2 * k_min)))


def compute_target(effective: int, rho_milli: int) -> int:
    """The power towards which a member moves (L126)."""
    return POWER_FLOOR + (rho_milli - POWER_FLOOR) * effective // S


def limit_moves(
    raw: Mapping[InstitutionId, int], target: Mapping[InstitutionId, int]
) -> dict[InstitutionId, int]:
    """
    Raw powers moved towards their targets: each at most +1/32 or −1/8, all together at most W/12 (L127).

    Where that is too much, all moves shrink alike.
    """
    moves = {
        member: max(-(power // 8), min(max(1, power // 32), target[member] - power))
        for member, power in raw.items()
    }
    allowed = sum(raw.values()) // MOVES_FRACTION
    wanted = sum(abs(move) for move in moves.values())
    if wanted > allowed:
        moves = {
            member: move * allowed // wanted if move > 0 else -(-move * allowed // wanted)
            for member, move in moves.items()
        }
    return {member: raw[member] + move for member, move in moves.items()}


@frozen(kw_only=True)
class Capped:
    """Powers as they count in quorums."""

    powers: Mapping[InstitutionId, int]
    owners_ignored: bool
    """Whether there were too few owners to cap them as groups; then the members were capped singly."""


def cap_powers(raw: Mapping[InstitutionId, int], owners: Mapping[InstitutionId, str], k_min: int) -> Capped:
    """
    Powers of which nobody holds a third, nor any owner of several, nor any `k_min` members together (L128).

    With three members or fewer all are equal, and a quorum is all of them.
    """
    if len(raw) < VOTERS_MIN:
        return Capped(powers=dict.fromkeys(raw, POWER_FLOOR), owners_ignored=False)
    count = min(k_min, (len(raw) - 1) // 3)
    raw = _cap_largest(raw, count)
    groups: dict[object, list[InstitutionId]] = {}
    for member in sorted(raw):
        groups.setdefault(owners[member] or (member,), []).append(member)
    if len(groups) == len(raw):
        return Capped(powers=_cap_groups(raw, list(groups.values())), owners_ignored=False)
    powers = _cap_owners(raw, list(groups.values()), count) if len(groups) >= VOTERS_MIN else {}
    if powers:
        return Capped(powers=powers, owners_ignored=False)
    return Capped(powers=_cap_groups(raw, [[member] for member in sorted(raw)]), owners_ignored=True)


def _cap_largest(raw: Mapping[InstitutionId, int], count: int) -> Mapping[InstitutionId, int]:
    """The highest cap under which the `count` largest, less than a third of all, hold less than a third."""
    ordered = sorted(raw.values())
    low, high = 1, ordered[-1]
    while low < high:
        cap = (low + high + 1) // 2
        capped = [min(power, cap) for power in ordered]
        if 3 * sum(capped[-count:]) < sum(capped):
            low = cap
        else:
            high = cap - 1
    return {member: min(power, low) for member, power in raw.items()}


def _cap_owners(
    raw: Mapping[InstitutionId, int], groups: Sequence[Sequence[InstitutionId]], count: int
) -> dict[InstitutionId, int]:
    """
    Powers under which no group holds a third, nor any `count` members, or as many as equals under these owners bear.

    What is taken from a group is missing in the total, so the others' largest may have to be taken down further.
    """
    powers = _cap_groups(raw, groups)
    equal = _cap_groups(dict.fromkeys(raw, POWER_FLOOR), groups)
    if not powers or not equal:
        return powers
    count = min(count, tolerated(list(equal.values())))
    if tolerated(list(powers.values())) >= count:
        return powers
    low, high = min(raw.values()), max(raw.values()) - 1
    while low <= high:
        cap = (low + high) // 2
        lower = _cap_groups({member: min(power, cap) for member, power in raw.items()}, groups)
        if lower and tolerated(list(lower.values())) >= count:
            powers = lower
            low = cap + 1
        else:
            high = cap - 1
    return powers


def _cap_groups(
    raw: Mapping[InstitutionId, int], groups: Sequence[Sequence[InstitutionId]]
) -> dict[InstitutionId, int]:
    """The largest cap under which three times the largest group stay below the total; empty if there is none."""
    weights = [sum(raw[member] for member in group) for group in groups]
    low, high = 0, max(weights)
    while low < high:
        cap = (low + high + 1) // 2
        if 3 * cap < sum(min(weight, cap) for weight in weights):
            low = cap
        else:
            high = cap - 1
    cap = low
    while cap >= 1:
        powers: dict[InstitutionId, int] = {}
        largest = 0
        for group, weight in zip(groups, weights, strict=True):
            for member in group:
                powers[member] = raw[member] if weight <= cap else max(1, raw[member] * cap // weight)
            largest = max(largest, sum(powers[member] for member in group))
        if 3 * largest < sum(powers.values()):
            return powers
        cap -= 1
    return {}


def compute_share(power: int, effective: int) -> int:
    """The share of the proposals: about w·E², at least a 64th of a full share, which is the way back (L129)."""
    r = effective // 1000
    return max(power * r * r // S * 64, power)


def newcomer_reputation(reputations: Sequence[int]) -> int:
    """R of a member new to the table: half the median, at most a quarter (L130)."""
    if not reputations:
        return S // 4
    ordered = sorted(reputations)
    return min(ordered[(len(ordered) - 1) // 2] // 2, S // 4)


def tolerated(powers: Sequence[int]) -> int:
    """How many members may be byzantine, whichever they are: the largest together hold less than a third."""
    total = sum(powers)
    held = 0
    for count, power in enumerate(sorted(powers, reverse=True)):
        held += power
        if 3 * held >= total:
            return count
    raise AssertionError("all members hold more than a third")


def _ceil_div(number: int, divisor: int) -> int:
    return -(-number // divisor)
