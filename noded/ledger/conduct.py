"""What the modules tell the reputation about a member's conduct; see reputation.py for what becomes of it."""

from enum import IntEnum

from noded.ledger.state import Overlay
from noded.types.ids import InstitutionId


class Fault(IntEnum):
    """A failure of duty that ledger rules establish."""

    LOST_ATTESTATION = 1
    """A statement of the member was disputed and the dispute upheld."""
    OVERDUE = 2
    """A review, attestation or anchor was not delivered by its deadline."""
    GRAVE = 3
    """A grave failure of duty: debt of a sixteenth."""


def record_fault(state: Overlay, member: InstitutionId, fault: Fault) -> None:
    """Charge a member with a failure of duty; counts when the epoch closes."""


def record_attestation(state: Overlay, member: InstitutionId, counterparty: InstitutionId) -> None:
    """Note that a counterparty accepted a statement of the member; counts once a counterparty and epoch."""


def earn_credits(state: Overlay, member: InstitutionId, amount: int) -> None:
    """Add service credits to a member's account (`svc/`); they are never transferred."""
