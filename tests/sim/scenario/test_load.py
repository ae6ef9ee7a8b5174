"""Reading scenarios: units, overrides, and errors that name the key."""

from pathlib import Path
from typing import Any

import pytest

from noded.errors import ConfigError
from sim.scenario.acts import Serve
from sim.scenario.dump import dump_scenario
from sim.scenario.explicit import founding_nodes, make_explicit
from sim.scenario.load import load_scenario, make_scenario, parse_override
from sim.scenario.network import Regions

PLAIN: dict[str, Any] = {"name": "x", "nodes": {"count": 4}}
FOLDER = Path(__file__).parents[3] / "configs" / "sim"


class TestErrors:
    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ({"workload.rat": 5}, "unknown key 'workload.rat'; the nearest known one is 'rate'"),
            ({"duration": "10s"}, "unknown key 'duration'; the nearest known one is 'time.duration'"),
            ({"time.seed": 5}, "unknown key 'time.seed'; the nearest known one is 'seed'"),
            ({"nodes.model": "none"}, "the nearest known one is 'cpu.model' or 'workload.model'"),
            ({"protcol": {}}, "unknown key 'protcol'; the nearest known one is 'protocol'"),
            ({"network.latency": {"model": "uniform", "low": "1ms", "hihg": "2ms"}}, "nearest known one is 'high'"),
            (
                {"fault": [{"kind": "crash", "at": "1s", "node": [1]}]},
                "unknown key 'fault.0.node'; the nearest known one is 'nodes'",
            ),
            (
                {"act": [{"kind": "admit", "at": "1s", "nodes": [1], "voter": [2]}]},
                "unknown key 'act.0.voter'; the nearest known one is 'voters'",
            ),
            ({"act": [{"kind": "remove", "nodes": [1]}]}, "act.0.at: field required"),
            ({"nodes.count": 0}, "nodes.count: input should be greater than or equal to 1"),
            ({"time.duration": 5}, "time.duration: 5 needs a unit, as in '600ms'"),
            ({"time.duration": "5 parsecs"}, "time.duration"),
            ({"network.up": "fast"}, "network.up"),
            ({"byzantine": [{"behaviour": "mean", "nodes": 1}]}, "byzantine.0.behaviour"),
            ({"fault": [{"at": "1s", "nodes": 1}]}, "fault.0: no kind, which says what the other keys mean"),
            ({"network.latency": {"sigma": 1}}, "network.latency: no model, which says what the other keys mean"),
            ({"time": {"duration": "5s", "warmup": "6s"}}, "time: warmup 6s leaves nothing of duration 5s to count"),
            ({"time.duration": "99999h"}, "time.duration: 99999h is more than 8760h"),
            ({"clock.offset": "-99999h"}, "clock.offset: -99999h is more than 8760h"),
            ({"protocol.block_interval": "1h"}, "protocol.block_interval: 1h is more than 10min"),
            ({"workload.rate": float("inf")}, "workload.rate: input should be a finite number"),
            ({"workload.rate": 1e12}, "workload.rate: input should be less than or equal to 1000000"),
            ({"workload.mix": {}}, "workload.mix: no kind has any weight"),
            ({"workload.mix": {"record": 0.0}}, "workload.mix: no kind has any weight"),
            ({"nodes.slow": {"*": float("inf")}}, "nodes.slow.*: input should be a finite number"),
            (
                {"byzantine": [{"behaviour": "oscillate", "nodes": 1, "period": "0s"}]},
                "byzantine.0.period: input should be greater than 0",
            ),
            (
                {"fault": [{"kind": "skew", "at": "1s", "nodes": 1, "offset": "1s", "drift_ppm": 1e12}]},
                "fault.0.drift_ppm: input should be less than or equal to 10000",
            ),
            ({"sweep": {"seeds": 1_000_000_000}}, "sweep.seeds: input should be less than or equal to 10000"),
            ({"name": "../elsewhere"}, "name: string should match"),
        ],
    )  # fmt: skip
    def test_they_name_the_key_and_the_way_out(self, override: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            make_scenario(PLAIN, override)

        assert message in str(caught.value)

    def test_they_name_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.toml"
        path.write_text("name = \n")

        with pytest.raises(ConfigError, match=r"bad\.toml"):
            load_scenario(path)


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("nodes.count=50", ("nodes.count", 50)),
            ("protocol.reputation=false", ("protocol.reputation", False)),
            ("time.duration=20s", ("time.duration", "20s")),
            ('network.latency={ model = "constant", delay = "1ms" }',
             ("network.latency", {"model": "constant", "delay": "1ms"})),
        ],
    )  # fmt: skip
    def test_values_are_toml_or_text(self, text: str, value: tuple[str, object]) -> None:
        assert parse_override(text) == value

    def test_without_a_value_it_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="wanted key=value"):
            parse_override("nodes.count")

    def test_they_are_left_as_they_are(self) -> None:
        faults = [{"kind": "crash", "at": "1s", "nodes": [1]}]
        make_scenario(PLAIN, {"fault": faults, "fault.0.at": "2s"})

        assert faults[0]["at"] == "1s"

    def test_a_number_selects_from_a_list(self) -> None:
        plain = {**PLAIN, "fault": [{"kind": "crash", "at": "1s", "nodes": [1]}]}

        assert make_scenario(plain, {"fault.0.at": "2s"}).fault[0].at == 2_000_000_000
        with pytest.raises(ConfigError, match="no item '1' in a list of 1"):
            make_scenario(plain, {"fault.1.at": "2s"})


