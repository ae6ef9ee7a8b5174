"""FHIR's dates and periods as block times and days; the core has no calendar of the machine's."""

import re
from typing import Any, Final

from noded.types.ids import TimestampMs
from noded.types.medical import DAYS_MAX, Day, DayRange

DAY_MS: Final = 86_400_000

_DATE_TIME: Final = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)
"""FHIR R4's dateTime: a year, a month, a day, or an instant with its zone."""

_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def read_time_span(period: Any) -> tuple[TimestampMs | None, TimestampMs | None] | None:
    """First millisecond of a Period and the first one after it; None for an open end, or in all if it is none."""
    ends = _read_period(period)
    if ends is None:
        return None
    (start, _), (_, end) = ends
    return _block_time(start), _block_time(end)


def _block_time(ms: int | None) -> TimestampMs | None:
    """Blocks have no times before 1970, so nothing changes when a span's end is moved up to it."""
    return None if ms is None else TimestampMs(max(ms, 0))


def read_day_range(period: Any) -> DayRange | None:
    """The days that a Period touches; an open end is as far as days go; None if it is none."""
    ends = _read_period(period)
    if ends is None:
        return None
    (start, _), (_, end) = ends
    first = -DAYS_MAX if start is None else max(start // DAY_MS, -DAYS_MAX)
    last = DAYS_MAX if end is None else min(-(-end // DAY_MS), DAYS_MAX)
    return DayRange(first=Day(first), end=Day(last)) if first < last else None


_Moment = tuple[int | None, int | None]
"""First millisecond, and the first one after it."""


def _read_period(period: Any) -> tuple[_Moment, _Moment] | None:
    if not isinstance(period, dict) or not (period.keys() & {"start", "end"}):
        return None
    start, end = _read(period.get("start")), _read(period.get("end"))
    if start is None or end is None:
        return None
    if start[0] is not None and end[1] is not None and start[0] >= end[1]:
        return None
    return start, end


def _read(text: Any) -> _Moment | None:
    """A dateTime; both None when it is absent, None in all when it is illegible."""
    if text is None:
        return None, None
    found = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    first_month, last_month = int(month or 1), int(month or 12)
    if not (int(year) and 1 <= first_month <= 12):
        return None
    last_day = int(day or _days_in(int(year), last_month))
    if not 1 <= last_day <= _days_in(int(year), last_month):
        return None
    first = _days_before(int(year), first_month, int(day or 1)) * DAY_MS
    if hour is None:
        return first, (_days_before(int(year), last_month, last_day) + 1) * DAY_MS
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    moment = first + ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1000
    moment += int((fraction or "0").ljust(3, "0")[:3])
    if zone != "Z":
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        moment -= (minutes if zone[0] == "+" else -minutes) * 60_000
    return moment, moment + 1


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _MONTH_DAYS[month - 1]


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_before(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar."""
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400
    days += sum(_days_in(year, each) for each in range(1, month)) + day - 1
    return days - 719_162
