"""The Trio shell: drives one node over network, log, store and clock."""

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules
_rich = _modules.get("rich")
_modules["rich"] = (
    None  # structlog would load it, for tracebacks as the log does not have them: 3 MB, and time at start.
)
import structlog  # noqa: E402, F401

if _rich is None:
    del _modules["rich"]
else:
    _modules["rich"] = _rich
