"""The one table that says who may send which operation, and for which purposes (L5)."""

from dataclasses import dataclass

from noded.types.roles import KeyKind, Purpose, Role


@dataclass(frozen=True, slots=True)
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
PATIENT_SIDE = (KeyKind.PATIENT, KeyKind.DELEGATE)
ALL_PURPOSES = tuple(Purpose)

ROLE_TABLE: dict[str, Row] = {
    "org.register": Row(ALL_ROLES),
    "org.update": Row(ALL_ROLES),
    "org.suspend": Row((Role.REGULATOR,)),
    "org.key.rotate": Row(ALL_ROLES),
    "gov.propose": Row(ALL_ROLES),
    "gov.vote": Row(ALL_ROLES),
    "validator.ready": Row(ALL_ROLES),
}
"""By an operation's name. Whether the sender is the right member or patient is the operation's own rule."""
