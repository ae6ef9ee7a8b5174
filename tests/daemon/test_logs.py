"""The log: its two forms, its levels, where the node is, and what never gets in."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from noded.config.model import LogSection
from noded.daemon.logs import ITEMS_MAX, VALUE_CHARACTERS_MAX, Logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging belongs to the process: what was before comes back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("noded").setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_place() -> None:
    stream = io.StringIO()
    logs = Logs(LogSection(), stream)
    logs.context = lambda: {"height": 7, "view": 3}

    structlog.get_logger("noded.test").info("something", peer="ab")

    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("something", "info", "noded.test")
    assert (line["height"], line["view"], line["peer"]) == (7, 3, "ab")
    assert line["timestamp"].endswith("Z")


def test_people_get_text() -> None:
    stream = io.StringIO()
    Logs(LogSection(format="console"), stream)

    structlog.get_logger("noded.test").info("something", peer="ab")

    assert "something" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_level_changes_while_the_node_runs() -> None:
    stream = io.StringIO()
    logs = Logs(LogSection(), stream)
    log = structlog.get_logger("noded.test")

    log.debug("one")
    logs.set_level("debug")
    log.debug("two")
    logs.set_level("error")
    log.warning("three")

    assert [line["event"] for line in _lines(stream)] == ["two"]


def test_libraries_are_quiet_but_for_what_matters() -> None:
    stream = io.StringIO()
    Logs(LogSection(level="debug"), stream)

    logging.getLogger("libp2p.host").error("a peer did something")
    logging.getLogger("other").info("by the way")
    logging.getLogger("other").warning("look here")

    assert [line["event"] for line in _lines(stream)] == ["look here"]


def test_no_document_gets_in() -> None:
    stream = io.StringIO()
    Logs(LogSection(), stream)

    structlog.get_logger("noded.test").info(
        "something", text="x" * 10_000, many=["y"] * 1_000, raw=b"\x01\x02", thing={"z": "z" * 10_000}
    )

    (line,) = _lines(stream)
    assert len(line["text"]) == VALUE_CHARACTERS_MAX + 1
    assert len(line["many"]) == ITEMS_MAX
    assert line["raw"] == "0102"
    assert len(line["thing"]) == VALUE_CHARACTERS_MAX + 1


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_has_no_values_of_variables(form: Any) -> None:
    stream = io.StringIO()
    Logs(LogSection(format=form), stream)
    patient = "Zoe " + "Muster"

    try:
        assert patient
        raise ValueError("bad")
    except ValueError:
        structlog.get_logger("noded.test").exception("failed")

    assert "ValueError: bad" in stream.getvalue()
    assert patient not in stream.getvalue()
