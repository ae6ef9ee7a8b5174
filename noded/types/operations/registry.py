"""The registry of operations: what a transaction may ask of the ledger."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from noded.codec.schema import Registry
from noded.types.frozen import frozen


@frozen(kw_only=True)
class Operation:
    """One request to change the ledger; every subclass has a tag and a name of its own."""

    name: ClassVar[str]
    """Module and verb, such as ``record.register``; in the role table, receipts and command line."""


OPERATIONS: Registry[Operation] = Registry("operation")

C = TypeVar("C", bound=Operation)


def operation(tag: int, name: str) -> Callable[[type[C]], type[C]]:
    """Decorate a subclass of `Operation`, above its `@dataclass`, with its tag and its name."""

    def decorate(cls: type[C]) -> type[C]:
        assert name not in _NAMES, f"{name} is {_NAMES[name].__name__}"
        _NAMES[name] = cls
        cls.name = name
        OPERATIONS.register(tag, cls)
        return cls

    return decorate


def operations_by_name() -> dict[str, type[Operation]]:
    """All registered operations, in order of registration."""
    return dict(_NAMES)


_NAMES: dict[str, type[Operation]] = {}
