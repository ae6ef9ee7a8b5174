"""
Verifying without a node: that a final block's state has a value at a key, from the chain's id alone (P1–P4).

A proof begins with the genesis document, whose hash is the chain's id and which names the voters of epoch 1. The end
of each epoch since then is a finalised terminal block that commits to the next table. In the last epoch a finalization
ends a chain of headers that begins with the block in question; its child commits to the state after it, and a path
leads from there to the value. Nothing but the id is trusted: no node, no clock, no network.

Who has verified before trusts a table already and starts from there. And epochs may be skipped (P5): the end of
epoch e' counts for who trusts the table of e, if its voters have a quorum of e' and more than a third of e, so that
an honest voter of e is among them; and only while the table of e is younger than the trusting period, after which
its voters may have nothing to lose by signing another history.
"""

from noded.lightclient.errors import InvalidProof, TableForged, TooLittleOverlap, TrustExpired
from noded.lightclient.finality import check_finality
from noded.lightclient.proof import (
    PROOF_BYTES_MAX,
    PROOF_VERSION,
    LedgerProof,
    ProvenValue,
    decode_proof,
    encode_proof,
    shorten,
    since,
    verify,
)
from noded.lightclient.trust import Clock, Trusted, follow, follow_epochs, founding_trust

__all__ = [
    "PROOF_BYTES_MAX",
    "PROOF_VERSION",
    "Clock",
    "InvalidProof",
    "LedgerProof",
    "ProvenValue",
    "TableForged",
    "TooLittleOverlap",
    "TrustExpired",
    "Trusted",
    "check_finality",
    "decode_proof",
    "encode_proof",
    "follow",
    "follow_epochs",
    "founding_trust",
    "shorten",
    "since",
    "verify",
]
