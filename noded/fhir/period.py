"""The days a record's data is from, for consents that cover a span of time."""

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from noded.types.medical import DAYS_MAX, Day, DayRange

_INSTANT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})"
    r"(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?)?)?"
)
"""FHIR's date, dateTime and instant: a year at least; the zone may be missing in sloppy data."""

_FIELDS = (
    "effectivePeriod",
    "effectiveDateTime",
    "effectiveInstant",
    "performedPeriod",
    "performedDateTime",
    "occurrencePeriod",
    "occurrenceDateTime",
    "onsetPeriod",
    "onsetDateTime",
    "billablePeriod",
    "servicedPeriod",
    "servicedDate",
    "period",
    "started",
    "authoredOn",
    "authored",
    "whenHandedOver",
    "recordedDate",
    "recorded",
    "issued",
    "date",
    "dateTime",
    "created",
    "sent",
)
"""Where R4's types say when; what the data is about comes before when it was written down."""

_CONTEXT_FIELDS = ("context",)
"""A DocumentReference says in `context.period` when the described care took place."""


def find_period(resource: Mapping[str, object]) -> DayRange | None:
    """The days a parsed resource's data is from; None if it does not say so plainly."""
    for holder in (*(resource.get(field) for field in _CONTEXT_FIELDS), resource):
        if not isinstance(holder, dict):
            continue
        for field in _FIELDS:
            period = _read(holder.get(field))
            if period is not None:
                return period
    return None


def _read(value: object) -> DayRange | None:
    if isinstance(value, str):
        return _read_instant(value)
    if not isinstance(value, dict):
        return None
    start, end = _read(value.get("start")), _read(value.get("end"))
    if start is None and end is None:
        return None
    first, last = start or end, end or start  # Still going on, or of unknown beginning: the day it names.
    assert first is not None
    assert last is not None
    return DayRange(first=first.first, end=last.end) if first.end <= last.end else None


def _read_instant(text: str) -> DayRange | None:
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, _second, zone = found.groups()
    first_month, last_month = int(month or 1), int(month or 12)
    try:
        last_day = int(day) if day else monthrange(int(year), last_month)[1]
        first = datetime(int(year), first_month, int(day or 1), tzinfo=UTC)
        last = datetime(int(year), last_month, last_day, tzinfo=UTC)
        if hour and zone and zone != "Z":
            moved = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6])) * (1 if zone[0] == "-" else -1)
            first = last = first + timedelta(hours=int(hour), minutes=int(minute)) + moved
    except (ValueError, OverflowError):
        return None
    first_day, end = _day(first), Day(_day(last) + 1)
    return DayRange(first=first_day, end=end) if first_day >= -DAYS_MAX and end <= DAYS_MAX else None


def _day(moment: datetime) -> Day:
    return Day((moment - datetime(1970, 1, 1, tzinfo=UTC)).days)
