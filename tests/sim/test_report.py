"""Reports of runs that have little to report: no transactions, no final block, faulty nodes drawn anew for each size."""

import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from sim.cli.root import CONFIG_INVALID, run
from sim.report.frames import CODE, group, is_measure, load_all, varied_keys
from sim.report.page import draw_all, write_report
from sim.report.run_plots import PER_RUN_MAX
from sim.report.style import Picture, colour, legend_above, make_figure
from sim.results import run_id, save
from sim.run import simulate
from sim.scenario.load import make_scenario

MINI = {
    "name": "mini",
    "time": {"duration": "700ms", "warmup": "200ms"},
    "nodes": {"count": 4},
    "network": {"latency": {"model": "uniform", "low": "10ms", "high": "30ms"}},
    "cpu": {"model": "none"},
    "protocol": {"idle_interval": "0s"},
    "workload": {"model": "none"},
}

NOTHING_FINAL = {"time.warmup": "699ms"}
NOT_BEGUN = {"time.duration": "5ms", "time.warmup": "0s"}
REGIONS = {"network.latency": "aws", "nodes.regions": {"us-east-1": 2, "*": 2}}
STANDING = {"fault": [{"kind": "crash", "at": "0s", "nodes": "first:2"}]}
CUT = {
    "fault": [
        {"kind": "partition", "at": "300ms", "for": "300ms", "groups": [["first:2"], ["*"]]},
        {"kind": "crash", "at": "250ms", "nodes": "first:2"},
    ]
}
THIRD = {
    "fault": [{"kind": "crash", "at": "0s", "nodes": "random:30%"}],
    "protocol.view_timeout": "100ms",
    "time.duration": "1500ms",
}
LOADED = {"workload": {"model": "poisson", "rate": 20, "gateways": 1}}
BUSY = {"workload": {"rate": 20, "gateways": 1, "start": "0s"}, "time.duration": "1500ms"}
MORE = {"nodes.count": 7}


def save_runs(folder: Path, *points: Mapping[str, object]) -> None:
    """Run the small scenario with each point's settings."""
    for point in points:
        scenario = make_scenario(MINI, point)
        save(simulate(scenario), folder / run_id(scenario))


def drawn_and_absent(
    folder: Path, *points: Mapping[str, object]
) -> tuple[dict[str, Picture], dict[str, str]]:
    """The pictures of a report on these points' runs, and why others are not in it."""
    save_runs(folder, *points)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn, absent = draw_all(load_all([folder]))
        for picture in drawn:
            picture.figure.set_layout_engine("none")  # Nobody looks at them here.
            picture.figure.savefig(BytesIO(), format="raw", dpi=20)
    return {picture.name: picture for picture in drawn}, {each.name: each.why for each in absent}


ALWAYS = {"cpu", "timeline"}
OF_BLOCKS = {"finality-cdf", "phases"}


def test_a_run_without_transactions_shows_its_blocks(tmp_path: Path) -> None:
    drawn, absent = drawn_and_absent(tmp_path, {})

    assert set(drawn) == ALWAYS | OF_BLOCKS
    assert absent == {}
    assert "No transaction was submitted" in drawn["finality-cdf"].caption
    assert {row[1] for row in drawn["finality-cdf"].rows} == {"block"}


def test_a_regions_figure_is_the_median_that_the_picture_shows(tmp_path: Path) -> None:
    drawn, _ = drawn_and_absent(tmp_path, REGIONS)

    picture = drawn["finality-by-region"]
    lines = {  # Matplotlib draws a box's median as a line that stands upright, in the middle of its values.
        round(float(np.asarray(line.get_xdata())[0]), 9)
        for line in picture.figure.axes[0].lines
        if line.get_color() == colour(1)
    }
    assert {round(row[1], 9) for row in picture.rows} == lines


