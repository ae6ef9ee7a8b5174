"""Audit anchors: each institution's own audit log, fixed stretch by stretch without a gap (L80–L82)."""

from dataclasses import replace
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.conduct import Fault, record_fault
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.modules.errors import AnchorOutOfTime, NotCurrent
from noded.ledger.modules.listings import OVERDUE, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, Root, TimestampMs
from noded.types.operations.audit import AuditAnchor

ANCHOR_DUE = 90
"""Kind of the deadline of the next anchor; subject: institution and the last sequence."""

ANCHOR_INTERVAL_MS = 24 * 3_600_000
"""Within which an institution that anchors must anchor again, if only with a heartbeat: once a day."""


@frozen(kw_only=True)
class Anchor:
    """One stretch of an institution's audit log."""

    sequence: Annotated[int, Limit(1, (1 << 32) - 1)]
    entries: Annotated[int, Limit(0, (1 << 40) - 1)]
    root: Root | None
    from_ms: TimestampMs
    """Where the one before ended; 0 for the first."""
    until_ms: TimestampMs
    since: Height
    """Height at which it was anchored."""
    overdue: bool
    """Whether the next one was not there when it was due."""


def anchor_key(institution: InstitutionId, sequence: int) -> bytes:
    """Where one anchor is kept."""
    return b"aud/" + institution + sequence.to_bytes(4)


def last_anchor_key(institution: InstitutionId) -> bytes:
    """Where an institution's last anchor is kept, besides under its sequence."""
    return b"aud/" + institution


def get_last_anchor(state: Overlay, institution: InstitutionId) -> Anchor | None:
    """The last stretch that an institution anchored; None before the first."""
    return state.read(last_anchor_key(institution), Anchor)


def process_audit_anchor(state: Overlay, op: AuditAnchor, context: Context) -> None:
    """
    Fix the next stretch of an institution's audit log (L80, L81).

    Raises:
        NotCurrent: The sequence is not the last one plus 1.
        AnchorOutOfTime: The stretch ends in the future, or not after the one before.
    """
    institution = context.institution
    assert institution is not None, "the role table lets members only"
    last = get_last_anchor(state, institution)
    sequence = 0 if last is None else last.sequence
    if op.sequence != sequence + 1:
        raise NotCurrent(given=op.sequence, current=sequence)
    from_ms = TimestampMs(0) if last is None else last.until_ms
    if not from_ms < op.until_ms <= context.time_ms:
        raise AnchorOutOfTime(until_ms=op.until_ms, after_ms=from_ms, now_ms=context.time_ms)

    anchor = Anchor(
        sequence=op.sequence,
        entries=op.entries,
        root=op.root,
        from_ms=from_ms,
        until_ms=op.until_ms,
        since=context.height,
        overdue=False,
    )
    state.write(anchor_key(institution, op.sequence), anchor)
    state.write(last_anchor_key(institution), anchor)
    subject = institution + op.sequence.to_bytes(4)
    schedule(state, TimestampMs(context.time_ms + ANCHOR_INTERVAL_MS), ANCHOR_DUE, subject)
    if last is not None and last.overdue:
        id = institution + last.sequence.to_bytes(4)
        state.index_put(listing_key(OVERDUE, institution, last.since, id), None)
    state.emit(Event("audit.anchored", institution, (), op.sequence.to_bytes(4)))


def note_overdue_anchor(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Charge an institution whose audit log fell silent (L82)."""
    institution, sequence = InstitutionId(subject[:16]), int.from_bytes(subject[16:])
    last = get_last_anchor(state, institution)
    assert last is not None, "anchors are never removed"
    if last.sequence != sequence:
        return

    overdue = replace(last, overdue=True)
    state.write(anchor_key(institution, sequence), overdue)
    state.write(last_anchor_key(institution), overdue)
    record_fault(state, institution, Fault.OVERDUE)
    state.index_put(listing_key(OVERDUE, institution, last.since, subject), b"audit.anchor")
    state.emit(Event("audit.anchor-overdue", institution, (), subject[16:]))


HANDLERS: Handlers = {AuditAnchor: process_audit_anchor}
DEADLINES: Deadlines = {ANCHOR_DUE: note_overdue_anchor}
