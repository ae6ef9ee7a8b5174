"""Prices measured here, and figures of others beside the simulator's."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from noded.errors import ConfigError
from sim.calibrate import fit, measure_core
from sim.cli.validate import describe
from sim.costs_file import Machine, dump_costs, load_machine, table_of
from sim.daemons import (
    CALIBRATION_RATES,
    CLOSED,
    NODES,
    SLOT_S,
    BenchFailed,
    Real,
    Shell,
    closed_load,
    machine_of,
    measure_shell,
    open_load,
    run_load,
    run_real,
)
from sim.models.cpu import Costs, Price, load_costs
from sim.predict import Comparison
from sim.validate import Row, targets, work

MACHINE = Machine(cpu="some", cores=2, fsync_ns=200_000, idle_share=0.0)


def make_row(measured: float, tolerance: float | None = 0.1) -> Row:
    return Row(
        target="chain",
        quantity="delay",
        published_ms=(84, 88),
        latency_only_ms=86,
        calibrated_ms=measured,
        tolerance=tolerance,
        judged="calibrated",
        note="why",
    )


class TestRows:
    @pytest.mark.parametrize(
        ("measured", "error", "is_within"),
        [(86, 0.0, True), (84 * 0.95, -0.05, True), (88 * 1.2, 0.2, False), (84 * 0.8, -0.2, False)],
    )
    def test_errors_count_from_the_nearest_published_figure(
        self, measured: float, error: float, is_within: bool
    ) -> None:
        row = make_row(measured)

        assert row.calibrated_error == pytest.approx(error)
        assert row.latency_only_error == 0.0
        assert row.is_within is is_within

    def test_where_delays_alone_are_compared_costs_of_computing_do_not_count(self) -> None:
        assert replace(make_row(1_000), judged="latency only").is_within is True

    def test_what_is_not_comparable_is_never_off(self) -> None:
        assert make_row(1_000, tolerance=None).is_within is None

    def test_the_table_says_what_is_off_and_why(self) -> None:
        text = describe([make_row(86), make_row(120)])

        assert text.count("84-88 ms") == 2
        assert "86.0 ms (+0.0%)  10%, calibrated: ok" in text
        assert "120.0 ms (+36.4%)  10%, calibrated: OFF" in text
        assert text.endswith("(why)")

    def test_predictions_are_held_against_what_is_real(self) -> None:
        near, far, shown = (
            Comparison(quantity="x", real=100, simulated=value, unit="ms", tolerance=tolerance)
            for value, tolerance in ((119, 0.2), (121, 0.2), (900, None))
        )

        assert (near.is_within, far.is_within, shown.is_within) == (True, False, None)


def test_links_of_ten_milliseconds_give_delays_of_ten_milliseconds() -> None:
    number = next(index for index, target in enumerate(targets()) if target.name.endswith("n = 4"))
    eight_delays, finality = work((number, False, "none"))

    assert eight_delays == pytest.approx(80, rel=0.05)
    assert finality == pytest.approx(50, rel=0.05)


@pytest.mark.slow
def test_all_comparable_figures_agree_without_costs_of_computing() -> None:
    for number, target in enumerate(targets()):
        for figure, value in zip(target.figures, work((number, False, "none")), strict=True):
            low, high = figure.published_ms
            if figure.tolerance is not None:
                assert low * (1 - figure.tolerance) <= value <= high * (1 + figure.tolerance), target.name


class TestFit:
    def test_a_line_is_found(self) -> None:
        samples = [(size, 1_000 + 7 * size) for size in range(100, 1_000, 9)]

        assert fit(samples) == Price(1_000, 7)

    def test_the_slowest_are_left_out(self) -> None:
        samples = [(size, 1_000 + 7 * size) for size in range(100, 1_000, 9)]

        assert fit([*samples, (500, 10**9)]) == Price(1_000, 7)

    @pytest.mark.parametrize(
        ("samples", "price"),
        [
            ([(1, 50), (1, 70)], Price(60, 0)),
            ([(10, 900), (20, 800), (30, 700)], Price(800, 0)),
            ([(10, 0), (20, 200), (30, 400)], Price(0, 10)),
        ],
    )
    def test_prices_never_fall_and_are_never_negative(
        self, samples: list[tuple[int, int]], price: Price
    ) -> None:
        assert fit(samples) == price


class TestFiles:
    def test_what_is_written_is_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "costs.toml"
        costs = Costs(verify=Price(0, 75_000), send=Price(9_000, 2.5))
        path.write_text(dump_costs(costs, MACHINE, {"residual_share": 0.03}))

        assert load_costs(str(path)) == costs
        assert load_machine(path) == MACHINE

    def test_a_table_without_its_machine_says_how_to_get_one(self, tmp_path: Path) -> None:
        path = tmp_path / "costs.toml"
        path.write_text("[cost]\n")

        with pytest.raises(ConfigError, match="noded-sim calibrate --to"):
            load_machine(path)


class TestShell:
    def test_a_message_is_paid_half_by_its_sender(self) -> None:
        shell = Shell(
            message_ns=1_000, call_ns=7, transaction_ns=400, client_call_ns=5, client_transaction_ns=6
        )
        costs = shell.on(Costs(votes=Price(100, 3), commit=Price(9, 1)))

        assert costs.votes == Price(600, 3)
        assert costs.copy == Price(500, 0)
        assert costs.submit == Price(7, 0)
        assert costs.commit == Price(9, 1 + 400 / NODES)
        assert costs.client == Price(5, 6)

    @pytest.mark.slow
    def test_hidden_prices_are_found_again(self) -> None:
        """Figures of simulated nodes with known prices stand for those of real ones."""
        core = Costs(step=Price(50_000, 0), execute=Price(200_000, 50_000), verify=Price(0, 70_000))
        hidden = Shell(
            message_ns=400_000,
            call_ns=3_000_000,
            transaction_ns=1_500_000,
            client_call_ns=500_000,
            client_transaction_ns=200_000,
        )
        loads = {}
        with table_of(hidden.on(core)) as costs:
            for text in CALIBRATION_RATES:
                rate = float(text)
                load = run_load(open_load(costs, MACHINE, rate, 6.0))
                client = min(rate, 1 / SLOT_S) * hidden.client_call_ns + rate * hidden.client_transaction_ns
                loads[text] = {
                    "rate": rate,
                    "cpu_s_per_1000_tx": 1_000 * (load.cores - client / 1e9) / rate,
                    "load_cpu_percent": 1 + client / 1e7,
                }
            full = run_load(closed_load(costs, MACHINE, 6.0))
        loads[CLOSED] = {"cpu_s_per_1000_tx": full.cpu_s_per_1000(hidden.on(core))}
        real = Real(loads=loads, idle_share=0.0, cpu="some")
        found = measure_shell(core, MACHINE, real, lambda text: None)

        assert found.message_ns == pytest.approx(hidden.message_ns, rel=0.25)
        assert found.call_ns == pytest.approx(hidden.call_ns, rel=0.25)
        assert found.transaction_ns == pytest.approx(hidden.transaction_ns, rel=0.35)
        assert found.residual_share < 0.05


def round_of(load: str, *, p50: float, log_sync_ms: float = 1.0) -> dict[str, object]:
    """Figures of one load in one round, as the bench prints them."""
    return {
        "load": load,
        "rate": None if load == CLOSED else 60.0,
        "tx_per_s": 10 * p50,
        "finality_ms": {"p50": p50, "p95": 2 * p50, "p99": None},
        "cpu_s_per_1000_tx": 1.0,
        "load_cpu_percent": 2.0,
        "log_sync_ms": log_sync_ms,
    }


def printed(*rounds: list[dict[str, object]]) -> dict[str, object]:
    """The bench's object."""
    return {"rounds": list(rounds), "idle_cpu_percent": 0.5, "machine": {"cpu": "some"}}


