"""Erasing a record that a patient demanded be erased: what this institution has of it is destroyed, then attested."""

from noded.errors import NodedError
from noded.ops.desk import Desk
from noded.ops.tickets import drop_tickets
from noded.types.medical import RecordId
from noded.types.operations.audit import ErasureAttest


class NotOwed(NodedError):
    """This institution owes no attestation: nobody gave it a key of the record, or it has attested."""

    def __init__(self, *, record: RecordId) -> None:
        super().__init__(
            f"record {record.hex()}: this institution has attested already, or never had a key of it;"
            " see `noded erasure list`"
        )
        self.record = record


def carry_out(desk: Desk, record: RecordId) -> int:
    """
    Destroy what is here of a record, and attest it; how many versions this institution kept.

    Done again after a crash it finishes what is left.

    Raises:
        Refused: Nobody demanded it, or the node does not go along.
        NotOwed: There is nothing to attest.
        Rejected, NotFinal: The attestation is not on the ledger.
    """
    if desk.me.hex() not in desk.entry("erasures", record)["owing"]:
        raise NotOwed(record=record)
    versions: int = desk.node.post(f"/v1/custody/records/{record.hex()}/erase")["versions"]
    drop_tickets(desk, record)
    desk.send(ErasureAttest(record=record))
    return versions
