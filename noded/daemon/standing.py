"""How the node stands, for its operator: height, validators, who is missing, why the chain stands still."""

from noded.api.backend import Check, Status, ValidatorStatus
from noded.daemon.silence import why_silent
from noded.network.interface import Network
from noded.node.node import Node
from noded.types.ids import Height, InstitutionId, TimestampMs, ValidatorId
from noded.types.validator_set import ValidatorSet

STILL_MS = 10_000
"""Without a block for this long beyond the idle interval, the chain stands; of the time before its start a node knows nothing."""

STILL_STALL = 3
"""Views given up in a row, after which the chain is said to stand however little time passed."""

LAG_HEIGHTS_MAX = 100
"""Blocks that a ready node may be behind what it knows to be final: ten seconds at full speed."""

NAMED_MAX = 10
"""Missing validators that are named; of more the number is given."""


def status(
    node: Node,
    network: Network,
    *,
    me: InstitutionId,
    stored: Height,
    started_ms: int,
    quiet_ms: int,
    has_stored: bool,
    now_ms: int,
) -> Status:
    """
    How the node stands now.

    Args:
        node: Of which it is told.
        network: Who is connected.
        me: The institution whose node it is.
        stored: Height of the last durable block.
        started_ms: When the node started.
        quiet_ms: Since the last block or the start, by a clock that does not jump.
        has_stored: Whether a block has come since the start.
        now_ms: The time.
    """
    validators = node.validators
    connected = {InstitutionId(peer.peer) for peer in network.peers() if peer.connected} | {me}
    silent = set(node.core.missing())
    rows = tuple(
        ValidatorStatus(
            id=validator.id,
            power=int(validator.power),
            share=validator.share,
            reputation=validator.reputation,
            debt=validator.debt,
            connected=validator.id in connected,
            voted=validator.id not in silent,
        )
        for validator in validators.table.validators
    )
    header = node.chain.tip.header
    power_connected = sum(row.power for row in rows if row.connected)
    age_ms = max(0, now_ms - header.time_ms)
    return Status(
        height=stored,
        finalized_height=max(node.core.height, header.height),
        epoch=node.core.epoch,
        view=node.core.view,
        block_time_ms=header.time_ms,
        block_age_ms=age_ms,
        validators=rows,
        quorum=validators.quorum,
        power_total=validators.total,
        power_connected=power_connected,
        faulty_power_max=(validators.total - 1) // 3,
        tolerated=tolerated(validators),
        standing=_why_it_stands(node, rows, power_connected, quiet_ms, now_ms),
        halted=node.halted,
        silence=why_silent(node, me),
        clock=_what_is_wrong_with_the_clock(node, quiet_ms if has_stored else None, now_ms),
        syncing=node.is_syncing,
        unordered_bytes=node.batches.waiting_bytes,
        started_ms=TimestampMs(started_ms),
    )


def readiness(found: Status, looked_to: Height | None) -> tuple[Check, ...]:
    """
    The conditions of being ready, judged by how the node stands.

    Args:
        found: How it stands.
        looked_to: How far it was when it knew, after its start, how far the chain is; None until then (A4).
    """
    is_new = looked_to is None or found.height < looked_to
    lag = found.finalized_height - found.height
    return (
        Check(name="not-halted", ok=found.halted is None, detail=found.halted or "the node votes"),
        Check(
            name="in-sync",
            ok=not (is_new or found.syncing) and lag <= LAG_HEIGHTS_MAX,
            detail=f"height {found.height}; since its start the node has not stored what a quorum of validators said to have"
            if is_new
            else f"height {found.height}, {lag} behind what is known to be final, at most {LAG_HEIGHTS_MAX}",
        ),
        Check(
            name="quorum-connected",
            ok=found.power_connected >= found.quorum,
            detail=f"power {found.power_connected} of {found.power_total} connected, {found.quorum} needed",
        ),
        Check(
            name="chain-moves",
            ok=found.standing is None,
            detail=found.standing or f"the last block is {found.block_age_ms / 1000:.1f} s old",
        ),
    )


def tolerated(validators: ValidatorSet) -> int:
    """How many validators, the most powerful first, may be Byzantine all at once."""
    power, count = 0, 0
    for each in sorted(validators.powers, reverse=True):
        power += each
        if 3 * power >= validators.total:
            break
        count += 1
    return count


def _why_it_stands(
    node: Node, rows: tuple[ValidatorStatus, ...], power_connected: int, quiet_ms: int, now_ms: int
) -> str | None:
    """A sentence that names who is missing; None while blocks come, or there is nothing to order."""
    if node.halted is not None:
        return f"this node halted: {node.halted}"
    quorum, total = node.validators.quorum, node.validators.total
    if power_connected < quorum:
        away = [row.id for row in rows if not row.connected]
        return (
            f"{len(rows) - len(away)} of {len(rows)} validators are connected, with power {power_connected} of"
            f" {total}; {quorum} is needed; missing: {_named(away)}"
        )
    if node.is_syncing:
        return None
    parameters = node.ledger.parameters_after(node.ledger.final_hash)
    age_ms = now_ms - node.chain.tip.header.time_ms
    if node.core.stall < STILL_STALL and quiet_ms <= parameters.idle_interval_ms + STILL_MS:
        return None
    if -age_ms > parameters.drift_ms:
        return (
            f"this node's clock is {-age_ms / 1000:.0f} s behind the time of the last block, and a block comes after"
            " the one before: it does not vote until its clock has come so far; check the clocks of all nodes"
        )
    silent = [row.id for row in rows if not row.voted]
    return (
        f"no block for {max(0, age_ms) / 1000:.0f} s, {node.core.stall} views in a row were given up;"
        f" no vote in view {node.core.view} of: {_named(silent) if silent else 'nobody, votes are on their way'}"
    )


def _what_is_wrong_with_the_clock(node: Node, quiet_ms: int | None, now_ms: int) -> str | None:
    """A sentence with the way out; None if the last block, and when it came if one has, are as they should be."""
    parameters = node.ledger.parameters_after(node.ledger.final_hash)
    age_ms = now_ms - node.chain.tip.header.time_ms
    if -age_ms > parameters.drift_ms:
        return (
            f"it is {-age_ms / 1000:.0f} s behind the time of the last block, and this node votes for a block only once"
            " its clock has come so far; set this machine's clock"
        )
    if node.is_syncing or quiet_ms is None or age_ms - quiet_ms <= parameters.idle_interval_ms + STILL_MS:
        return None
    return (
        f"by it the last block came {(age_ms - quiet_ms) / 1000:.0f} s after its time, so it is that far ahead unless other"
        " nodes say the same, and the others do not vote for what this node proposes; set this machine's clock"
    )


def _named(validators: list[ValidatorId]) -> str:
    if len(validators) > NAMED_MAX:
        return f"{len(validators)} validators"
    return ", ".join(validator.hex() for validator in validators)
