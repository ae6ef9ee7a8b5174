"""Charts and ranges, as `noded reputation` shows them."""

import pytest

from noded.cli.reputation import chart, ranges


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0, 1_000_000], "▁█"),
        ([0, 124_999, 125_000, 500_000, 999_999], "▁▁▂▅█"),
    ],
)
def test_a_chart_has_one_bar_a_value(values: list[int], bars: str) -> None:
    assert chart(values) == bars


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], "none"),
        ([7], "7"),
        ([3, 4, 5, 9, 11, 12], "3–5, 9, 11–12"),
    ],
)
def test_ranges_are_written_short(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
