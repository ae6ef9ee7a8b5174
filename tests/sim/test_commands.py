"""The commands of noded-sim, as a researcher gives them."""

import json
from pathlib import Path

import pytest

from sim.cli.root import CONFIG_INVALID, FAILED, run
from sim.results import find_runs

KEYS = [
    "verdict", "event_hash", "blocks_per_s", "tx_per_s", "finality_ms", "tx_finality_ms", "tx_unfinished",
    "messages", "messages_per_block", "bytes_per_block", "simulated_s", "wall_s", "violations",
]  # fmt: skip

SCENARIO = """
name = "mini"
about = "a small sweep"
[time]
duration = "2500ms"
warmup = "500ms"
[nodes]
count = 4
[network]
latency = { model = "uniform", low = "10ms", high = "30ms" }
[cpu]
model = "none"
[protocol]
idle_interval = "0s"
[workload]
rate = 20
gateways = 2
"""
SWEEP = """
[sweep]
grid = { "nodes.count" = [4, 5], "workload.rate" = [10, 30] }
seeds = 2
"""
FAULT = """
[[fault]]
kind = "partition"
at = "800ms"
for = "500ms"
groups = [["first:2"], ["*"]]
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario, a sweep, and their runs."""
    folder = tmp_path_factory.mktemp("research")
    (folder / "mini.toml").write_text(SCENARIO + FAULT)
    (folder / "sweep.toml").write_text(SCENARIO + SWEEP)
    assert run(["run", str(folder / "mini.toml"), "--runs", str(folder / "runs"), "--output", "json"]) == 0
    arguments = ["--runs", str(folder / "sweep"), "--jobs", "1", "--output", "json"]
    assert run(["sweep", str(folder / "sweep.toml"), *arguments]) == 0
    return folder


def only_run(work: Path) -> Path:
    (found,) = find_runs(work / "runs")
    return found