class TestReal:
    def test_of_loads_that_take_turns_the_median_counts(self) -> None:
        real = Real.of(
            printed(
                [round_of(CLOSED, p50=7), round_of("60", p50=1)],
                [
                    round_of(CLOSED, p50=900),
                    round_of("60", p50=3),
                ],
                [round_of(CLOSED, p50=8), round_of("60", p50=2)],
            )
        )

        assert {load: figures["finality_ms"]["p50"] for load, figures in real.loads.items()} == {
            CLOSED: 8,
            "60": 2,
        }
        assert real.loads[CLOSED]["tx_per_s"] == 80
        assert real.loads["60"]["rate"] == 60
        assert (real.idle_share, real.cpu) == (0.005, "some")

    def test_a_write_of_the_log_takes_what_the_nodes_under_the_lightest_load_say(self) -> None:
        lightest = CALIBRATION_RATES[0]
        load = round_of(lightest, p50=1, log_sync_ms=2.5)
        other = round_of(CALIBRATION_RATES[1], p50=1, log_sync_ms=9.0)
        machine = machine_of(Real.of(printed([load, other])))

        assert machine.fsync_ns == 2_500_000
        assert machine.idle_share == 0.005

    def test_kept_figures_are_not_measured_again(self, tmp_path: Path) -> None:
        kept = printed([round_of("60", p50=5)])
        (tmp_path / "bench-closed-70-60-3x5s.json").write_text(json.dumps(kept))
        loads = (CLOSED, "70%", "60")

        assert run_real(loads, seconds=5.0, rounds=3, parts=tmp_path, progress=print) == Real.of(kept)

    def test_a_bench_that_fails_says_why(self) -> None:
        with pytest.raises(BenchFailed, match="'0': give 'closed'"):
            run_real(["0"], seconds=1.0, rounds=1, parts=None, progress=print)


def test_only_work_of_a_warm_load_counts() -> None:
    """Clients of a closed load begin after a second or two; that cores are idle before says nothing of the load."""
    with table_of(Costs(execute=Price(0, 400_000), commit=Price(0, 400_000))) as table:
        load = run_load(closed_load(table, MACHINE, 2.0))

    assert load.cores == pytest.approx(MACHINE.cores, rel=0.02)


@pytest.mark.slow
def test_steps_of_the_core_are_measured() -> None:
    costs = measure_core(1.5)

    for name in ("step", "votes", "proposal", "batch", "submit", "send", "sign", "hop", "verify", "execute"):
        price = getattr(costs, name)
        assert 1_000 < price.of(1_000 if name in ("batch", "proposal", "submit") else 1) < 50_000_000, name
    assert costs.copy == costs.commit == costs.client == Price(0, 0)
