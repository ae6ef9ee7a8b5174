"""The one table that says who may send which operation, and for which purposes (L5)."""

from noded.types.frozen import frozen
from noded.types.roles import KeyKind, Purpose, Role


@frozen()
class Row:
    """Who may send one operation."""

    roles: tuple[Role, ...] = ()
    """Members that may, by role."""
    keys: tuple[KeyKind, ...] = ()
    """Others that may, by kind of key."""
    purposes: tuple[Purpose, ...] | None = None
    """What the operation's `purpose` may be; None where it has none."""


ALL_ROLES = tuple(Role)
CARE = (Role.HOSPITAL, Role.LAB, Role.PHARMACY)
CUSTODIANS = (*CARE, Role.INSURER)
"""Members that keep records of patients."""
PATIENT_SIDE = (KeyKind.PATIENT, KeyKind.DELEGATE)
ALL_PURPOSES = tuple(Purpose)

ROLE_TABLE: dict[str, Row] = {
    "org.register": Row(ALL_ROLES),
    "org.update": Row(ALL_ROLES),
    "org.suspend": Row(ALL_ROLES),
    "org.key.rotate": Row(ALL_ROLES),
    "gov.propose": Row(ALL_ROLES),
    "gov.vote": Row(ALL_ROLES),
    "validator.ready": Row(ALL_ROLES),
    "patient.register": Row(CUSTODIANS),
    "patient.rotate": Row(keys=(KeyKind.PATIENT,)),
    "delegate.set": Row(keys=(KeyKind.PATIENT,)),
    "delegate.clear": Row(keys=PATIENT_SIDE),
    "group.create": Row(ALL_ROLES),
    "group.update": Row(ALL_ROLES),
    "record.register": Row((*CUSTODIANS, Role.RESEARCHER)),
    "record.amend": Row((*CUSTODIANS, Role.RESEARCHER)),
    "record.withdraw": Row((*CUSTODIANS, Role.RESEARCHER)),
    "consent.grant": Row(keys=PATIENT_SIDE),
    "consent.amend": Row(keys=PATIENT_SIDE),
    "consent.revoke": Row(keys=PATIENT_SIDE),
    "access.request": Row(ALL_ROLES, PATIENT_SIDE, ALL_PURPOSES),
    "access.release": Row((*CUSTODIANS, Role.RESEARCHER)),
    "access.receipt": Row(ALL_ROLES, PATIENT_SIDE),
    "key.epoch": Row(CUSTODIANS),
    "breakglass.open": Row(CARE, purposes=(Purpose.TREAT, Purpose.ETREAT)),
    "breakglass.close": Row(CARE),
    "breakglass.review": Row((*CUSTODIANS, Role.REGULATOR, Role.AUDITOR)),
    "audit.anchor": Row(ALL_ROLES),
    "erasure.request": Row(keys=PATIENT_SIDE),
    "erasure.attest": Row(ALL_ROLES),
}
"""By an operation's name. Whether the sender is the right member or patient is the operation's own rule."""
