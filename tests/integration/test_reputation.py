"""Reputation on real nodes: who is away loses its share and gets it back, and every number can be computed again."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import Genesis
from tests.helpers.command import Captured, said
from tests.helpers.epochs import (
    block_times,
    epoch_of,
    get,
    lengthened,
    pass_epochs,
    report,
    row,
    share,
)
from tests.helpers.fleet import check_agreement, check_signatures, figure, status, until, until_height
from tests.helpers.recomputing import capped, counted, judged, moved, shared
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EPOCH = 24
"""Heights: under three seconds where nothing is in the way."""

AWAY_EPOCHS = 4
BACK_EPOCHS = 3


@pytest.fixture
def net(tmp_path: Path) -> Iterator[tuple[Testnet, Genesis]]:
    """After the test all stores agree, and nobody has signed in conflict."""
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False, parameters=lengthened(EPOCH))
    with Testnet(tmp_path / "net") as testnet:
        testnet.start()
        yield testnet, genesis
        assert testnet.stop() == [0] * 4
    homes = [node.home for node in testnet.nodes]
    check_agreement(homes)
    check_signatures(homes)
    for node in testnet.nodes:
        assert "Traceback" not in node.log


def mean_interval_ms(node: NodeProcess, epoch: int) -> float:
    """Mean time between the blocks of an epoch."""
    times = block_times(node, epoch)
    return (times[-1] - times[0]) / (len(times) - 1)


def check_numbers(node: NodeProcess, epoch: int) -> None:
    """`explain` says where each number of an epoch comes from, and it comes out again (L120–L129)."""
    rows = get(node, "/v1/validators", epoch=epoch)["validators"]
    explained = {each["id"]: get(node, f"/v1/institutions/{each['id']}/epochs/{epoch}") for each in rows}
    for each in explained.values():
        found = each["report"]
        for name, value in {**counted(each), **judged(found, each["before"])}.items():
            assert found[name] == value, name
    raw = moved(
        {id: each["before"]["raw_power"] for id, each in explained.items()},
        {id: each["report"]["target"] for id, each in explained.items()},
    )
    powers = capped(raw)
    for id, each in explained.items():
        found, later = each["report"], row(node, bytes.fromhex(id), epoch + 1)
        assert later is not None
        assert found["raw_power"] == later["raw_power"] == raw[id]
        assert found["power"] == later["power"] == powers[id]
        assert found["share"] == later["share"] == shared(powers[id], found["effective"])


def test_who_is_away_loses_its_share_and_gets_it_back_and_blocks_keep_their_pace(
    net: tuple[Testnet, Genesis], capsys: Captured
) -> None:
    testnet, _ = net
    *others, away = testnet.nodes
    one, member = others[0], away.institution.id
    before = pass_epochs(testnet.nodes, 1) - 1
    away.kill()
    gone = epoch_of(one)
    last = pass_epochs(others, AWAY_EPOCHS)
    away.start()
    away.wait_ready()
    until_height([away], status(one)["height"])
    back = epoch_of(one)
    end = pass_epochs(testnet.nodes, BACK_EPOCHS)

    falling = [share(one, member, epoch) for epoch in range(gone + 1, last + 1)]
    rising = [share(one, member, epoch) for epoch in range(back + 2, end + 1)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < share(one, member, before) / 4
    assert rising == sorted(rising)
    assert rising[-1] > rising[0]
    assert report(one, member, last - 1)["participation"] < 250_000
    assert report(one, member, end - 1)["participation"] > 900_000
    fallen = row(one, member, last)
    assert fallen is not None
    assert fallen["power"] >= 1000, "a mere crash never goes below the floor"
    for epoch in range(before, end):
        check_numbers(one, epoch)

    usual = mean_interval_ms(one, before)
    paces = [mean_interval_ms(one, epoch) for epoch in range(gone + 1, last)]
    shown = said(capsys, "reputation", "show", "--home", one.home)
    traced = said(capsys, "reputation", "explain", away.institution.legal_name, "--home", one.home)
    with capsys.disabled():
        print(f"\nshare {share(one, member, before):.3f}, falling {falling}, rising {rising}")
        print(f"ms between blocks: {usual:.0f} before, then by epoch {[round(each) for each in paces]}")
        print(shown)
        print(traced)
    assert paces[-1] < 2 * usual


def test_who_sleeps_through_epochs_catches_up_by_their_ends_under_load(
    net: tuple[Testnet, Genesis],
) -> None:
    testnet, genesis = net
    *others, sleeper = testnet.nodes
    member = sleeper.institution.id
    with SteadyLoad(others, genesis) as load:
        load.until_more(20)
        sleeper.signal(signal.SIGSTOP)
        slept = epoch_of(others[0])
        woken = pass_epochs(others, 3)
        assert woken >= slept + 4
        load.until_more(20)
        sleeper.signal(signal.SIGCONT)
        until(lambda: epoch_of(sleeper) >= woken, "the sleeper is in the others' epoch")
        until_height([sleeper], status(others[0])["height"])
        later = pass_epochs(testnet.nodes, 2)
        load.until_more(20)
        load.stop()
        check_all_there(testnet.nodes, load.final)

    assert report(others[0], member, later - 1)["points"] > 0, "it votes again"
    assert figure(sleeper, "noded_halted") == 0
    assert status(sleeper)["halted"] is None
    for epoch in range(slept + 1, woken):
        assert report(sleeper, member, epoch) == report(others[0], member, epoch)
