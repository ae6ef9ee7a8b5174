"""Proofs of the state that verify without a node: assembled from ledger and store."""

import trio

from noded.api.backend import Busy, NotHere
from noded.daemon.waiting import Waiters
from noded.ledger.branches import Proven
from noded.ledger.errors import NotCertifiedYet
from noded.ledger.ledger import Ledger
from noded.lightclient import PROOF_VERSION, LedgerProof, encode_proof
from noded.ops.rows import read_epoch_end, read_finality, read_header
from noded.storage.store import Reader
from noded.types.genesis import Genesis
from noded.types.ids import Epoch
from noded.types.messages import EpochEntry

PATIENCE_S = 30.0
"""For a block that certifies the state; an idle chain makes one in ten seconds."""


async def prove(ledger: Ledger, genesis: Genesis, reader: Reader, waiters: Waiters, key: bytes) -> bytes:
    """
    Prove what the state has at a key; waits for the next block where the latest one changed it.

    Raises:
        NotHere: The store lacks a header or the end of an epoch.
        Busy: No block came that certifies the state.
    """
    with trio.move_on_after(PATIENCE_S):
        while True:
            try:
                proven = ledger.prove(key)
                proof = _assemble(genesis, reader, key, proven)
            except NotCertifiedYet:
                proof = None
            if proof is not None:
                return encode_proof(proof)
            await waiters.block()
    raise Busy(f"no block came within {PATIENCE_S:g} s that certifies the state; the chain may stand")


def _assemble(genesis: Genesis, reader: Reader, key: bytes, proven: Proven) -> LedgerProof | None:
    """The whole proof; None while the block that certifies the state, or its finalization, is not stored yet."""
    header = read_header(reader, proven.height)
    chain = read_finality(reader, proven.height + 1)
    if header is None or chain is None:
        return None
    tail, proof = chain
    return LedgerProof(
        version=PROOF_VERSION,
        genesis=genesis,
        epochs=tuple(_epoch_end(reader, Epoch(epoch)) for epoch in range(1, tail[-1].epoch)),
        header=header,
        tail=tail,
        finalization=proof.finalization,
        key=key,
        value=proven.value,
        path=proven.proof,
    )


def _epoch_end(reader: Reader, epoch: Epoch) -> EpochEntry:
    entry = read_epoch_end(reader, epoch)
    if entry is None:
        raise NotHere(f"this node lacks the proof that epoch {epoch} ended")
    return entry
