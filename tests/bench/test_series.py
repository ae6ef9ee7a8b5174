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
    early = [start + WARM_S / 2] * 50
    warm = [start + WARM_S + number for number in range(8)]
    tally = Tally(final_at=[*early, *warm, start + seconds + 0.5])

    assert throughput(Window(tally, 12.0, 1.0, 0.1), start, seconds) == pytest.approx(1.0)


@pytest.mark.parametrize("first_s", [WARM_S + 0.01, WARM_S + 0.49])
def test_whether_one_block_more_is_within_does_not_change_throughput(first_s: float) -> None:
    """Blocks of 100 transactions each half a second: a count would be 1 or 2 blocks off."""
    blocks = [first_s + 0.5 * number for number in range(-4, 30)]
    tally = Tally(final_at=[at for at in blocks for _ in range(100)])

    assert throughput(Window(tally, 12.0, 1.0, 0.1), 0.0, 7.3) == pytest.approx(200.0)


def test_of_hardly_any_block_throughput_is_a_count() -> None:
    tally = Tally(final_at=[WARM_S + 1] * 8)

    assert throughput(Window(tally, 6.0, 1.0, 0.1), 0.0, WARM_S + 4) == 2.0
