"""
The log: one line an event, for people at a terminal and as JSON elsewhere; also what libraries say.

An event names things by id: never content of a record, name of a patient or passphrase. What is logged is checked
for size all the same, so that no document gets in by mistake; tracebacks are without the values of variables.
"""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

from noded.config.model import LogSection

VALUE_CHARACTERS_MAX: Final = 500
"""Of one field; the longest of ours, a sentence that names missing validators, has 450."""

ITEMS_MAX: Final = 16
"""Of a list."""

LIBRARIES_LEVEL: Final = logging.WARNING
"""Of all loggers but the node's own: peers and clients decide how much libraries have to say."""

LIBRARIES_QUIET: Final = ("libp2p", "multiaddr")
"""What these have to say about peers and clients, the node says itself."""

Context = Callable[[], Mapping[str, object]]


class Logs:
    """The process's log; `level` and `context` can change while it is in use."""

    def __init__(self, settings: LogSection, stream: TextIO | None = None) -> None:
        """Write to a stream from now on, and let nothing else write there; None for standard error."""
        self.context: Context = dict
        """Fields for every event: where the node is."""
        stream = sys.stderr if stream is None else stream
        is_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
        before: list[Processor] = [
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            self._add_context,
        ]
        last = (
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if is_json
            else structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
        handler = logging.StreamHandler(stream)
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=before,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _shorten,
                    last,
                ],
            )
        )
        root = logging.getLogger()
        root.handlers = [handler]
        root.setLevel(LIBRARIES_LEVEL)
        for name in LIBRARIES_QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.captureWarnings(True)
        self.set_level(settings.level)
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                *before,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def set_level(self, level: str) -> None:
        """The least severity of the node's own events that is written."""
        logging.getLogger("noded").setLevel(level.upper())

    def _add_context(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in self.context().items():
            event.setdefault(name, value)
        return event


def _shorten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No value is longer than it may be, but a traceback, which has code and no values."""
    return {name: value if name == "exception" else _plain(value) for name, value in event.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value[:ITEMS_MAX]]
    value = value.hex() if isinstance(value, bytes) else value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "…"
