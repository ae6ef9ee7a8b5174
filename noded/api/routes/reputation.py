"""Where a member's reputation comes from: the arithmetic of one epoch, traced to the blocks that prove it."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field
from starlette.responses import Response

from noded.api.backend import Backend, StateAt
from noded.api.chain_data import STORED_BYTES_MAX, body_of, header_of, stored_block
from noded.api.problems import NoSuchThing
from noded.api.routing import Answer, Id, Number, Routes, json_answer
from noded.api.tokens import Scope
from noded.codec.schema import Limit, decode_value
from noded.ledger.commit import Events
from noded.ledger.epoch import EpochReport
from noded.ledger.events import Event
from noded.ledger.head import table_key
from noded.ledger.modules.breakglass import Opening, opening_key
from noded.ledger.modules.erasure import Erasure, erasure_key
from noded.ledger.queries import reports as reports_of
from noded.ledger.tracing import Signal, evidence_against, trace_conduct
from noded.storage.store import HEIGHT_MAX
from noded.types.block import Block
from noded.types.ids import Epoch, Height, InstitutionId
from noded.types.medical import OpeningId, RecordId
from noded.types.validator_set import Validator, ValidatorSet, ValidatorTable

TAG: Final = "ledger"

EpochPath = Annotated[Number, Field(ge=1, le=HEIGHT_MAX, description="An epoch's number.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A duty that became overdue, and the block whose deadlines say so."""

    height: Height
    name: str
    subject: Annotated[bytes, Limit(1, 64)]
    """Id of what it is about: the opening, the record, the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One epoch of one member: with what it began, what the blocks say, and what came of it."""

    epoch: Epoch
    first_height: Height
    last_height: Height
    """As far as the chain has come."""
    before: Validator
    """The member's row in the epoch's table."""
    signals: tuple[Signal, ...]
    """One for each block that is counted."""
    evidence: tuple[str, ...]
    """In the block before the epoch, which counts in this one (L141)."""
    duties: tuple[Duty, ...]
    report: EpochReport | None
    """The arithmetic; None while the epoch goes on."""


def add_reputation(routes: Routes, backend: Backend) -> None:
    """Add the route that explains a reputation."""

    async def explain(id: Id, epoch: EpochPath) -> Response:
        """Trace a member's points, proposals and faults of an epoch to the blocks that prove them."""
        member = InstitutionId(bytes.fromhex(id))
        return json_answer(await backend.read(lambda at: _explain(at, member, Epoch(epoch))))

    routes.add(
        "GET",
        "/v1/institutions/{id}/epochs/{epoch}",
        explain,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(description="The epoch.", content=Explanation),
    )


def _explain(at: StateAt, member: InstitutionId, epoch: Epoch) -> Explanation:
    table = at.state.read(table_key(epoch), ValidatorTable)
    if table is None:
        raise NoSuchThing(f"the table of epoch {epoch} is not kept, or not known yet")
    validators = ValidatorSet(table)
    if member not in validators:
        raise NoSuchThing(f"member {member.hex()} was no validator in epoch {epoch}")
    first, last = _heights(at, epoch)
    if first > last:
        raise NoSuchThing(f"epoch {epoch} has no block yet")
    found = reports_of(at.reader, member, after=Epoch(epoch - 1), limit=1)
    return Explanation(
        epoch=epoch,
        first_height=Height(first),
        last_height=Height(last),
        before=table.validators[validators.index_by_id[member]],
        signals=tuple(trace_conduct(_blocks(at, first, last), validators, member)),
        evidence=evidence_against(_block(at, first - 1), member),
        duties=tuple(_duties(at, first - 1, last, member)),
        report=found[0] if found and found[0].epoch == epoch else None,
    )


def _heights(at: StateAt, epoch: Epoch) -> tuple[int, int]:
    """The first and the last height of an epoch here; epochs never fall along the chain."""

    def epoch_at(height: int) -> Epoch:
        return header_of(stored_block(at, height)).epoch

    heights = range(1, int(at.height) + 1)
    first = bisect_left(heights, epoch, key=epoch_at) + 1
    return first, bisect_left(heights, Epoch(epoch + 1), key=epoch_at)


def _block(at: StateAt, height: int) -> Block:
    stored = stored_block(at, height)
    return Block(header=header_of(stored), body=body_of(stored))


def _blocks(at: StateAt, first: int, last: int) -> Iterator[Block]:
    return (_block(at, height) for height in range(first, last + 1))


def _duties(at: StateAt, first: int, last: int, member: InstitutionId) -> Iterator[Duty]:
    """Deadlines missed from the block before the epoch on, up to the one before its last."""
    for height in range(max(first, 1), last):
        stored = stored_block(at, height)
        if stored.events is None:
            continue
        for placed in decode_value(Events, stored.events, max_bytes=STORED_BYTES_MAX).events:
            if _owed_by(at, placed.event, member):
                yield Duty(height=Height(height), name=placed.event.name, subject=placed.event.subject)


def _owed_by(at: StateAt, event: Event, member: InstitutionId) -> bool:
    """Whether an event says that this member missed a deadline (L74, L82, L87)."""
    match event.name:
        case "breakglass.review-overdue":
            opening = at.state.read(opening_key(OpeningId(event.subject)), Opening)
            return opening is not None and opening.institution == member
        case "audit.anchor-overdue":
            return event.subject == member
        case "erasure.overdue":
            erasure = at.state.read(erasure_key(RecordId(event.subject)), Erasure)
            return erasure is not None and member in erasure.owing
        case _:
            return False
