"""Loads that take turns: how they are named, and what counts of one."""

import pytest

from noded.bench.driving import Tally
from noded.bench.series import WARM_S, BadLoad, Load, parse_loads, throughput
from noded.bench.windows import Window


def test_loads_are_closed_or_open_at_a_rate_or_at_a_share() -> None:
    assert parse_loads("closed,70%,60") == (Load("closed"), Load("70%", share=0.7), Load("60", rate=60.0))


@pytest.mark.parametrize(
    "text", ["", "some", "0", "-5", "nan", "closed,0%", "closed,100%", "closed,x%", "60,"]
)
def test_what_is_no_load_is_named(text: str) -> None:
    with pytest.raises(BadLoad, match="give 'closed', a rate"):
        parse_loads(text)


def test_a_share_needs_a_closed_load_before_it() -> None:
    with pytest.raises(BadLoad, match="there is none"):
        parse_loads("70%,closed")


def test_throughput_is_of_the_time_in_which_the_load_was_handed_in_and_warm() -> None:
    start, seconds = 100.0, 10.0
    warm = [start + WARM_S + number for number in range(8)]
    tally = Tally(final_at=[start + 0.5, *warm, start + seconds + 0.5])

    assert throughput(Window(tally, 12.0, 1.0, 0.1), start, seconds) == 1.0
