"""What `events tail` prints of a block."""

from base64 import b64encode
from typing import Any

from noded.cli.events import _lines


def block(name: str, *, parties: tuple[str, ...] = (), detail: bytes = b"") -> dict[str, Any]:
    event = {"name": name, "subject": "02", "parties": parties, "detail": b64encode(detail).decode()}
    return {"height": 20, "events": [{"position": None, "event": event}]}


def test_an_alarm_says_what_is_the_matter() -> None:
    assert _lines(block("epoch.alarm", detail=b"few-owners")) == ["20  epoch.alarm  02  few-owners"]


def test_other_events_name_those_concerned() -> None:
    assert _lines(block("key.epoch-begun", parties=("aa",), detail=b"\xff")) == [
        "20  key.epoch-begun  02  aa"
    ]


def test_a_block_without_events_is_told_too() -> None:
    assert _lines({"height": 21, "events": []}) == ["21  -"]
