"""Sweeps: what they consist of, shards, resuming after SIGKILL, Dask."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noded.errors import ConfigError
from sim.cli.root import CONFIG_INVALID, run
from sim.report.frames import group, varied_keys
from sim.results import Saved, find_runs, run_id, versions
from sim.scenario.explicit import make_explicit
from sim.scenario.load import load_scenario, make_scenario
from sim.scenario.model import Scenario
from sim.sweep import begin, expand, jobs_of, parse_shard, reopen
from tests.helpers.simulation import small

SCENARIO = """
name = "tiny"
[time]
duration = "1500ms"
warmup = "300ms"
[nodes]
count = 4
[network]
latency = "20ms"
[cpu]
model = "none"
[protocol]
idle_interval = "0s"
[workload]
rate = 10
gateways = 2
[sweep]
grid = { "nodes.count" = [4, 5, 6] }
seeds = 4
"""
RUNS = 12

KILL_WAIT_S = 120.0


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return path


class TestExpanding:
    def test_every_combination_with_every_seed(self, tiny: Path) -> None:
        runs = expand(load_scenario(tiny))

        assert [(each.seed, each.nodes.count) for each in runs] == [
            (seed, count) for seed in (1, 2, 3, 4) for count in (4, 5, 6)
        ]
        assert len({run_id(each) for each in runs}) == RUNS

    def test_without_a_grid_it_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"no \[sweep\]"):
            expand(small())

    def test_a_combination_that_is_no_scenario_is_named(self) -> None:
        plain = {**small().plain(), "sweep": {"grid": {"nodes.cuont": [1]}}}

        with pytest.raises(ConfigError, match=r"unknown key 'nodes.cuont'; the nearest known one is 'count'"):
            expand(make_scenario(plain))

    @pytest.mark.parametrize("grid", [{"nodes.count": [4, 5, 4]}, {"seed": [1, 2]}, {"sweep.seeds": [1, 2]}])
    def test_combinations_that_are_the_same_run_are_refused(self, grid: dict[str, list[object]]) -> None:
        """Two processes would write to one folder, and one run would count twice."""
        with pytest.raises(ConfigError, match=r"sweep.grid: .* is the same run as another combination"):
            expand(make_scenario({**small().plain(), "sweep": {"grid": grid, "seeds": 1}}))

    def test_shards_part_the_runs_among_them(self, tiny: Path, tmp_path: Path) -> None:
        scenario = load_scenario(tiny)
        parts = [jobs_of(scenario, tmp_path, parse_shard(f"{number}/3"))[0] for number in (1, 2, 3)]

        folders = [job.folder for part in parts for job in part]
        assert sorted(folders) == sorted(job.folder for job in jobs_of(scenario, tmp_path)[0])
        assert len(folders) == len(set(folders)) == RUNS

    @pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0"])
    def test_a_bad_shard_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match="wanted i/N"):
            parse_shard(text)

    def test_other_costs_make_another_run(self, tmp_path: Path) -> None:
        table = tmp_path / "costs.toml"
        ids = []
        for price in (1, 2):
            table.write_text(f"[cost]\nverify = [0, {price}]\n")
            ids.append(run_id(small(cpu__model="costs", cpu__costs=str(table))))

        assert ids[0] != ids[1]


class TestFolder:
    """A folder has one sweep, which may grow; none takes the place of another."""

    def sweep(self, **values: object) -> Scenario:
        return make_scenario(
            {**small().plain(), "sweep": {"grid": {"nodes.count": [4, 5]}, "seeds": 2}}, values
        )

    def test_another_sweep_is_refused_and_the_first_stays(self, tmp_path: Path) -> None:
        first = self.sweep()
        begin(first, tmp_path)

        for other in (self.sweep(**{"time.duration": "4s"}), self.sweep(**{"sweep.seeds": 1})):
            with pytest.raises(
                ConfigError, match=r"has another sweep \(they differ in: (time|sweep)\); give --runs"
            ):
                begin(other, tmp_path)
        assert reopen(tmp_path) == first
        assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]

    @pytest.mark.parametrize("more", [{"sweep.seeds": 3}, {"sweep.grid": {"nodes.count": [6, 5, 4]}}])
    def test_it_may_grow(self, tmp_path: Path, more: dict[str, object]) -> None:
        begin(self.sweep(), tmp_path)
        begin(self.sweep(**more), tmp_path)

        assert reopen(tmp_path) == self.sweep(**more)

    @pytest.mark.parametrize("text", ['{"name": "ti', '{"name": 5}'])
    def test_what_is_no_sweep_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "sweep.json").write_text(text)

        with pytest.raises(ConfigError, match=r"sweep\.json: "):
            reopen(tmp_path)


class TestPoints:
    """Which runs the report takes together, and which apart."""

    def saved(self, folder: Path, grid: dict[str, list[object]]) -> list[Saved]:
        spec = {"behaviour": "silent", "nodes": "random:1", "period": "1s"}
        scenario = small(byzantine=[spec], sweep={"grid": grid, "seeds": 2})
        begin(scenario, folder)
        manifest = {"versions": versions()}
        return [Saved(folder / run_id(each), make_explicit(each), manifest) for each in expand(scenario)]

    def test_a_swept_key_of_a_fault_tells_them_apart(self, tmp_path: Path) -> None:
        runs = self.saved(tmp_path, {"byzantine.0.period": ["1s", "3s"]})
        keys = varied_keys(runs)

        assert keys == ["byzantine.0.period"]
        assert [(values, len(same)) for values, same in group(runs, keys).items()] == [
            (("1s",), 2),
            (("3s",), 2),
        ]

    def test_what_is_drawn_from_the_seed_does_not(self, tmp_path: Path) -> None:
        runs = self.saved(tmp_path, {"nodes.count": [7, 10]})

        assert len({repr(run.scenario.byzantine) for run in runs}) > 2
        assert varied_keys(runs) == ["nodes.count"]


def test_a_killed_sweep_goes_on_where_it_was(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.parent / "runs"
    arguments = ["sweep", str(tiny), "--runs", str(folder), "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from sim.cli import main; main()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + KILL_WAIT_S
    while len(find_runs(folder)) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {place: (place / "manifest.json").stat().st_mtime_ns for place in find_runs(folder)}
    assert 2 <= len(before) < RUNS

    assert run(["resume", str(folder), "--jobs", "1", "--output", "json"]) == 0

    done = json.loads(capsys.readouterr().out)
    assert done["runs"] == RUNS
    assert done["new"] == RUNS - len(before)
    assert done["verdicts"] == {"pass": done["new"]}
    assert len(find_runs(folder)) == RUNS
    assert all((place / "manifest.json").stat().st_mtime_ns == at for place, at in before.items())
    assert (folder / "report" / "report.html").exists()
    assert run([*arguments, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0


def test_processes_give_the_same_runs(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hashes = []
    for name, jobs in (("one", "1"), ("two", "2")):
        folder = tiny.parent / name
        shard = ["--shard", "1/6", "--jobs", jobs, "--no-report"]
        assert run(["sweep", str(tiny), "--runs", str(folder), *shard]) == 0
        hashes.append(
            {
                place.name: json.loads((place / "manifest.json").read_text())["summary"]["event_hash"]
                for place in find_runs(folder)
            }
        )

    assert len(hashes[0]) == 2
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_dask_does_the_runs_of_a_cluster(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed")
    folder = tiny.parent / "dask"
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        arguments = ["--dask", cluster.scheduler_address, "--shard", "1/4", "--output", "json"]
        assert run(["sweep", str(tiny), "--runs", str(folder), *arguments]) == 0

    done = json.loads(capsys.readouterr().out)
    assert done["verdicts"] == {"pass": 3}
    assert len(find_runs(folder)) == 3


@pytest.mark.slow
def test_dask_workers_that_stand_elsewhere_write_to_the_same_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        monkeypatch.chdir(tiny.parent)
        arguments = ["--dask", cluster.scheduler_address, "--shard", "1/12", "--no-report"]
        assert run(["sweep", tiny.name, "--runs", "dask", *arguments]) == 0

    assert len(find_runs(tiny.parent / "dask")) == 1


@pytest.mark.parametrize("address", ["nowhere", "pigeon://nest:1"])
def test_what_is_no_scheduler_is_named(tiny: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    pytest.importorskip("distributed")

    arguments = ["--runs", str(tiny.parent / "dask"), "--dask", address]
    assert run(["sweep", str(tiny), *arguments]) == CONFIG_INVALID
    assert f"error: --dask {address}: " in capsys.readouterr().err
