"""Opening a home: what does not belong together is named, and a lost log is not forgotten (R21)."""

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.config.loading import load
from noded.consensus.signer import Silence
from noded.daemon.boot import WrongHome, open_home, signed_until
from noded.keys.names import CONSENSUS
from noded.ops.founding import read_genesis, write_genesis
from noded.ops.home import GENESIS_NAME, STORE_NAME, WAL_NAME, open_keys
from noded.storage.wal import Wal
from noded.testnet.creating import create_testnet
from noded.types.batch import seal_batch
from noded.types.ids import TimestampMs
from tests.helpers.record_chain import extend, register, voters_of
from tests.helpers.stored_chain import StoredChain


def test_a_store_of_another_chain_is_named(tmp_path: Path) -> None:
    create_testnet(tmp_path / "net", 1, encrypted=False)
    home = tmp_path / "net" / "node1"
    config = load(home, {})
    keystore = open_keys(config)
    with ExitStack() as stack:
        open_home(config, keystore, stack)
    write_genesis(home / GENESIS_NAME, create_testnet(tmp_path / "other", 1, encrypted=False))

    with ExitStack() as stack, pytest.raises(WrongHome) as caught:
        open_home(config, keystore, stack)

    assert str(home / STORE_NAME) in str(caught.value)
    assert str(home / GENESIS_NAME) in str(caught.value)


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """The home of one of four validators, with a block in its first epoch."""
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    home = tmp_path / "net" / "node1"
    with closing(StoredChain(home / STORE_NAME, genesis, voters_of(tmp_path / "net"))) as chain:
        extend(chain, 0, 1, per_block=1)
    return home


def silence(home: Path) -> Silence | None:
    """Why the node would not vote, were it started now."""
    config = load(home, {})
    with ExitStack() as stack:
        return open_home(config, open_keys(config), stack).node.core.silence


def test_a_lost_log_is_remembered_at_each_start(member: Path) -> None:
    """R21: what was signed in this epoch is gone, however often the node starts."""
    assert [silence(member) for _ in range(3)] == [Silence.LOG_LOST] * 3


def test_a_log_lost_before_the_epoch_began_is_no_reason_for_silence(member: Path) -> None:
    genesis = read_genesis(member / GENESIS_NAME)
    Wal(member / WAL_NAME, genesis.chain_id, missed_ms=1).close()

    assert silence(member) is Silence.WAITING


def test_a_batch_whose_author_is_fast_is_known_for_as_long_as_it_may_be_named(tmp_path: Path) -> None:
    """M3: it is later than its block by the drift, so blocks may name it longer than those of its block's time."""
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    home = tmp_path / "net" / "node1"
    expiry_ms, drift_ms = genesis.parameters.batch_expiry_ms, genesis.parameters.drift_ms
    with closing(StoredChain(home / STORE_NAME, genesis, voters_of(tmp_path / "net"))) as chain:
        sender = genesis.institutions[0].account_key
        made = chain.batch(chain.transaction(register(0), sender=sender)).read()
        first_ms = chain.block().header.time_ms
        early = seal_batch(replace(made, time_ms=TimestampMs(first_ms + drift_ms)))
        chain.append(chain.block(early), [early])
        chain.append(chain.block(after_ms=expiry_ms + drift_ms), [])

    config = load(home, {})
    with ExitStack() as stack:
        assert open_home(config, open_keys(config), stack).node.batches.pool.is_ordered(early.hash)


def test_exporting_a_key_makes_no_log_in_the_place_of_a_lost_one(member: Path) -> None:
    config = load(member, {})
    (member / WAL_NAME).mkdir()

    assert signed_until(config, open_keys(config), CONSENSUS) == {}
    assert silence(member) is Silence.LOG_LOST
