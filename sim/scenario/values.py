"""Types of the values in a scenario: each reads what people write and is written back the same way."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from sim.units import NS_PER_UNIT, format_duration, format_rate, parse_duration, parse_rate

YEAR = 365 * 24 * NS_PER_UNIT["h"]
"""Longer than any run; sums of so many nanoseconds stay far below 2^63."""


def at_most(longest: int) -> AfterValidator:
    """Refuses longer durations, of either sign."""

    def check(value: int) -> int:
        if abs(value) > longest:
            raise ValueError(f"{format_duration(value)} is more than {format_duration(longest)}")
        return value

    return AfterValidator(check)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else _no_number(value, "600ms")


def _rate(value: object) -> object:
    return parse_rate(value) if isinstance(value, str) else _no_number(value, "1Gbit")


def _no_number(value: object, example: str) -> object:
    raise ValueError(f"{value!r} needs a unit, as in {example!r}")


SignedDuration = Annotated[
    int,
    BeforeValidator(_duration),
    at_most(YEAR),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9][0-9_.]*\s*(ns|us|ms|s|min|h)$"}),
]
"""Nanoseconds, a year at most."""

Duration = Annotated[SignedDuration, Field(ge=0)]
"""Nanoseconds, not negative."""

Rate = Annotated[
    int,
    BeforeValidator(_rate),
    PlainSerializer(format_rate, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^([0-9][0-9_.]*\s*([kKmMgG]?bit)|unlimited)$"},
    ),
]
"""Bits a second; 0 is unlimited."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]

Selector = str | int | list["str | int"]
"""
Which nodes: a number, a list, or text: "*" (all that nothing else names), "node:3", "first:4", "random:10",
"random:30%" (rounded down), "power:0.20" (drawn up to that share of the power), "region:us-east-1".
"""


class Section(BaseModel):
    """A table of a scenario: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )

    def plain(self) -> dict[str, Any]:
        """As plain values, readable by `load`."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
