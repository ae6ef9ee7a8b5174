"""Delays of all models, and tables of regions."""

from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from noded.errors import ConfigError
from sim.models.latency import Latency, make_latency
from sim.models.regions import load_regions, parse_regions, place_nodes
from sim.scenario.load import make_scenario

MS = 1_000_000


def latency_of(model: object, count: int = 4, places: list[int] | None = None) -> Latency:
    scenario = make_scenario({"name": "x", "nodes": {"count": count}, "network": {"latency": model}})
    return make_latency(scenario.network.latency, count, places or [0] * count)


def draws(model: object, number: int = 4_000) -> list[int]:
    bits = np.random.default_rng(1).integers(0, 1 << 64, number, dtype=np.uint64)
    latency = latency_of(model)
    return [latency.delay(0, 1, int(each)) for each in bits]


class TestModels:
    def test_constant(self) -> None:
        assert set(draws("10ms", 50)) == {10 * MS}

    def test_uniform_is_between_its_bounds(self) -> None:
        found = draws({"model": "uniform", "low": "10ms", "high": "30ms"})

        assert 10 * MS <= min(found) < 11 * MS
        assert 29 * MS < max(found) <= 30 * MS
        assert fmean(found) == pytest.approx(20 * MS, rel=0.02)

    def test_normal_is_cut_at_its_least(self) -> None:
        found = draws({"model": "normal", "mean": "10ms", "deviation": "5ms", "least": "8ms"})

        assert min(found) == 8 * MS
        assert median(found) == pytest.approx(10 * MS, rel=0.02)

    def test_lognormal_has_its_median(self) -> None:
        found = draws({"model": "lognormal", "median": "20ms", "sigma": 0.5})

        assert median(found) == pytest.approx(20 * MS, rel=0.03)
        assert max(found) > 60 * MS

    def test_pareto_is_above_its_least(self) -> None:
        found = draws({"model": "pareto", "least": "10ms", "alpha": 3.0})

        assert min(found) >= 10 * MS
        assert fmean(found) == pytest.approx(15 * MS, rel=0.05)

    def test_empirical_draws_what_was_measured(self) -> None:
        found = draws({"model": "empirical", "samples": ["5ms", "7ms", "40ms"]}, 500)

        assert {round(each / MS, 2) for each in found} == {5.0, 7.0, 40.0}

    def test_edges_take_the_shortest_path(self) -> None:
        edges = [[0, 1, "10ms"], [1, 2, "10ms"], [0, 2, "50ms"], [2, 3, "1ms"]]
        latency = latency_of({"model": "edges", "edges": edges})

        assert latency.median(0, 2) == 20 * MS
        assert latency.median(3, 0) == 21 * MS

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            ({"model": "edges", "edges": [[0, 1, "1ms"]]}, "no path from node 0 to node 2"),
            ({"model": "edges", "edges": [[0, 9, "1ms"]]}, "is not between nodes 0 … 3"),
            ({"model": "uniform", "low": "2ms", "high": "1ms"}, "low is above high"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, model: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            latency_of(model)

    def test_many_at_once_are_the_same_as_one_by_one(self) -> None:
        latency = latency_of("aws", places=[0, 3, 4, 12])
        bits = np.array([1, 1 << 63, (1 << 64) - 1], dtype=np.uint64)
        targets = np.array([1, 2, 3], dtype=np.int64)

        assert latency.delays(0, targets, bits).tolist() == [
            latency.delay(0, int(target), int(each)) for target, each in zip(targets, bits, strict=True)
        ]


TABLE = "src,dst,p50_oneway_ms,p90_oneway_ms\n"


class TestRegions:
    def test_the_built_in_table_is_complete(self) -> None:
        table = load_regions("aws")

        assert len(table.names) == 15
        assert table.median_ns[table.index("us-east-1")][table.index("eu-west-1")] == 35 * MS
        assert table.median_ns[table.index("eu-west-1")][table.index("us-east-1")] == 35 * MS
        assert all(table.median_ns[index][index] == MS // 2 for index in range(15))

    def test_a_pair_holds_in_both_directions(self) -> None:
        table = parse_regions(TABLE + "a,a,1,1\na,b,20,30\nb,b,1,1\n", "x")
        assert table.names == ("a", "b")
        assert (table.median_ns[0][1], table.p90_ns[1][0]) == (20 * MS, 30 * MS)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("src,dst\n", "no column 'p50_oneway_ms'"),
            (TABLE, "no rows"),
            (TABLE + "a,a,x,1\n", "line 2: not a number"),
            (TABLE + "a,a,1,1\na,b,5,4\n", "line 3: wanted 0 <= p50 <= p90"),
            (TABLE + "a,a,1,1\nb,b,1,1\n", "no row for a, b"),
        ],
    )
    def test_a_bad_table_is_refused_by_line(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            parse_regions(text, "x.csv")

    def test_nodes_are_placed_by_name_and_the_rest_evenly(self) -> None:
        table = parse_regions(TABLE + "a,a,1,1\na,b,1,1\na,c,1,1\nb,b,1,1\nb,c,1,1\nc,c,1,1\n", "x")

        assert place_nodes(table, {"b": 2, "*": 0}, 6) == [1, 1, 0, 0, 2, 2]
        assert place_nodes(table, {"a": 1, "b": 1, "c": 1}, 3) == [0, 1, 2]

    @pytest.mark.parametrize(
        ("regions", "message"),
        [
            ({"nowhere": 4}, "unknown region 'nowhere'; known: us-east-1"),
            ({"us-east-1": 3}, "place 3 nodes, nodes.count is 4"),
        ],
    )
    def test_places_that_do_not_add_up_are_refused(self, regions: dict[str, int], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            place_nodes(load_regions("aws"), regions, 4)
