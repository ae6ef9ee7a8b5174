"""Operations of the identity module: patients, their delegates, groups of institutions."""

from typing import Annotated

from noded.codec.schema import Limit
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, PublicKey, TimestampMs
from noded.types.medical import GroupId, PatientId, Version
from noded.types.operations.registry import Operation, operation

GROUP_MEMBERS_MAX = 256
"""Institutions in a group: 256 × 22 bytes are 6 KiB of state."""

GroupMembers = Annotated[tuple[InstitutionId, ...], Limit(1, GROUP_MEMBERS_MAX)]
"""Ascending, each once."""


@operation(20, "patient.register")
@frozen(kw_only=True)
class PatientRegister(Operation):
    """
    Make a patient known, by the custodian that proofed them (L20).

    Signed by the custodian and, as a cosigner, by the patient's key.
    """

    patient: PatientId
    key: PublicKey
    """Derived for this custodian only."""


@operation(21, "patient.rotate")
@frozen(kw_only=True)
class PatientRotate(Operation):
    """Replace a patient's key; signed by the old key and, as a cosigner, by the new one (L21)."""

    patient: PatientId
    key: PublicKey
    """The new one."""


@operation(23, "delegate.set")
@frozen(kw_only=True)
class DelegateSet(Operation):
    """Let a key act for a patient until a time, or move that time; cosigned by the delegate's key (L22)."""

    patient: PatientId
    key: PublicKey
    """One that the delegate uses for this patient only."""
    until_ms: TimestampMs
    """First millisecond at which it no longer acts."""


@operation(24, "delegate.clear")
@frozen(kw_only=True)
class DelegateClear(Operation):
    """End a delegate's power, by the patient or by the delegate (L22)."""

    patient: PatientId
    key: PublicKey


@operation(25, "group.create")
@frozen(kw_only=True)
class GroupCreate(Operation):
    """Name a group of institutions (L25)."""

    group: GroupId
    members: GroupMembers


@operation(26, "group.update")
@frozen(kw_only=True)
class GroupUpdate(Operation):
    """Change a group's members; consents to an earlier version do not reach newcomers (L25)."""

    group: GroupId
    replaces: Version
    members: GroupMembers
