"""Operations of the audit and erasure modules."""

from typing import Annotated

from noded.codec.errors import Malformed
from noded.codec.schema import Limit
from noded.types.frozen import frozen
from noded.types.ids import Root, TimestampMs
from noded.types.medical import RecordId
from noded.types.operations.registry import Operation, operation


@operation(90, "audit.anchor")
@frozen(kw_only=True)
class AuditAnchor(Operation):
    """Fix a stretch of an institution's own audit log; zero entries are a heartbeat (L80)."""

    sequence: Annotated[int, Limit(1, (1 << 32) - 1)]
    """The last one plus 1: a gap cannot be anchored."""
    entries: Annotated[int, Limit(0, (1 << 40) - 1)]
    root: Root | None
    """Merkle root over the entries; None exactly when there are none."""
    until_ms: TimestampMs
    """First millisecond after the stretch; it begins where the last one ended."""

    def __post_init__(self) -> None:
        if (self.entries == 0) != (self.root is None):
            raise Malformed("AuditAnchor", "a root goes with entries, and only with them")


@operation(95, "erasure.request")
@frozen(kw_only=True)
class ErasureRequest(Operation):
    """Demand that a record be erased wherever its keys went, by the patient or a delegate (L85)."""

    record: RecordId


@operation(96, "erasure.attest")
@frozen(kw_only=True)
class ErasureAttest(Operation):
    """Attest, as a holder, that ciphertext, keys and salt keys of the record are destroyed (L86)."""

    record: RecordId
