"""What people write on the command line, as the ledger has it."""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeVar

import click

E = TypeVar("E", bound=IntEnum)

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` each; the last one of a name counts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def hexadecimal(text: str, what: str, *, size: int | None = None) -> bytes:
    """Bytes of a known number; by default as many as an id has."""
    if size is None:
        from noded.types.medical import (
            ID_BYTES,
        )  # Here, so that commands which only read need not load the types.

        size = ID_BYTES
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        raise click.UsageError(f"{what} has {2 * size} hexadecimal digits, not {text!r}")
    return data


def enum_members(enum: type[E], names: Sequence[str], what: str) -> tuple[E, ...]:
    """Members by their names in any case, each once, in order of the enum."""
    known = {member.name.lower(): member for member in enum}
    for name in names:
        if name.lower() not in known:
            raise click.UsageError(f"{name!r} is no {what}; known are {', '.join(known)}")
    return tuple(sorted({known[name.lower()] for name in names}))


def seconds(text: str) -> int:
    """A time such as ``12h``, ``30d`` or ``52w``."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhdw])", text)
    if found is None:
        raise click.UsageError(f"{text!r} is no time; write 90s, 15m, 12h, 30d or 52w")
    return int(found[1]) * _SECONDS[found[2]]
