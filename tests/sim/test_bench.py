"""`noded-sim bench`: small measurements of each kind."""

import json

import pytest

from noded.errors import ConfigError
from sim.bench import measure_engine, measure_scenario
from sim.cli import bench
from sim.cli.root import run


def test_the_engine_delivers_every_message_once_and_the_same_every_time() -> None:
    first, second = measure_engine(20, 3), measure_engine(20, 3)

    assert first.messages == 20 * 19 * 3
    assert first.messages_per_s > 0
    assert first.event_hash == second.event_hash


def test_a_profile_says_where_all_of_the_time_goes() -> None:
    found = measure_scenario("quickstart", 1.0, is_profiled=True)

    assert found.simulated_s == 1.0
    assert found.speed > 0
    assert found.messages > 0
    assert found.profile is not None
    assert sum(found.profile.places.values()) == pytest.approx(100, abs=0.01)
    assert {"noded.consensus", "noded.node", "sim.host", "builtins"} <= set(found.profile.places)
    shares = [share for _, share, _ in found.profile.functions]
    assert shares == sorted(shares, reverse=True)


def test_it_prints_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "SCENARIOS", ("quickstart",))
    arguments = ["bench", "--nodes", "10", "--rounds", "2", "--seconds", "0.5", "--output", "json"]
    assert run(arguments) == 0

    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["machine", "start", "engine", "quickstart"]
    assert found["machine"]["cores"] >= 1
    assert found["start"]["cpu_s"] > 0
    assert found["engine"]["messages"] == 10 * 9 * 2
    assert found["quickstart"]["simulated_s"] == 0.5
    assert found["quickstart"]["profile"] is None


def test_text_names_the_machine_and_the_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--only", "engine", "--nodes", "10", "--rounds", "2"]) == 0

    machine, engine = capsys.readouterr().out.splitlines()
    assert machine.startswith("processor ")
    assert engine.startswith("engine: ")
    assert engine.endswith(" messages a second to 10 nodes that do nothing")


def test_a_scenario_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no-such\.toml: no such file"):
        measure_scenario("no-such", 1.0, is_profiled=False)
