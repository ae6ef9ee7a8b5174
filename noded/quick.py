"""
Frozen dataclasses that are cheap to make, for what is made with every message: inputs, effects, votes, timers.

The `__init__` of `dataclass(frozen=True)` looks `object.__setattr__` up for each field of each object; making three such
objects takes as long as all else that a small message costs. `quick` replaces it by one that uses the slots.
"""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots, whose fields have plain defaults or none, an `__init__` that is quick."""
    assert not hasattr(cls, "__post_init__")
    names: dict[str, Any] = {}
    parameters = ["self"]
    puts = []
    for field in fields(cls):  # type: ignore[arg-type]
        assert field.init
        assert field.default_factory is MISSING
        names[f"put_{field.name}"] = cls.__dict__[field.name].__set__
        if field.kw_only and "*" not in parameters:
            parameters.append("*")
        if field.default is not MISSING:
            names[f"default_{field.name}"] = field.default
        default = "" if field.default is MISSING else f"=default_{field.name}"
        parameters.append(field.name + default)
        puts.append(f" put_{field.name}(self, {field.name})\n")
    exec(f"def __init__({', '.join(parameters)}):\n{''.join(puts)}", names)
    init = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls
