"""
Planted bugs of consensus: the swarm finds each, `shrink` makes of it a few faults, and that replays.

The small scenarios of `tests/sim/planted/` are what `shrink` left of scenarios that the swarm drew; but for two that
were made by hand, of a liar alone (unbound parent view) and of losses alone (switch on a notarized terminal block).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from sim.checkers.certificates import Certificates
from sim.cli.root import VERDICT_CODES, run
from sim.run import simulate
from sim.scenario.load import load_scenario
from tests.helpers.planted import PLANTS, plant

SMALL = Path(__file__).parent / "planted"

FAULTS_MAX = 5

CLAIMS = {
    "half quorum": "agreement",
    "finalize after nullify": "singlevotes",
    "nullification not required": "agreement",
    "two N votes": "singlevotes",
    "unbound parent view": "health",
    "switch on a notarized terminal block": "agreement",
}
"""By bug: the claim that does not hold. Of a fork either correct nodes disagree, or one sees two finalizations and halts."""

SEEDS = {
    "half quorum": 15,
    "finalize after nullify": 0,
    "two N votes": 33,
    "unbound parent view": 141,
}
"""Seeds of the swarm in which a bug shows; the other two are too rare to be looked for here."""


def path_of(bug: str) -> Path:
    return SMALL / f"{bug.replace(' ', '-')}.toml"


def plant_here(bug: str, patch: pytest.MonkeyPatch) -> None:
    """Plant a bug where the simulator looks for what it does, not for what it is."""
    plant(bug, patch)
    if bug == "half quorum":  # Each certificate gives it away; what is looked for is the fork.
        patch.setattr(Certificates, "sent", lambda self, host, targets, parcel: None)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """Exit code and JSON of a command."""
    capsys.readouterr()
    code = run([*map(str, arguments), "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_every_bug_is_looked_for() -> None:
    assert list(CLAIMS) == list(PLANTS)
    assert sorted(SMALL.iterdir()) == sorted(map(path_of, CLAIMS))


@pytest.mark.parametrize("bug", CLAIMS)
def test_small_scenario_shows_the_bug_and_nothing_without_it(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = load_scenario(path_of(bug))
    assert len(scenario.fault) + len(scenario.byzantine) <= FAULTS_MAX
    with monkeypatch.context() as patch:
        plant_here(bug, patch)
        first = simulate(scenario).violations[0]
    assert first.checker == CLAIMS[bug]

    assert simulate(scenario).verdict == "pass"


def test_half_quorum_is_seen_in_certificates_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plant("half quorum", monkeypatch)

    assert simulate(load_scenario(path_of("half quorum"))).violations[0].checker == "certificates"


@pytest.mark.slow
@pytest.mark.parametrize("bug", SEEDS)
def test_swarm_finds_the_bug_and_shrink_makes_it_small(
    bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim, seed = CLAIMS[bug], SEEDS[bug]
    small = tmp_path / "small.toml"
    with monkeypatch.context() as patch:
        plant_here(bug, patch)
        code, found = told(capsys, "swarm", "--seed", seed, "--count", 1, "--jobs", 1, "--runs", tmp_path)
        assert code == VERDICT_CODES["crashed" if claim == "health" else "violated"]
        (failure,) = found["failures"]
        assert failure["detail"].startswith(claim)
        assert run(["shrink", failure["run"], "--to", str(small)]) == 0
        shrunk = load_scenario(small)
        assert len(shrunk.fault) + len(shrunk.byzantine) <= FAULTS_MAX
        code, replayed = told(capsys, "run", small, "--no-save")
        assert code == VERDICT_CODES["crashed" if claim == "health" else "violated"]
        assert replayed["violations"][0]["checker"] == claim
        assert told(capsys, "run", small, "--no-save")[1]["event_hash"] == replayed["event_hash"]

    assert told(capsys, "run", small, "--no-save")[0] == VERDICT_CODES["pass"]
