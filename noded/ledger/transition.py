"""One transaction, applied as a whole or not at all."""

from noded.errors import InvalidTransaction
from noded.ledger.admission import admit
from noded.ledger.commit import APPLIED, DETAIL_BYTES_MAX, Receipt
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import Handler as DeadlineHandler
from noded.ledger.dispatch import Deadlines, OperationHandler
from noded.ledger.errors import PurposeNotAllowed, RoleNotAllowed
from noded.ledger.members import get_member
from noded.ledger.modules import MODULES
from noded.ledger.roles import ROLE_TABLE, Row
from noded.ledger.state import Overlay
from noded.types.ids import InstitutionId
from noded.types.operations import operations_by_name
from noded.types.operations.breakglass import BreakglassOpen
from noded.types.operations.consent import AccessRequest
from noded.types.operations.registry import Operation
from noded.types.roles import KeyKind
from noded.types.transaction import SignedTransaction


def process_transaction(state: Overlay, signed: SignedTransaction, block: BlockContext) -> Receipt:
    """
    Apply a transaction whose signatures are verified; a rejected one changes nothing but its sender's sequences.

    An inadmissible one (L1–L4) does not even use its sequence. One that is admitted uses it even if an operation
    fails (L6): else a copy of it could succeed later, after its sender was told that it failed.
    """
    try:
        context = admit(state, signed, block)
        state.keep()
    except InvalidTransaction as error:
        state.drop()
        return _rejected(error, None)
    index = 0
    checked = None
    try:
        for index, op in enumerate(signed.transaction.body.operations):
            context.operation_index = index
            handler, row = HANDLERS[type(op)]
            if row is not checked:
                check_row(state, row, op, context)
                checked = row if row.purposes is None else None  # The next may have another purpose.
            handler(state, op, context)
        state.keep()
    except InvalidTransaction as error:
        state.drop()
        return _rejected(error, index)
    return APPLIED


def check_row(state: Overlay, row: Row, op: Operation, context: Context) -> None:
    """
    Check an operation against its row of the role table (L5).

    Raises:
        RoleNotAllowed: The sender may not send it.
        PurposeNotAllowed: Nobody may send it for this purpose.
    """
    kind = context.key.kind
    if kind is KeyKind.INSTITUTION:
        member = get_member(state, InstitutionId(context.key.owner))
        assert member is not None, "admission found it"
        if member.institution.role not in row.roles:
            raise RoleNotAllowed(operation=op.name, sender=member.institution.role.name.lower())
    elif kind not in row.keys:
        raise RoleNotAllowed(operation=op.name, sender=kind.name.lower())
    if row.purposes is not None:
        assert isinstance(op, (AccessRequest, BreakglassOpen)), "no other row has purposes"
        if op.purpose not in row.purposes:
            raise PurposeNotAllowed(operation=op.name, purpose=op.purpose.name)


def _rejected(error: InvalidTransaction, operation: int | None) -> Receipt:
    detail = str(error).encode()[:DETAIL_BYTES_MAX].decode(errors="ignore")
    return Receipt(type(error).__name__, detail, operation)


def _handlers() -> dict[type[Operation], tuple[OperationHandler, Row]]:
    found: dict[type[Operation], tuple[OperationHandler, Row]] = {}
    for module in MODULES:
        for cls, handler in module.HANDLERS.items():
            assert cls not in found, f"two modules handle {cls.name}"
            found[cls] = (handler, ROLE_TABLE[cls.name])
    missing = [name for name, cls in operations_by_name().items() if cls not in found]
    assert not missing, f"no module handles {missing}"
    return found


def _deadlines() -> dict[int, DeadlineHandler]:
    found: dict[int, DeadlineHandler] = {}
    for module in MODULES:
        deadlines: Deadlines = vars(module).get("DEADLINES", {})
        for kind, handler in deadlines.items():
            assert kind not in found, f"two modules have deadlines of kind {kind}"
            found[kind] = handler
    return found


HANDLERS = _handlers()
"""By operation: the function that applies it, and its row of the role table."""

DEADLINES = _deadlines()
"""By kind: the function to call when a deadline has passed."""
