"""Damage that the story does on purpose, to see it detected and named."""

from pathlib import Path

from noded.blobs.errors import BlobError
from noded.blobs.store import BlobStore
from noded.blocksync import BlockSync
from noded.daemon.serving import read_range
from noded.errors import InvalidMessage
from noded.ledger.genesis import found
from noded.lightclient import InvalidProof, decode_proof, founding_trust, verify
from noded.storage.sqlite import open_reader
from noded.types.genesis import Genesis
from noded.types.ids import Height, PeerId, TimestampMs
from noded.types.medical import CiphertextHash
from noded.types.messages import BULK_MESSAGE_BYTES_MAX, MESSAGES, BlockRange
from noded.types.validator_set import ValidatorSet

PROOF_STEP = 7
"""Every so many bytes of a proof one is changed; a prime, so that all kinds of fields are met."""


def blob_damage(folder: Path, name: CiphertextHash) -> str | None:
    """Change the last byte of a kept blob, and change it back; what reading it said, None if nothing."""
    store = BlobStore(folder, reserve_bytes=0)
    store.verify(name)
    [file] = [path for path in folder.rglob("*") if path.is_file() and path.name in name.hex() and path.name]
    at = file.stat().st_size - 1
    _flip(file, at)
    try:
        store.verify(name)
    except BlobError as error:
        return str(error)
    finally:
        _flip(file, at)
    return None


def proof_damage(proof: bytes, genesis: Genesis) -> tuple[int, int]:
    """Change a proof, one byte at a time: how many changes were tried, and how many were refused by name."""
    original = verify(decode_proof(proof), genesis.chain_id)
    tried = refused = 0
    for at in range(0, len(proof), PROOF_STEP):
        tried += 1
        try:
            shown = verify(decode_proof(_flipped(proof, at)), genesis.chain_id)
        except InvalidProof as error:
            refused += bool(error.part)
        else:
            refused += (shown.key, shown.value) == (original.key, original.value)
    return tried, refused


def block_damage(store: Path, genesis: Genesis) -> str | None:
    """Take final blocks from a store as a peer would, and change a byte of one; what the check said."""
    reader = open_reader(store)
    try:
        message = read_range(reader, Height(1), Height(8))
    finally:
        reader.close()
    _take(message, genesis)
    encoding = MESSAGES.encode(message)
    header = message.blocks[0].block.header
    at = encoding.index(header.parent_state_root) + 3
    try:
        changed = MESSAGES.decode(_flipped(encoding, at), max_bytes=BULK_MESSAGE_BYTES_MAX)
        assert isinstance(changed, BlockRange)
        _take(changed, genesis)
    except InvalidMessage as error:
        return f"{type(error).__name__}: {error}"
    return None


def _take(message: BlockRange, genesis: Genesis) -> None:
    """Check a range of blocks as block sync does (S1)."""
    founding = found(genesis).block
    peer = PeerId(genesis.institutions[0].id)
    sync = BlockSync(genesis.chain_id)
    sync.want(peer, Height(len(message.blocks)))
    asked = sync.next_request(Height(0), TimestampMs(0))
    assert asked is not None
    validators = ValidatorSet(founding_trust(genesis, genesis.chain_id).table)
    assert sync.on_range(peer, message, founding.header, validators) is not None


def _flip(path: Path, at: int) -> None:
    data = path.read_bytes()
    path.write_bytes(_flipped(data, at))


def _flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)
