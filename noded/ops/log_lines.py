"""
The log for others to read: fields that are known to hold no secret and nothing of a patient, and nothing else.

What a field holds is decided here by its name, never by looking for what is bad: a secret in an unknown field is not
recognised, so unknown fields go.
"""

import json
import re
from typing import Any, Final

FIELDS: Final = (
    "timestamp",
    "level",
    "logger",
    "event",
    "height",
    "epoch",
    "view",
    "peer",
    "reason",
    "signal",
    "listen",
    "addresses",
    "changes",
    "key",
    "needs_restart",
    "probe_s",
    "method",
)
"""Written by our own code, from ids, numbers and names of classes."""

OWN_LOGGERS: Final = "noded"
"""Libraries put what they were given into their messages; ours are constants."""

TEXT_CHARACTERS_MAX: Final = 500

_FRAME: Final = re.compile(r'^\s*File "[^"]*", line \d+, in \S+$')
_EXCEPTION: Final = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)")


def redact_line(line: str) -> dict[str, Any] | None:
    """What may be told of one line of the log; None for a line that is no event."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    is_own = str(event.get("logger", "")).startswith(OWN_LOGGERS)
    kept = {name: _plain(event[name]) for name in FIELDS if name in event and (is_own or name != "event")}
    if "exception" in event:
        kept["exception"] = redact_traceback(str(event["exception"]))
    return kept


def redact_traceback(text: str) -> list[str]:
    """The places and the class of an error, without its message, which may quote what somebody sent."""
    lines = text.splitlines()
    found = [line.strip() for line in lines if _FRAME.match(line)]
    named = [match[1] for line in lines if not line.startswith(" ") and (match := _EXCEPTION.match(line))]
    return [*found, *(name for name in named if name != "Traceback")]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value[:16]]
    return str(value)[:TEXT_CHARACTERS_MAX]
