"""When a record's data is from: whole UTC days, from the fields that say when care took place."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.fhir.period import find_period
from noded.types.medical import DAYS_MAX, Day, DayRange
from tests.helpers.written_json import JSON


def days(first: str, last: str) -> DayRange:
    start, end = (Day((date.fromisoformat(day) - date(1970, 1, 1)).days) for day in (first, last))
    return DayRange(first=start, end=Day(end + 1))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2012", "2012-01-01", "2012-12-31"),
        ("2012-02", "2012-02-01", "2012-02-29"),
        ("2012-05-09", "2012-05-09", "2012-05-09"),
        ("2012-05-09T23:30:00Z", "2012-05-09", "2012-05-09"),
        ("2012-05-09T23:30:00.123-02:00", "2012-05-10", "2012-05-10"),
        ("2012-05-09T01:30:00+05:45", "2012-05-08", "2012-05-08"),
        ("2012-05-09T23:30", "2012-05-09", "2012-05-09"),
        ("1931-05-09", "1931-05-09", "1931-05-09"),
    ],
)
def test_an_instant_is_the_days_it_may_mean(text: str, first: str, last: str) -> None:
    assert find_period({"effectiveDateTime": text}) == days(first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2012-13",
        "2012-02-30",
        "0000",
        "9999-12-31T23:00:00-05:00",
        "12",
        "0001",
        "2600-01-01",
    ],
)
def test_what_is_no_date_says_nothing(text: str) -> None:
    assert find_period({"effectiveDateTime": text}) is None


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2012-05-09", "end": "2012-06"}, days("2012-05-09", "2012-06-30")),
        ({"start": "2012-05-09"}, days("2012-05-09", "2012-05-09")),
        ({"end": "2012-05-09"}, days("2012-05-09", "2012-05-09")),
        ({"start": "2013", "end": "2012"}, None),
        ({}, None),
    ],
)
def test_a_period_reaches_from_its_first_day_to_its_last(
    period: dict[str, str], expected: DayRange | None
) -> None:
    assert find_period({"resourceType": "Encounter", "period": period}) == expected


def test_when_care_took_place_comes_before_when_it_was_written_down() -> None:
    assert find_period({"issued": "2020-01-02", "effectiveDateTime": "2019-12-30"}) == days(
        "2019-12-30", "2019-12-30"
    )
    assert find_period({"date": "2020", "context": {"period": {"start": "2019-01-05"}}}) == (
        days("2019-01-05", "2019-01-05")
    )


def test_a_birth_date_is_no_data_period() -> None:
    assert find_period({"resourceType": "Patient", "birthDate": "1931-05-09"}) is None


@given(st.dictionaries(st.sampled_from(["period", "date", "context", "issued"]), JSON), st.text())
def test_is_total(resource: dict[str, object], text: str) -> None:
    for period in (find_period(resource), find_period({"date": text})):
        assert period is None or -DAYS_MAX <= period.first < period.end <= DAYS_MAX


@given(st.datetimes(min_value=datetime(1423, 1, 1), max_value=datetime(2517, 1, 1)))
def test_a_moment_is_the_day_it_is_in(moment: datetime) -> None:
    text = moment.replace(tzinfo=UTC).isoformat(timespec="seconds")

    assert find_period({"date": text}) == days(text[:10], text[:10])
