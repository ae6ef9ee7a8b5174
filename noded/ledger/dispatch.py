"""How a module's functions are found."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from noded.ledger.context import Context
from noded.ledger.deadlines import Handler as DeadlineHandler
from noded.ledger.state import Overlay
from noded.types.operations.registry import Operation

OperationHandler: TypeAlias = Callable[[Overlay, Any, Context], None]
"""`process_<operation>(state, op, context)`: all checks, then all writes; raises only `InvalidTransaction`."""

Handlers: TypeAlias = Mapping[type[Operation], OperationHandler]
Deadlines: TypeAlias = Mapping[int, DeadlineHandler]
"""By kind: a number of the module's own, from the tags of its operations."""
