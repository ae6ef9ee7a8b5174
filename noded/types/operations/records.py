"""Operations of the records module: what is anchored of a record kept elsewhere."""

from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.types.frozen import frozen
from noded.types.medical import (
    CiphertextHash,
    Commitment,
    Compartment,
    DayRange,
    KeyEpoch,
    KindClass,
    PatientId,
    RecordId,
    Version,
    WrapHash,
)
from noded.types.operations.registry import Operation, operation

CIPHERTEXT_BYTES_MAX = 1 << 44
"""16 TiB: several whole-genome archives."""


class AmendReason(IntEnum):
    """Why a record has a new version; part of what its custodian signs."""

    CORRECTION = 1
    ADDENDUM = 2
    COMPLETION = 3
    REKEY = 4
    """The same content under another key."""


class WithdrawReason(IntEnum):
    """Why a record must no longer be relied on."""

    ENTERED_IN_ERROR = 1
    WRONG_PATIENT = 2
    SUPERSEDED = 3
    PATIENT_REQUEST = 4


@frozen(kw_only=True)
class RecordContent:
    """One version of a record, as the ledger knows it."""

    commitment: Commitment
    """Over the bytes received, never over bytes written again (L31)."""
    ciphertext_hash: CiphertextHash
    ciphertext_bytes: Annotated[int, Limit(1, CIPHERTEXT_BYTES_MAX)]
    days: DayRange | None
    """The days that the data is from; None if it does not say."""
    key_epoch: KeyEpoch
    """Epoch of the compartment's key; must be the current one (L34)."""
    wrap_hash: WrapHash | None
    """Of the data key wrapped under the compartment's key; None where no compartment's key opens it (L32)."""


@operation(40, "record.register")
@frozen(kw_only=True)
class RecordRegister(Operation):
    """Anchor a new record, by its custodian (L30)."""

    record: RecordId
    patient: PatientId | None
    """Known to this custodian; None for a record of the institution's own."""
    kind: KindClass
    compartment: Compartment
    """0 for a record of the institution's own."""
    content: RecordContent


@operation(41, "record.amend")
@frozen(kw_only=True)
class RecordAmend(Operation):
    """Add a version to a record; the one it replaces stays on the ledger (L35)."""

    record: RecordId
    replaces: Version
    """Must be the current one, so that versions never fork."""
    reason: AmendReason
    content: RecordContent


@operation(42, "record.withdraw")
@frozen(kw_only=True)
class RecordWithdraw(Operation):
    """Mark a record as not to be relied on; it stays visible (L36)."""

    record: RecordId
    version: Version
    """Must be the current one."""
    reason: WithdrawReason
