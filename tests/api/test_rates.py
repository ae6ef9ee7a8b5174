import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.api.rates import CLIENTS_MAX, Rates


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    rates = Rates(per_s=2, burst=3, clock=clock)

    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now_s = 0.5
    assert [rates.take("a") for _ in range(2)] == [0, 0.5]
    assert rates.take("b") == 0


def test_refused_requests_cost_nothing() -> None:
    clock = Clock()
    rates = Rates(per_s=1, burst=1, clock=clock)
    rates.take("a")
    for _ in range(100):
        assert rates.take("a") == 1
    clock.now_s = 1

    assert rates.take("a") == 0


def test_many_clients_take_bounded_memory() -> None:
    rates = Rates(per_s=1, burst=1, clock=Clock())
    for number in range(CLIENTS_MAX + 10):
        rates.take(str(number))

    assert len(rates._buckets) == CLIENTS_MAX
    assert rates.take(str(CLIENTS_MAX + 9)) > 0
    assert rates.take("0") == 0


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=50))
def test_never_more_than_burst_and_rate_allow(steps: list[float]) -> None:
    clock = Clock()
    rates = Rates(per_s=3, burst=4, clock=clock)
    served = 0
    for step in steps:
        clock.now_s += step
        served += rates.take("a") == 0

    assert served <= 4 + 3 * clock.now_s + 1e-6


@pytest.mark.parametrize("seconds", [1e9, 1e15])
def test_a_long_silence_gives_one_burst(seconds: float) -> None:
    clock = Clock()
    rates = Rates(per_s=1000, burst=2, clock=clock)
    rates.take("a")
    clock.now_s = seconds

    assert [rates.take("a") > 0 for _ in range(3)] == [False, False, True]
