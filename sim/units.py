"""Durations, sizes and rates as people write them: "600ms", "1Gbit", "64KiB"."""

import re

NS_PER_UNIT = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
BITS_PER_UNIT = {"bit": 1, "kbit": 1_000, "mbit": 1_000_000, "gbit": 1_000_000_000}

UNLIMITED = 0
"""A rate without a limit."""

_NUMBER = re.compile(r"(-?[0-9][0-9_]*(?:\.[0-9]+)?)\s*([a-zA-Z]+)")


def parse_duration(text: str) -> int:
    """
    A duration such as "600ms" in nanoseconds.

    Raises:
        ValueError: It is none; the message says what is.
    """
    number, unit = _split(text, NS_PER_UNIT, "a duration such as 600ms, 1.5s or 2min")
    return round(number * NS_PER_UNIT[unit])


def format_duration(ns: int) -> str:
    """The shortest text that `parse_duration` reads as this."""
    for unit in ("h", "min", "s", "ms", "us"):
        if ns and ns % NS_PER_UNIT[unit] == 0:
            return f"{ns // NS_PER_UNIT[unit]}{unit}"
    return f"{ns}ns" if ns else "0s"


def parse_rate(text: str) -> int:
    """
    A rate such as "1Gbit" in bits a second; `UNLIMITED` for "unlimited".

    Raises:
        ValueError: It is none; the message says what is.
    """
    if text.strip().lower() == "unlimited":
        return UNLIMITED
    number, unit = _split(text, BITS_PER_UNIT, "a rate such as 1Gbit, 100Mbit or unlimited")
    if number <= 0:
        raise ValueError(f"{text!r} is not above zero")
    return round(number * BITS_PER_UNIT[unit])


def format_rate(bits: int) -> str:
    """The shortest text that `parse_rate` reads as this."""
    if bits == UNLIMITED:
        return "unlimited"
    for unit, name in (("gbit", "Gbit"), ("mbit", "Mbit"), ("kbit", "kbit")):
        if bits % BITS_PER_UNIT[unit] == 0:
            return f"{bits // BITS_PER_UNIT[unit]}{name}"
    return f"{bits}bit"


def _split(text: str, units: dict[str, int], wanted: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        raise ValueError(f"{text!r} is not {wanted}")
    return float(match[1].replace("_", "")), match[2].lower()
