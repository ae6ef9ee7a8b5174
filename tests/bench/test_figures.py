"""Figures are what their names say."""

import os
import subprocess
import sys
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.bench.figures import machine, own_cpu_s, percentile, percentiles, usage_of


class TestPercentile:
    @pytest.mark.parametrize(
        ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)]
    )
    def test_of_a_hundred(self, share: float, expected: int) -> None:
        assert percentile(list(range(100, 0, -1)), share) == expected

    def test_of_none_is_none(self) -> None:
        assert percentile([], 0.5) is None
        assert percentiles([]) == {"p50": None, "p95": None, "p99": None}

    @given(
        st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.sampled_from([0.25, 0.5, 0.9, 0.95, 0.99])
    )
    def test_enough_values_are_not_above_and_no_smaller_one_would_do(
        self, values: list[float], share: float
    ) -> None:
        found = percentile(values, share)

        needed = ceil(len(values) * round(share * 1000) / 1000)
        assert found in values
        assert sum(value <= found for value in values) >= needed
        assert sum(value < found for value in values) < needed


class TestUsage:
    def test_a_busy_process_uses_its_processor(self) -> None:
        before = own_cpu_s()
        while own_cpu_s() < before + 0.1:
            pass

        usage = usage_of(os.getpid())

        assert usage.cpu_s >= 0.1
        assert usage.rss_mb_max > 5

    def test_names_with_parentheses_do_not_confuse(self) -> None:
        rename = "open('/proc/self/comm', 'w').write('a) S 9 9')"
        program = f"{rename}; print('ready', flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            usage = usage_of(process.pid)
            process.communicate(b"\n")

        assert 0 <= usage.cpu_s < 60


def test_the_machine_is_described() -> None:
    found = machine()

    assert set(found) == {"cpu", "cores", "memory_gb", "python", "system"}
    assert found["cores"] == len(os.sched_getaffinity(0))
