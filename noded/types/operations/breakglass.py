"""Operations of the break-glass module: emergency access without the patient."""

from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.types.frozen import frozen
from noded.types.medical import ActorId, KindClass, OpeningId, PatientId
from noded.types.operations.registry import Operation, operation
from noded.types.roles import Purpose


class EmergencyReason(IntEnum):
    """Why the patient could not be asked."""

    UNCONSCIOUS = 1
    LIFE_THREATENING = 2
    INCAPABLE = 3
    GUARDIAN_UNREACHABLE = 4
    DISASTER = 5


class Verdict(IntEnum):
    """What a review found."""

    JUSTIFIED = 1
    UNJUSTIFIED = 2


@operation(80, "breakglass.open")
@frozen(kw_only=True)
class BreakglassOpen(Operation):
    """Begin emergency access to a patient's records; the patient is told at once (L70)."""

    opening: OpeningId
    patient: PatientId
    reason: EmergencyReason
    purpose: Purpose
    actor: ActorId
    """Who in the institution opens."""
    kinds: Annotated[tuple[KindClass, ...], Limit(1, len(KindClass))]


@operation(81, "breakglass.close")
@frozen(kw_only=True)
class BreakglassClose(Operation):
    """End emergency access before its time, by the institution that opened (L72)."""

    opening: OpeningId


@operation(82, "breakglass.review")
@frozen(kw_only=True)
class BreakglassReview(Operation):
    """Judge an emergency access; signed by another key than the one that opened (L73)."""

    opening: OpeningId
    verdict: Verdict
    actor: ActorId
    """Who in the reviewer's institution judged."""
