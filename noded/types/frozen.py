"""How the values of the core are made: what the protocol speaks of, and what parts of a node tell each other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """
    Decorate a class: what `@dataclass(frozen=True, slots=True)` makes of it, but frozen for the type checker only.

    mypy refuses to set a field, here as there. What Python would do at run time in addition makes an instance two to
    four times as expensive, and a node makes dozens for each block.
    """
    return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
