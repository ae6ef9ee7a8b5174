"""
Reputation's arithmetic a second time, from what a node's API says of blocks and members; written from the rules' text.

Nothing of noded's ledger is used: that both come to the same numbers is the test.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

Json = Mapping[str, Any]

S = 1_000_000


def counted(explained: Json) -> dict[str, int]:
    """L120–L122: points, chances, proposals and failures of a member, from what blocks say of it."""
    signals = explained["signals"]
    late = sum(vote["points"] for signal in signals for vote in signal["late"])
    return {
        "points": 2 * sum(signal["voted"] for signal in signals) + late,
        "opportunities": sum(signal["counted"] for signal in signals),
        "proposed": sum(signal["proposed"] for signal in signals),
        "failed": sum(len(signal["skipped"]) for signal in signals),
    }


def counted_in_blocks(blocks: Sequence[Json], rows: Sequence[Json], member: str) -> dict[str, int]:
    """The same without late credits, from the blocks of an epoch as they stand in the store."""
    index = [row["id"] for row in rows].index(member)
    inner = [block for block in blocks if block["header"]["kind"] == "normal"]
    leaves = [block["body"]["parent"] for block in inner]
    return {
        "points": 2 * sum(leaf is not None and has_bit(leaf["bitmap"], index) for leaf in leaves),
        "opportunities": sum(leaf is not None for leaf in leaves),
        "proposed": sum(block["header"]["proposer"] == member for block in inner),
    }


def judged(report: Json, before: Json) -> dict[str, int]:
    """L123–L126: score, reputation, debt, target, for a member that did not equivocate."""
    participation = floor(S * Fraction(report["points"] + 8, 2 * report["opportunities"] + 8))
    leading = floor(S * Fraction(report["proposed"] + 2, report["proposed"] + 2 + report["failed"]))
    attesting = floor(S * Fraction(report["accepted"] + 8, report["accepted"] + 10 * report["lost"] + 8))
    score = floor(Fraction(floor(Fraction(participation * leading, S)) * attesting, S))
    old, debt = before["reputation"], before["debt"]
    rise, fall = floor(Fraction(score - old, 32)), ceil(Fraction(old - score, 4))
    reputation = min(S, max(0, old + rise if score >= old else old - fall))
    debt = min(S, debt - ceil(Fraction(debt, 64)) + report["incurred"])
    effective = max(0, min(reputation, S - debt))
    return {
        "participation": participation,
        "leading": leading,
        "attesting": attesting,
        "score": score,
        "reputation": reputation,
        "debt": debt,
        "effective": effective,
        "target": 1000 + floor(Fraction((report["rho_milli"] - 1000) * effective, S)),
    }


def moved(old: Mapping[str, int], targets: Mapping[str, int]) -> dict[str, int]:
    """L127: raw powers on their way, one by one and all together."""
    steps = {}
    for member, power in old.items():
        up, down = max(1, floor(Fraction(power, 32))), floor(Fraction(power, 8))
        steps[member] = min(up, max(-down, targets[member] - power))
    allowed, wanted = floor(Fraction(sum(old.values()), 12)), sum(map(abs, steps.values()))
    if wanted > allowed:
        for member, step in steps.items():
            part = floor(Fraction(abs(step) * allowed, wanted))
            steps[member] = part if step > 0 else -part
    return {member: power + steps[member] for member, power in old.items()}


def capped(raw: Mapping[str, int]) -> dict[str, int]:
    """L128, for members without common owners: the largest cap under which nobody holds a third."""
    if len(raw) <= 3:
        return dict.fromkeys(raw, 1000)
    for cap in range(max(raw.values()), 0, -1):
        powers = {member: min(power, cap) for member, power in raw.items()}
        if 3 * max(powers.values()) < sum(powers.values()):
            return powers
    raise AssertionError("there is no cap")


def shared(power: int, effective: int) -> int:
    """L129."""
    root = effective // 1000
    return max(64 * floor(Fraction(power * root * root, S)), power)


def has_bit(bitmap: str, index: int) -> bool:
    """Whether a validator of this index is in a bitmap of the API."""
    data = b64decode(bitmap)
    return bool(data[index // 8] >> (index % 8) & 1)
