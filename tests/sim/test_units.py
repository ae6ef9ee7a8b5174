"""Durations and rates: what is written is read, and reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.units import UNLIMITED, format_duration, format_rate, parse_duration, parse_rate


@pytest.mark.parametrize(
    ("text", "ns"),
    [("600ms", 600_000_000), ("1.5s", 1_500_000_000), ("2 min", 120 * 10**9), ("0s", 0), ("-3us", -3_000)],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "bits"), [("1Gbit", 10**9), ("100Mbit", 10**8), ("2.5kbit", 2_500), ("unlimited", UNLIMITED)]
)
def test_rates(text: str, bits: int) -> None:
    assert parse_rate(text) == bits


@pytest.mark.parametrize("text", ["", "5", "5 apples", "ms", "1e3s", "0x10ms"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="600ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "1GB", "0Mbit", "-1Gbit"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"Mbit|1Gbit|zero"):
        parse_rate(text)


@given(st.integers(-(10**15), 10**15))
def test_durations_read_back(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@given(st.integers(0, 10**13))
def test_rates_read_back(bits: int) -> None:
    assert parse_rate(format_rate(bits)) == bits
