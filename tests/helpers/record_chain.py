"""A long chain of registered records for a testnet's homes: what a network that has run for weeks holds."""

from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from noded.config import load
from noded.keys.names import CONSENSUS
from noded.ops.home import STORE_NAME, open_keys
from noded.testnet.creating import homes
from noded.types.genesis import Genesis
from noded.types.ids import PublicKey
from noded.types.medical import (
    CiphertextHash,
    Commitment,
    Compartment,
    Day,
    DayRange,
    KeyEpoch,
    KindClass,
    RecordId,
)
from noded.types.operations.records import RecordContent, RecordRegister
from tests.helpers.stored_chain import StoredChain

BLOCK_MS = 10
"""Between blocks: less than making one takes, or the chain would be ahead of the clock and its members would wait."""

TRANSACTIONS_PER_BATCH = 500
"""Of 300 bytes each: a batch holds 512 KiB."""


def voters_of(folder: Path) -> Mapping[PublicKey, bytes]:
    """The consensus keys of a testnet, by which its blocks are finalised."""
    seeds = [open_keys(load(home, {})).secret(CONSENSUS) for home in homes(folder)]
    keystores = [open_keys(load(home, {})) for home in homes(folder)]
    return {
        PublicKey(keystore.info(CONSENSUS).public_key): seed
        for keystore, seed in zip(keystores, seeds, strict=True)
    }


def register(number: int) -> RecordRegister:
    """A record of the institution's own."""
    noise = sha256(b"%d" % number).digest()
    return RecordRegister(
        record=RecordId(noise[:16]),
        patient=None,
        kind=KindClass.LAB,
        compartment=Compartment(0),
        content=RecordContent(
            commitment=Commitment(noise),
            ciphertext_hash=CiphertextHash(sha256(noise).digest()),
            ciphertext_bytes=4_000,
            days=DayRange(first=Day(19_000), end=Day(19_001)),
            key_epoch=KeyEpoch(0),
            wrap_hash=None,
        ),
    )


def extend(chain: StoredChain, first: int, operations: int, *, per_block: int) -> None:
    """Append blocks with registrations, one a transaction, until there are so many more."""
    sender = chain.genesis.institutions[0].account_key
    for start in range(first, first + operations, per_block):
        end = min(start + per_block, first + operations)
        batches = [
            chain.batch(
                *(
                    chain.transaction(register(number), sender=sender)
                    for number in range(at, min(at + TRANSACTIONS_PER_BATCH, end))
                )
            )
            for at in range(start, end, TRANSACTIONS_PER_BATCH)
        ]
        committed = chain.append(chain.block(*batches, after_ms=BLOCK_MS), batches)
        assert all(receipt.error is None for receipt in committed.receipts), committed.receipts[0]


def make_long_chain(folder: Path, genesis: Genesis, operations: int, *, per_block: int) -> None:
    """Put such a chain into the store of the first home of a testnet."""
    with closing(StoredChain(homes(folder)[0] / STORE_NAME, genesis, voters_of(folder))) as chain:
        extend(chain, 0, operations, per_block=per_block)
