"""The scenarios in configs/sim: each loads and checks, and the small ones pass."""

from pathlib import Path

import pytest

from sim.cli.root import run
from sim.run import simulate
from sim.scenario.explicit import make_explicit
from sim.scenario.load import load_scenario

FOLDER = Path(__file__).parents[2] / "configs" / "sim"
PROMISED = {
    "quickstart", "wan-50", "wan-100", "wan-200", "lan-1000-linear", "crash-30", "partition-heal", "byzantine-mix",
    "censor", "churn", "slow-disk", "sweep-n", "sweep-rate", "scale",
}  # fmt: skip
FILES = sorted(FOLDER.glob("*.toml"))

SHORT: dict[str, dict[str, object]] = {
    "quickstart": {"time.duration": "5s", "time.warmup": "2s"},
    "partition-heal": {
        "time.duration": "9s", "time.warmup": "1s", "fault.0.at": "2s", "fault.0.for": "1s", "fault.1.at": "5s",
        "fault.1.for": "2s",
    },
    "byzantine-mix": {"time.duration": "5s", "time.warmup": "2s", "workload.rate": 20},
    "censor": {"time.duration": "8s", "time.warmup": "2s", "workload.rate": 20},
    "churn": {"time.duration": "9s", "time.warmup": "1s", "fault.0.at": "1s", "fault.0.for": "7s", "workload.rate": 20},
    "slow-disk": {
        "time.duration": "7s", "time.warmup": "1s", "fault.0.at": "1s", "fault.0.for": "2s", "fault.1.at": "4s",
        "fault.1.for": "2s", "workload.rate": 20,
    },
}  # fmt: skip
"""What is small enough to be run here, and what makes it short."""


def test_all_are_there() -> None:
    assert {path.stem for path in FILES} >= PROMISED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestEach:
    def test_it_says_what_it_is_for_and_how_to_run_it(self, path: Path) -> None:
        scenario = load_scenario(path)
        text = path.read_text()

        assert scenario.name == path.stem
        assert scenario.about
        assert text.startswith("# ")
        assert f"noded-sim {'sweep' if scenario.sweep else 'run'} configs/sim/{path.name}" in text

    def test_it_checks(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["check", str(path), "--explicit"]) == 0
        assert f'name = "{path.stem}"' in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(SHORT))
def test_the_small_ones_pass(name: str) -> None:
    result = simulate(load_scenario(FOLDER / f"{name}.toml", SHORT[name]))

    assert (result.verdict, result.violations) == ("pass", ())
    assert result.blocks_per_s > 0.5
    assert result.finality_ms.p50 is not None


def test_censored_clients_wait_longer_but_not_for_ever() -> None:
    scenario = load_scenario(FOLDER / "censor.toml", {**SHORT["censor"], "time.duration": "10s"})
    result = simulate(scenario)
    victims = make_explicit(scenario).byzantine[0].victims
    assert isinstance(victims, list)
    outcomes = result.driver.outcomes
    waits = {
        is_victim: sorted(
            final - intended
            for gateway, final, intended in zip(
                outcomes.gateway, outcomes.final_ns, outcomes.intended_ns, strict=True
            )
            if (gateway in victims) is is_victim
        )
        for is_victim in (True, False)
    }

    assert result.verdict == "pass"
    assert len(waits[True]) > 20
    late = {key: values[int(0.9 * len(values))] for key, values in waits.items()}
    assert late[True] > late[False]
