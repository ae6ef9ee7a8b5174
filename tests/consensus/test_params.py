"""R7, R8: parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.consensus.pacemaker import Pacemaker
from noded.consensus.params import TIMEOUT_GROWTH_MAX
from noded.types.genesis import Routing
from tests.helpers.consensus_values import make_params


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_timeouts_grow_and_are_bounded(delta_ms: int, interval_ms: int) -> None:
    """R8: never an uncapped back-off."""
    params = make_params(delta_ms=delta_ms, block_interval_ms=interval_ms)
    pace = Pacemaker(params)
    timeouts = []
    for stall in range(200):
        pace.stall = stall
        timeouts.append(pace.timeout_ms)

    assert timeouts[0] == 2 * delta_ms + interval_ms
    assert timeouts == sorted(timeouts)
    assert max(timeouts) == TIMEOUT_GROWTH_MAX * timeouts[0]


def test_growth_is_by_half_in_integers() -> None:
    assert make_params(view_timeout_ms=5).timeouts_ms() == (5, 7, 11, 16, 25, 37, 50)


@pytest.mark.parametrize(
    ("routing", "n", "is_linear"),
    [
        (Routing.ALL, 1000, False),
        (Routing.LINEAR, 4, True),
        (Routing.AUTO, 32, False),
        (Routing.AUTO, 33, True),
    ],
)
def test_auto_goes_by_the_number_of_validators(routing: Routing, n: int, is_linear: bool) -> None:
    """R7."""
    assert make_params(routing=routing).is_linear(n) == is_linear


def test_the_relay_delay_is_fifteen_hundredths_of_t() -> None:
    """R7."""
    assert Pacemaker(make_params(view_timeout_ms=1000)).relay_ms == 150
    assert Pacemaker(make_params(view_timeout_ms=1)).relay_ms == 1


class TestSilence:
    """R9: views in a row of which nothing was heard."""

    def test_k_views_make_it(self) -> None:
        pace = Pacemaker(make_params(silent_views=2))
        pace.missed(3)
        assert not pace.is_silent(3)

        pace.missed(3)

        assert pace.is_silent(3)
        assert not pace.is_silent(2)

    def test_anything_heard_ends_it_for_those_it_is_of(self) -> None:
        pace = Pacemaker(make_params(silent_views=1))
        pace.missed(3)
        pace.missed(5)

        pace.heard(1 << 5 | 1)

        assert pace.is_silent(3)
        assert not pace.is_silent(5)
        assert pace.silence == {3: 1}

    def test_zero_switches_it_off(self) -> None:
        pace = Pacemaker(make_params(silent_views=0))
        for _ in range(9):
            pace.missed(3)

        assert not pace.is_silent(3)
