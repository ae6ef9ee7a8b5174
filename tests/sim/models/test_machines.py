"""Cores, prices, links, disks and clocks."""

from pathlib import Path
from typing import Any

import pytest

from noded.errors import ConfigError
from sim.models.bandwidth import BULK, CONSENSUS, FRAME_BYTES, Bandwidth
from sim.models.clock import EPOCH_MS, Clock
from sim.models.cpu import Costs, Machine, Price, load_costs
from sim.models.disk import Disk
from sim.streams import Stream
from tests.helpers.simulation import run_small

MS = 1_000_000
SECOND = 1_000 * MS


class TestCosts:
    def test_a_price_is_a_line(self) -> None:
        assert Price(100, 2.5).of(10) == 125

    def test_the_built_in_table_prices_everything_that_nodes_do(self) -> None:
        costs = load_costs("default")

        assert costs.verify.of(1) > 0
        assert costs.execute.of(10) > costs.execute.of(1) > 0

    def test_none_is_free(self) -> None:
        assert load_costs("none") == Costs()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[cost]\nverfy = [1, 2]\n", "unknown cost 'verfy'; known: step"),
            ("[cost]\nverify = 3\n", "bad.toml"),
            ("[costs]\n", "cost"),
        ],
    )
    def test_a_bad_table_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "bad.toml"
        path.write_text(text)

        with pytest.raises(ConfigError, match=message):
            load_costs(str(path))


class TestMachine:
    def test_a_node_alone_never_waits_for_its_core(self) -> None:
        machine = Machine(4)

        assert machine.run(5, now=10) == 15
        assert machine.run(5, now=10) == 15

    def test_verification_takes_turns_on_the_other_cores(self) -> None:
        costs = Costs(verify=Price(0, 10))
        machine = Machine(3)

        assert machine.verify(200, costs, 1.0, now=0) == 1_000
        assert machine.verify(100, costs, 1.0, now=0) == 2_000

    def test_nodes_that_share_a_machine_wait_for_a_free_core(self) -> None:
        machine = Machine(2, is_shared=True)

        assert [machine.run(10, now=0) for _ in range(4)] == [10, 10, 20, 20]
        assert machine.run(1, now=100) == 101
        assert machine.worked_ns == 41

    def test_sharing_two_cores_slows_four_nodes_down(self) -> None:
        busy: dict[str, Any] = {"cpu__model": "costs", "nodes__speed": 0.1}
        alone, shared = (
            run_small(nodes__cores=2, nodes__per_machine=number, **busy).finality_ms.p50 or 0.0
            for number in (1, 4)
        )

        assert shared > 1.1 * alone

    def test_a_slower_machine_takes_longer(self) -> None:
        fast, slow = (
            run_small(cpu__model="costs", nodes__speed=speed).finality_ms.p50 or 0.0 for speed in (1.0, 0.2)
        )

        assert slow > fast


class TestBandwidth:
    def test_messages_leave_one_after_another(self) -> None:
        links = Bandwidth(2, up_bits=8_000, down_bits=8_000)
        size = 1_000 - FRAME_BYTES

        assert links.send(0, BULK, size, now=0) == SECOND
        assert links.send(0, BULK, size, now=0) == 2 * SECOND
        assert links.send(1, BULK, size, now=0) == SECOND
        assert links.receive(0, BULK, links.downlink_ns(size), 5 * SECOND) == 6 * SECOND

    def test_consensus_goes_first_and_holds_up_the_rest(self) -> None:
        links = Bandwidth(1, up_bits=8_000, down_bits=8_000)
        size = 1_000 - FRAME_BYTES

        links.send(0, BULK, 5 * size, now=0)
        assert links.send(0, CONSENSUS, size, now=0) == SECOND
        assert links.send(0, BULK, size, now=0) > 5 * SECOND

    def test_copies_leave_as_if_sent_one_by_one(self) -> None:
        one_by_one, at_once = (Bandwidth(1, up_bits=1_000_000, down_bits=1_000_000) for _ in range(2))

        singles = [one_by_one.send(0, BULK, 500, now=7) for _ in range(5)]
        assert at_once.send_copies(0, BULK, 500, 5, now=7).tolist() == singles

    def test_unlimited_takes_no_time(self) -> None:
        links = Bandwidth(1, up_bits=0, down_bits=0)

        assert links.send(0, BULK, 10**9, now=3) == 3


def make_disk(seed: int = 1) -> Disk[int]:
    return Disk(fsync_ns=MS, bytes_per_s=1_000_000, stream=Stream(seed, "disk"))


class TestDisk:
    def test_a_write_takes_an_fsync_and_its_bytes(self) -> None:
        disk = make_disk()

        assert disk.write([1], 992) == MS + MS
        disk.extra_fsync_ns = 5 * MS
        assert disk.write([2], 0) == 6 * MS + 8_000

    def test_what_was_synced_survives_and_what_was_not_survives_whole_or_not_at_all(self) -> None:
        left = set()
        for seed in range(20):
            disk = make_disk(seed)
            disk.write([1], 0)
            assert disk.sync() == [1]
            disk.write([2, 3], 0)
            disk.crash("kept")
            left.add(tuple(disk.records()))

        assert left == {(1,), (1, 2, 3)}

    def test_a_torn_write_leaves_a_beginning(self) -> None:
        left = set()
        for seed in range(40):
            disk = make_disk(seed)
            disk.write([1, 2, 3], 0)
            disk.crash("torn")
            left.add(tuple(disk.records()))

        assert left == {(), (1,), (1, 2)}

    def test_a_lost_disk_has_nothing(self) -> None:
        disk = make_disk()
        disk.write([1], 0)
        disk.sync()
        disk.crash("lost")

        assert disk.records() == []


class TestClock:
    def test_a_correct_one_shows_virtual_time(self) -> None:
        assert Clock().now_ms(1_500 * MS) == EPOCH_MS + 1_500

    def test_offset_and_drift(self) -> None:
        clock = Clock(offset_ns=-2 * SECOND, drift_ppm=1_000)

        assert clock.now_ms(10 * SECOND) == EPOCH_MS + 8_010
        assert clock.until(0, 10 * SECOND) == 10 * SECOND - 10 * MS

    def test_skew_counts_from_when_it_comes(self) -> None:
        clock = Clock()
        clock.skew(10 * SECOND, offset_ns=500 * MS, drift_ppm=1_000)

        assert clock.now_ms(10 * SECOND) == EPOCH_MS + 10_500
        assert clock.now_ms(20 * SECOND) == EPOCH_MS + 20_510
