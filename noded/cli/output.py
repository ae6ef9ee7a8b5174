"""What commands say: results on stdout, as text or as one JSON object; progress and errors on stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

Json = dict[str, Any]

GAP: Final = "  "

TIMES_FROM_MS: Final = 1_000_000_000_000
"""Milliseconds since 1970 from which a number is taken for a time: 2001, or a duration of 32 years."""


class Output:
    """Where a command's result goes; one for each run of the program."""

    def __init__(self) -> None:
        self.is_json = False
        """Whether stdout gets exactly one JSON object."""
        self._is_shown = False

    def show(self, data: Json, text: Callable[[Json], str] | None = None) -> None:
        """
        The result of the command, once.

        Args:
            data: As JSON has it.
            text: What people read instead; None for a list of the data's members.
        """
        assert not self._is_shown, "a command has one result"
        self._is_shown = True
        if self.is_json:
            _write(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        else:
            _write((text or members)(data))

    def failed(self, data: Json, text: str) -> None:
        """Why the command failed; a result that was shown before stands."""
        print(f"error: {text}", file=sys.stderr)
        self.failed_as_said(data)

    def failed_as_said(self, data: Json) -> None:
        """Why the command failed, where people have been told."""
        if self.is_json and not self._is_shown:
            _write(json.dumps({"error": data}, ensure_ascii=False, separators=(",", ":")))

    def progress(self, text: str) -> None:
        """What goes on meanwhile."""
        print(text, file=sys.stderr, flush=True)


def members(data: Json) -> str:
    """The members of an object, one a line."""
    width = max(map(len, data), default=0)
    return "\n".join(f"{name:<{width}}{GAP}{_dated(name, value)}" for name, value in data.items())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with heads; numbers to the right."""
    listed = [list(row) for row in rows]
    texts = [list(heads), *([cell(value) for value in row] for row in listed)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(heads))]
    is_number = [
        bool(listed) and all(isinstance(row[column], (int, float)) for row in listed)
        for column in range(len(heads))
    ]
    lines = []
    for line in texts:
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, is_number, strict=True)
        ]
        lines.append(GAP.join(cells).rstrip())
    return "\n".join(lines)


def moment(time_ms: int) -> str:
    """A time of the ledger's as people read it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time_ms / 1000))


def _dated(name: str, value: object) -> str:
    """A member's value; of a time, which is no duration, the date too."""
    if name.endswith("_ms") and isinstance(value, int) and value >= TIMES_FROM_MS:
        return f"{value} ({moment(value)})"
    return cell(value)


def cell(value: object) -> str:
    """A value as people read it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case list() | tuple():
            return ", ".join(map(cell, value)) or "-"
        case dict():
            return ", ".join(f"{name} {cell(each)}" for name, each in value.items()) or "-"
        case _:
            return str(value)


def _write(text: str) -> None:
    # A file's name that is no UTF-8 has halves of surrogates for its bytes; as they are written so, JSON has them too.
    sys.stdout.write(text.rstrip("\n").encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()
