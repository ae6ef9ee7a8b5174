"""Clients: calls of several transactions, closed loops, and clients on the nodes' machine."""

from collections import Counter
from pathlib import Path

from sim.costs_file import table_of
from sim.models.cpu import Costs, Price
from tests.helpers.simulation import run_small


class TestPost:
    def test_the_rate_stays_and_calls_become_fewer(self) -> None:
        one, ten = (
            run_small(workload__model="constant", workload__rate=40, workload__post=post) for post in (1, 10)
        )

        assert abs(len(one.driver.outcomes) - len(ten.driver.outcomes)) <= 20
        assert set(Counter(ten.driver.outcomes.intended_ns).values()) <= {10, 20}

    def test_a_client_goes_on_when_its_whole_call_is_final(self) -> None:
        result = run_small(workload__model="closed", workload__clients=4, workload__post=5)
        outcomes = result.driver.outcomes

        assert result.verdict == "pass"
        assert len(outcomes) > 40
        assert len(outcomes) % 5 == 0
        assert result.driver.waiting <= 4 * 5


class TestBeside:
    def test_clients_beside_nodes_cost_time(self) -> None:
        dear = Costs(client=Price(20_000_000, 0))
        with table_of(dear) as costs:
            away, beside = (
                run_small(
                    cpu__model="costs",
                    cpu__costs=costs,
                    nodes__per_machine=4,
                    nodes__cores=2,
                    workload__beside=beside,
                )
                for beside in (False, True)
            )

        assert Path(costs).parent.exists() is False
        assert (beside.tx_finality_ms.p50 or 0) > (away.tx_finality_ms.p50 or 0) + 10
        assert beside.cluster.hosts[0].machine.worked_ns > away.cluster.hosts[0].machine.worked_ns