class TestRun:
    def test_json_is_one_object_with_exactly_these_keys(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["run", str(work / "mini.toml"), "--no-save", "--output", "json"]) == 0

        printed = capsys.readouterr()
        figures = json.loads(printed.out)
        assert list(figures) == KEYS
        assert list(figures["finality_ms"]) == list(figures["tx_finality_ms"]) == ["p50", "p95", "p99"]
        assert figures["verdict"] == "pass"
        assert figures["violations"] == []
        assert printed.err == ""

    def test_text_names_the_scenario_and_its_figures(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["run", str(work / "mini.toml"), "--no-save", "--seed", "3"]) == 0

        printed = capsys.readouterr().out
        assert "scenario    mini, seed 3" in printed
        assert "verdict     pass" in printed

    def test_the_exit_status_says_the_verdict(self, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        silent = '[{ behaviour = "silent", nodes = [0, 1] }]'
        arguments = ["--set", f"byzantine={silent}", "--set", "time.heal=2s", "--no-save", "--output", "json"]

        assert run(["run", str(work / "mini.toml"), *arguments]) == 12
        assert json.loads(capsys.readouterr().out)["verdict"] == "model-violated"

    def test_a_table_of_latencies_replaces_the_regions(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = work / "mine.csv"
        table.write_text(
            "src,dst,p50_oneway_ms,p90_oneway_ms\nhere,here,1,1\nhere,there,80,81\nthere,there,1,1\n"
        )
        arguments = ["--latency-csv", str(table), "--no-save", "--output", "json"]
        split = ["--set", 'nodes.regions={ "here" = 2, "there" = 2 }']
        together = ["--set", 'nodes.regions={ "here" = 4 }']
        waits = []
        for regions in (split, together):
            assert run(["run", str(work / "mini.toml"), *arguments, *regions]) == 0
            waits.append(json.loads(capsys.readouterr().out)["finality_ms"]["p50"])

        assert waits[0] > 160 > 20 > waits[1]
        wrong = ["--set", 'nodes.regions={ "us-east-1" = 4 }']
        assert run(["run", str(work / "mini.toml"), *arguments, *wrong]) == CONFIG_INVALID
        assert "unknown region 'us-east-1'; known: here, there" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["run", "sweep"])
    def test_a_place_that_takes_no_results_is_named_before_anything_runs(
        self, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        """Hours of a run are not lost to a folder that cannot be written."""
        monkeypatch.setattr("sim.run.simulate", None)
        place = work / "sweep.toml" / "runs"

        assert run([command, str(work / "sweep.toml"), "--runs", str(place)]) == FAILED
        assert f"error: {place}: Not a directory; check the folder" in capsys.readouterr().err

    def test_a_wrong_key_is_named_with_the_nearest(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["run", str(work / "mini.toml"), "--set", "workload.rat=3"]) == CONFIG_INVALID
        assert "unknown key 'workload.rat'; the nearest known one is 'rate'" in capsys.readouterr().err


class TestSaved:
    def test_a_run_that_kept_going_is_replayed_to_its_end(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runs = work / "kept"
        arguments = ["--runs", str(runs), "--keep-going", "--set", "check.queue_max=1", "--output", "json"]
        assert run(["run", str(work / "mini.toml"), *arguments]) == 11
        first = json.loads(capsys.readouterr().out)

        assert run(["replay", str(find_runs(runs)[0]), "--output", "json"]) == 11
        again = json.loads(capsys.readouterr().out)
        assert again["is_same"] is True
        assert again["simulated_s"] == first["simulated_s"] == 2.5

    def test_a_file_that_has_changed_is_the_reason_for_another_run(
        self, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table, runs = work / "changing.toml", work / "changed"
        table.write_text("[cost]\nverify = [0, 1]\n")
        costs = ["--set", f'cpu={{ model = "costs", costs = "{table}" }}']
        assert run(["run", str(work / "mini.toml"), *costs, "--runs", str(runs)]) == 0
        table.write_text("[cost]\nverify = [0, 9_000_000]\n")

        assert run(["replay", str(find_runs(runs)[0])]) == FAILED
        assert "; the files that the scenario names have changed since" in capsys.readouterr().out

    def test_replay_gives_the_same_hash(self, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["replay", str(only_run(work)), "--output", "json"]) == 0

        figures = json.loads(capsys.readouterr().out)
        assert figures["is_same"] is True
        assert figures["event_hash"] == figures["replayed_event_hash"]

    def test_replay_fails_when_something_else_happens(
        self, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = json.loads((only_run(work) / "manifest.json").read_text())
        manifest["scenario"]["seed"] += 1
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))

        assert run(["replay", str(tmp_path)]) == 1
        assert "another run" in capsys.readouterr().out

    def test_a_report_of_a_run_has_its_faults(self, work: Path) -> None:
        to = work / "one"
        assert run(["report", str(work / "runs"), "--to", str(to)]) == 0

        page = (to / "report.html").read_text()
        for name in ("finality-cdf", "timeline", "recovery", "phases", "cpu"):
            assert (to / f"{name}.pdf").read_bytes().startswith(b"%PDF")
            assert (to / f"{name}.png").stat().st_size > 5_000
            assert f'alt="{name}"' in page
        header, row, *_ = (to / "recovery.csv").read_text().splitlines()
        assert header == "fault,start_s,end_s,recovery_ms,longest_gap_ms"
        assert row.startswith("partition,0.8,1.3,")

    def test_a_report_of_a_sweep_compares_its_points(self, work: Path) -> None:
        folder = work / "sweep" / "report"

        page = (folder / "report.html").read_text()
        for name in ("throughput-latency", "finality-nodes", "throughput-nodes", "traffic-nodes"):
            assert f'alt="{name}"' in page
            assert len((folder / f"{name}.csv").read_text().splitlines()) == 5
        assert "8 runs" in page
        assert "data:image/png;base64," in page

    def test_plot_draws_what_is_asked_for(self, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        to = work / "plots"
        assert run(["plot", str(work / "sweep"), "--only", "traffic-nodes", "--to", str(to)]) == 0

        assert sorted(path.name for path in to.iterdir()) == [
            "traffic-nodes.csv", "traffic-nodes.pdf", "traffic-nodes.png",
        ]  # fmt: skip
        assert run(["plot", str(work / "sweep"), "--only", "nothing", "--to", str(to)]) == CONFIG_INVALID
        assert "these runs have throughput-latency" in capsys.readouterr().err

    def test_compare_pairs_equal_seeds(self, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        slower = ["--set", 'network.latency={ model = "uniform", low = "30ms", high = "90ms" }']
        arguments = [
            "--runs",
            str(work / "slow"),
            "--jobs",
            "1",
            "--shard",
            "1/2",
            "--no-report",
            "--output",
            "json",
        ]
        assert run(["sweep", str(work / "sweep.toml"), *slower, *arguments]) == 0
        capsys.readouterr()
        assert run(["compare", str(work / "sweep"), str(work / "slow"), "--output", "json"]) == 0

        found = {each["figure"]: each for each in json.loads(capsys.readouterr().out)["differences"]}
        finality = found["finality_ms.p50"]
        assert finality["pairs"] == 4
        assert not finality["is_clear"]  # Four pairs are too few.
        assert 2 < finality["ratio_low"] <= finality["ratio"] <= finality["ratio_high"] < 4
        assert run(["compare", str(work / "sweep"), str(work / "sweep"), "--output", "json"]) == 0
        assert not any(each["is_clear"] for each in json.loads(capsys.readouterr().out)["differences"])

    def test_trace_holds_the_steps_of_its_window(self, work: Path) -> None:
        to = work / "trace.json"
        window = ["--at", "1s", "--for", "200ms", "--to", str(to)]
        assert run(["trace", str(work / "mini.toml"), *window]) == 0

        events = json.loads(to.read_text())["traceEvents"]
        steps = [event for event in events if event["ph"] == "X"]
        assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {
            f"node {number}" for number in range(4)
        }
        assert len(steps) > 10
        assert all(1_000_000 <= event["ts"] <= 1_200_000 for event in steps)


def test_the_schema_knows_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0

    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) >= {
        "time",
        "nodes",
        "network",
        "workload",
        "fault",
        "byzantine",
        "sweep",
    }
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "nodes"]


def test_check_spells_out_what_a_seed_draws(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(work / "mini.toml"), "--explicit", "--output", "json"]) == 0

    plain = json.loads(capsys.readouterr().out)
    assert plain["fault"][0]["groups"] == [[0, 1], [2, 3]]
    assert plain["protocol"]["epoch_length"] == 120


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('cpu={ model = "costs", costs = "nowhere" }', "cpu.costs nowhere: "),
        ("workload.model=trace", "workload.trace: the model 'trace' needs a file"),
        ('network.latency={ model = "uniform", low = "2ms", high = "1ms" }', "low is above high"),
        ("nodes.slow.anybody=2", "nodes.slow: unknown selector 'anybody'"),
        ('sweep.grid={ "nodes.cuont" = [4] }', "unknown key 'nodes.cuont'"),
    ],
)
def test_check_finds_what_a_run_would_stumble_over(
    work: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    assert run(["check", str(work / "mini.toml"), "--set", override]) == CONFIG_INVALID
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("window", [("-1s", "1s"), ("1s", "0s")])
def test_a_window_without_time_is_refused(
    work: Path, capsys: pytest.CaptureFixture[str], window: tuple[str, str]
) -> None:
    assert run(["trace", str(work / "mini.toml"), "--at", window[0], "--for", window[1]]) == CONFIG_INVALID
    assert "a window begins at 0s or later" in capsys.readouterr().err
