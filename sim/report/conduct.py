"""What reputation made of whom: saved runs' standings by kind of node and epoch."""

from dataclasses import dataclass

from sim.results import Saved
from sim.scenario.acts import Act, Admit, Remove, Serve
from sim.scenario.faults import Partition
from sim.statistics import mean, quantile

CORRECT = "correct"

ABSORBED_LOST = 0.05
"""Views lost for each block at which those who fail are absorbed: one in twenty."""

ABSORBED_EPOCHS = 3
"""Epochs that are judged together: of one with 60 blocks, chance may take the lost views away."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one kind of node has after an epoch."""

    kind: str
    epoch: int
    """The one that closed; powers and shares are of the next."""
    nodes: int
    power: float
    """Of all voting power, in percent."""
    share: float
    """Of all proposer shares, in percent."""
    reputation: float
    """The mean, of 1."""
    participation: float
    leading: float
    attesting: float
    proposed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How one epoch went."""

    epoch: int
    seconds: float
    blocks: int
    blocks_per_s: float
    nullified: float
    """Views without a block, for each block."""
    p95_ms: float
    """Finality."""


def kinds_of(run: Saved) -> list[str]:
    """What is the matter with each node: owner, fault or behaviour, then what was done about it; or nothing."""
    scenario = run.scenario
    matters: list[list[str]] = [[] for _ in range(scenario.nodes.count)]
    for owner, nodes in scenario.nodes.owners.items():
        for node in _listed(nodes):
            matters[node].append(owner)
    for fault in scenario.fault:
        if not isinstance(fault, Partition):
            for node in _listed(fault.nodes):
                matters[node].append(fault.kind)
    acting = [bad for bad in scenario.byzantine if bad.at < scenario.time.duration]
    for bad in acting:
        for node in _listed(bad.victims):
            matters[node] = ["victim"]
    for bad in acting:
        for node in _listed(bad.nodes):
            matters[node] = [bad.behaviour]
    for act in sorted(scenario.act, key=lambda each: each.at):
        for node in _listed(act.nodes):
            matters[node].append(_name_of_act(act))
    return [", ".join(dict.fromkeys(found)) or CORRECT for found in matters]


def held_by_kind(run: Saved) -> list[Held]:
    """The standing of every kind of node after every epoch, by epoch, then kind."""
    kinds = kinds_of(run)
    found: list[Held] = []
    for (epoch,), part in run.table("standings").group_by("epoch", maintain_order=True):
        rows = part.to_dicts()
        power = sum(row["power"] for row in rows) or 1
        share = sum(row["share"] for row in rows) or 1
        for kind in dict.fromkeys(kinds):
            mine = [row for row in rows if kinds[row["node"]] == kind]
            if mine:
                found.append(
                    Held(
                        kind=kind,
                        epoch=int(epoch),
                        nodes=len(mine),
                        power=100 * sum(row["power"] for row in mine) / power,
                        share=100 * sum(row["share"] for row in mine) / share,
                        reputation=mean([row["reputation"] / 1e6 for row in mine]),
                        participation=mean([row["participation"] / 1e6 for row in mine]),
                        leading=mean([row["leading"] / 1e6 for row in mine]),
                        attesting=mean([row["attesting"] / 1e6 for row in mine]),
                        proposed=sum(row["proposed"] for row in mine),
                        failed=sum(row["failed"] for row in mine),
                    )
                )
    return found


def pace_of(run: Saved) -> list[Pace]:
    """How every whole epoch went."""
    found: list[Pace] = []
    began = 0
    for (epoch,), part in run.table("blocks").group_by("epoch", maintain_order=True):
        if part["kind"][-1] != "TERMINAL":
            continue
        ended = int(part["first_ns"][-1])
        seconds = (ended - began) / 1e9
        waits = ((part["final_ns"] - part["proposed_ns"]) / 1e6).to_list()
        found.append(
            Pace(
                epoch=int(epoch),
                seconds=seconds,
                blocks=len(part),
                blocks_per_s=len(part) / seconds,
                nullified=(int(part["view"][-1]) - len(part)) / len(part),
                p95_ms=quantile(waits, 0.95) or 0.0,
            )
        )
        began = ended
    return found


def absorbed_in(run: Saved) -> int | None:
    """The first epoch that, with the next two, loses one view or fewer for twenty blocks; None where none does."""
    paces = pace_of(run)
    for at in range(len(paces) - ABSORBED_EPOCHS + 1):
        if mean([pace.nullified for pace in paces[at : at + ABSORBED_EPOCHS]]) <= ABSORBED_LOST:
            return paces[at].epoch
    return None


def conduct_rows(run: Saved, name: str) -> list[tuple[str, ...]]:
    """What a run of this name shows about each kind of node; nothing for one in which no epoch ended."""
    held = held_by_kind(run)
    absorbed = absorbed_in(run)
    findings = ", ".join(f"{count} × {detail}" for detail, count in findings_of(run).items())
    rows: list[tuple[str, ...]] = []
    for kind in dict.fromkeys(each.kind for each in held):
        mine = [each for each in held if each.kind == kind]
        last = mine[-1]
        rows.append(
            (
                "" if rows else name,
                "" if rows else "–" if absorbed is None else str(absorbed),
                kind,
                str(last.nodes),
                f"{last.power:.1f}",
                f"{last.share:.1f}",
                f"{last.reputation:.3f}",
                f"{last.participation:.3f}",
                f"{last.leading:.3f}",
                f"{last.attesting:.3f}",
                str(sum(each.proposed for each in mine)),
                str(sum(each.failed for each in mine)),
                "" if rows else findings,
            )
        )
    return rows


def findings_of(run: Saved) -> dict[str, int]:
    """How often evidence counted against members, by its kind, how many epochs raised which alarm, and why nodes halted."""
    counted: dict[str, int] = {}
    for detail in run.table("findings")["detail"].to_list():
        counted[detail] = counted.get(detail, 0) + 1
    return counted


def _name_of_act(act: Act) -> str:
    match act:
        case Serve(is_readable=is_readable):
            return "praised" if is_readable else "disputed"
        case Admit():
            return "admitted"
        case Remove():
            return "removed"


def _listed(selector: object) -> list[int]:
    return [int(node) for node in selector] if isinstance(selector, list) else []
