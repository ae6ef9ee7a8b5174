"""What a node's keys are called in its keystore."""

from types import MappingProxyType
from typing import Final

from noded.keys.key_file import KeyAlgorithm

CONSENSUS: Final = "consensus"
"""Votes, proposals, batches: the one key that must never be in use twice."""
NETWORK: Final = "network"
"""Proves to peers who this node is."""
ACCOUNT: Final = "account"
"""Signs the institution's transactions."""
ENCRYPTION: Final = "encryption"
"""Opens keys that others wrapped for the institution."""
DATA: Final = "data"
"""Seals the keys of the records that the institution keeps; its public half is of no use."""

NODE_KEYS: Final = MappingProxyType(
    {
        CONSENSUS: KeyAlgorithm.ED25519,
        NETWORK: KeyAlgorithm.ED25519,
        ACCOUNT: KeyAlgorithm.ED25519,
        ENCRYPTION: KeyAlgorithm.X25519,
        DATA: KeyAlgorithm.X25519,
    }
)
"""Every key that a node has."""
