"""Opening a home whose parts do not belong together ends with an error that names them."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from noded.config.loading import load
from noded.daemon.boot import WrongHome, open_home
from noded.ops.founding import write_genesis
from noded.ops.home import GENESIS_NAME, STORE_NAME, open_keys
from noded.testnet.creating import create_testnet


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