@pytest.mark.parametrize("settings", [NOT_BEGUN | REGIONS, STANDING | REGIONS, NOTHING_FINAL | LOADED])
def test_without_a_final_block_it_is_said_what_is_missing(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    drawn, absent = drawn_and_absent(tmp_path, settings)

    assert set(drawn) == ALWAYS
    regions = {"finality-by-region"} if "nodes.regions" in settings else set()
    assert set(absent) == OF_BLOCKS | regions
    assert all(why.startswith("No block") for why in absent.values())


def test_a_fault_from_which_nobody_recovers_is_said(tmp_path: Path) -> None:
    _, absent = drawn_and_absent(tmp_path, CUT)

    assert absent["recovery"] == "No block became final after a fault's end."


def test_sizes_without_transactions_are_compared(tmp_path: Path) -> None:
    drawn, absent = drawn_and_absent(tmp_path, {}, MORE)

    assert set(drawn) == ALWAYS | OF_BLOCKS | {"finality-nodes", "traffic-nodes"}
    assert absent == {}


def test_there_is_a_line_for_each_of_many_points(tmp_path: Path) -> None:
    drawn, _ = drawn_and_absent(tmp_path, *({"nodes.count": n} for n in range(4, 4 + PER_RUN_MAX)))

    assert len({row[0] for row in drawn["finality-cdf"].rows}) == PER_RUN_MAX


def test_sizes_at_which_nothing_is_final_are_said(tmp_path: Path) -> None:
    rates = [
        {**STANDING, **LOADED, "workload.rate": rate, "nodes.count": n} for rate in (1, 2) for n in (3, 4)
    ]
    drawn, absent = drawn_and_absent(tmp_path, *rates)

    assert set(drawn) == ALWAYS | {"throughput-nodes"}
    assert set(absent) == OF_BLOCKS | {"throughput-latency", "finality-nodes", "traffic-nodes"}


def test_a_point_without_a_final_block_is_named(tmp_path: Path) -> None:
    drawn, _ = drawn_and_absent(tmp_path, MORE, STANDING)

    assert "Without a final block, so not drawn: n = 4." in drawn["finality-cdf"].caption
    assert [row[1] for row in drawn["traffic-nodes"].rows] == [7]


def test_faulty_nodes_that_are_drawn_are_no_point_of_comparison(tmp_path: Path) -> None:
    drawn, _ = drawn_and_absent(
        tmp_path, *({**THIRD, "nodes.count": n, "seed": seed} for n, seed in ((7, 1), (7, 2), (10, 1)))
    )

    assert [row[1] for row in drawn["finality-nodes"].rows] == [7, 10]


def test_page_and_plot_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_runs(tmp_path, NOTHING_FINAL)

    page = write_report([tmp_path], tmp_path / "report").read_text()
    assert "No picture finality-cdf: No block became final while figures counted." in page
    assert 'alt="cpu"' in page
    assert run(["plot", str(tmp_path), "--only", "phases"]) == CONFIG_INVALID
    assert "--only phases: No block" in capsys.readouterr().err


def test_nothing_but_seeds_is_averaged(tmp_path: Path) -> None:
    """Two sizes at two routings are four points, in every picture."""
    points = [
        {**BUSY, "nodes.count": n, "protocol.routing": routing, "workload.rate": rate}
        for n in (4, 7)
        for routing in ("all", "linear")
        for rate in (10, 20)
    ]
    drawn, _ = drawn_and_absent(tmp_path, *points)

    for name in ("throughput-latency", "finality-nodes", "throughput-nodes", "traffic-nodes"):
        assert len(drawn[name].rows) == 8
        assert drawn[name].columns[-1] == "protocol.routing"
    over = drawn["over-protocol-routing"]
    assert len(over.rows) == 8
    assert list(over.columns[-2:]) == ["nodes.count", "workload.rate"]


def test_versions_of_the_code_are_told_apart(tmp_path: Path) -> None:
    save_runs(tmp_path, {}, {"seed": 2})
    runs = load_all([tmp_path])
    runs[0].manifest["versions"]["code"] = "another"

    keys = varied_keys(runs)
    assert keys == [CODE]
    assert [len(same) for same in group(runs, keys).values()] == [1, 1]


def test_pictures_are_of_the_blocks_that_figures_are_of(tmp_path: Path) -> None:
    """What is final before the warm-up or while everything heals counts in neither."""
    save_runs(tmp_path, {"time.heal": "2s", **STANDING, "fault.0.at": "500ms"})
    (saved,) = load_all([tmp_path])
    blocks = saved.table("blocks")
    counted = blocks.filter(blocks["final_ns"].is_between(200_000_000, 700_000_000))
    drawn, _ = draw_all([saved])

    picture = next(each for each in drawn if each.name == "finality-cdf")
    assert 0 < len(counted) < len(blocks.filter(blocks["proposed_ns"] >= 200_000_000))
    assert len([row for row in picture.rows if row[1] == "block"]) == len(counted)
    assert len(counted) == round(saved.summary["blocks_per_s"] * 0.5)


def test_a_point_with_unfinished_transactions_is_hollow(tmp_path: Path) -> None:
    points = [{**BUSY, "workload.rate": rate} for rate in (20, 40)]
    save_runs(tmp_path, *points)
    runs = load_all([tmp_path])
    shares = [saved.summary["tx_unfinished"] for saved in runs]
    for saved, share in zip(runs, (0.0, 0.9), strict=True):
        saved.summary["tx_unfinished"] = share
    drawn, _ = draw_all(runs)

    assert all(0 < share < 0.5 for share in shares)  # What came in the last tenth of a second.
    picture = next(each for each in drawn if each.name == "throughput-latency")
    assert "Hollow: more than 5%" in picture.caption
    hollow = [line for line in picture.figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1


def test_a_legend_of_long_labels_has_fewer_columns(tmp_path: Path) -> None:
    figure, (axes,) = make_figure()
    for number in range(6):
        axes.plot([0], [0], label=f"{number}: a label of some forty letters, as they are")
    legend_above(figure, axes, columns=3)
    figure.canvas.draw()

    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_scenarios_of_several_names_are_told_apart_by_name_alone(tmp_path: Path) -> None:
    """What their other keys are follows from the name; keys that vary under one name count besides."""
    cut = {"name": "cut", "time.duration": "900ms", **STANDING, "fault.0.at": "800ms"}
    save_runs(tmp_path, {}, {"seed": 2}, cut)
    runs = load_all([tmp_path])

    assert varied_keys(runs) == ["name"]
    assert [len(same) for same in group(runs, ["name"]).values()] == [1, 2]
    save_runs(tmp_path, MORE)
    assert varied_keys(load_all([tmp_path])) == ["name", "nodes.count"]


def test_a_picture_has_a_name_that_every_shell_takes(tmp_path: Path) -> None:
    drawn, _ = drawn_and_absent(
        tmp_path, *({"network.latency": "aws", "nodes.regions": {"*": rest}} for rest in (0, 4))
    )

    assert "over-nodes-regions-rest" in drawn


def test_durations_and_rates_stand_in_their_order(tmp_path: Path) -> None:
    points = [{"network.latency": "10ms", "disk.fsync": fsync} for fsync in ("10ms", "2ms", "1ms", "500us")]
    save_runs(tmp_path, *points)
    runs = load_all([tmp_path])

    assert [value for (value,) in group(runs, ["disk.fsync"])] == ["500us", "1ms", "2ms", "10ms"]
    assert all(map(is_measure, ("500us", "1Gbit", "unlimited", 3, 0.5, True)))
    assert not any(map(is_measure, ("linear", None, "aws")))


def test_a_mean_over_some_runs_only_says_so(tmp_path: Path) -> None:
    """Runs in which nothing became final would otherwise be left out unseen."""
    save_runs(tmp_path, {}, {"seed": 2, **STANDING})

    page = write_report([tmp_path], tmp_path / "report").read_text()
    assert page.count("(1 of 2)</td>") == 5  # Three quantiles, messages and bytes a block.
