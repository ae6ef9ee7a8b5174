"""What a node needs to know besides the ledger, and the constants of its own policy."""

from typing import Protocol

from noded.consensus.signer import Signer as VoteSigner
from noded.types.ids import Signature

BATCH_AGE_MS = 50
"""An open batch is sealed at this age: half a block interval of 100 ms, so that batching costs little latency."""

BATCH_AGE_MANY_MS = 200
"""The same among more than DIRECT_ACKNOWLEDGE_MAX validators: acknowledgements ride on votes there, once a view of
several hundred ms, and each batch is a message to everybody (D16)."""

OWN_WAITING_BYTES_MAX = 8 * 1024 * 1024
"""Of its clients' transactions that a node lets wait, half a minute at full load: later an answer is of no use, and each
node holds what waits everywhere."""

ANNOUNCE_AGAIN_MS = 2_000
"""Age at which a batch of this node's that no block names is announced again, at every status interval."""

PUSH_VALIDATORS_MAX = 16
"""Up to this many validators every batch is pushed to all."""

PUSH_BYTES_MAX = 16 * 1024
"""A batch up to this size is pushed to all, however many they are; a larger one is announced and pulled."""

DIRECT_ACKNOWLEDGE_MAX = 32
"""Up to this many validators a held batch is acknowledged to the next proposers at once; above, only with votes."""

STATUS_INTERVAL_MS = 2_000
"""Between looks at how far ahead the peers are, and status messages to peers that are no validators."""

ENCLOSED_EVIDENCE_MAX = 4
EVIDENCE_DONE_KEPT = 256
"""Proven faults remembered as enclosed by a final block."""

CHECKS_WAITING_MAX = 64
"""Blocks whose payload waits for batches; further ones are dropped, oldest first."""

FORWARDED_BYTES_MAX = 512 * 1024
"""Transactions handed on in one message: half of a bulk frame."""

FORWARDED_SHARE = 4
"""Others' clients find room while less than a quarter of what may wait does: no member uses up that of own clients."""

BATCHES_SERVED_MAX = 64
"""Batches sent for one request, and asked for with one; the rest is asked for with the next."""

FORWARDED_WAITING_MAX = 64
"""Calls of other nodes' clients under verification; further ones are refused."""


class Signer(VoteSigner, Protocol):
    """Signs with this institution's consensus key, and refuses what would conflict (R1, R3)."""

    def sign_batch(self, message: bytes) -> Signature:
        """Sign a batch; no two batches conflict."""
        ...