class TestShares:
    @pytest.mark.parametrize("nodes", ["random:20%", "power:0.2"])
    def test_one_too_small_for_a_node_is_refused(self, nodes: str) -> None:
        """A fault that nobody has would do nothing, and nothing would say so."""
        with pytest.raises(ConfigError, match=f"byzantine.0.nodes: '{nodes}' of 4 nodes is nobody"):
            make_explicit(make_scenario(PLAIN, {"byzantine": [{"behaviour": "silent", "nodes": nodes}]}))

    @pytest.mark.parametrize("nodes", ["random:0%", "power:0", "random:0"])
    def test_none_may_be_meant(self, nodes: str) -> None:
        bad = [{"behaviour": "silent", "nodes": nodes}]

        assert make_explicit(make_scenario(PLAIN, {"byzantine": bad})).byzantine[0].nodes == []


class TestFounders:
    def test_who_is_admitted_first_is_none(self) -> None:
        acts = [
            {"kind": "admit", "at": "9s", "nodes": [1, 3]},
            {"kind": "remove", "at": "5s", "nodes": [1], "voters": "first:2"},
        ]
        explicit = make_explicit(make_scenario(PLAIN, {"act": acts}))

        assert founding_nodes(explicit) == [0, 1, 2]
        assert [act.voters for act in explicit.act if not isinstance(act, Serve)] == [[0, 1, 2, 3], [0, 1]]

    def test_without_any_a_scenario_is_refused(self) -> None:
        everybody = {"kind": "admit", "at": "1s", "nodes": "*"}

        with pytest.raises(
            ConfigError, match="act: all 4 nodes are admitted later, so nobody founds the chain"
        ):
            make_explicit(make_scenario(PLAIN, {"act": [everybody]}))


def test_text_for_a_latency_is_a_constant_or_a_table() -> None:
    assert make_scenario(PLAIN, {"network.latency": "7ms"}).network.latency.model == "constant"
    latency = make_scenario(PLAIN, {"network.latency": "mine.csv"}).network.latency
    assert isinstance(latency, Regions)
    assert latency.table == "mine.csv"


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.toml")), ids=lambda path: path.stem)
def test_what_is_written_is_read_back(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path)
    again = tmp_path / path.name
    again.write_text(dump_scenario(scenario))

    assert load_scenario(again) == scenario
