"""Loading a library without others that it names, but needs only for what noded does not use."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class Absent:
    """Stands for everything in a module that is not loaded."""


@contextmanager
def without(names: Mapping[str, Sequence[str] | None]) -> Iterator[None]:
    """
    Meanwhile these modules are not loaded, whoever imports them; what was loaded before stays as it is.

    Args:
        names: By module, what others take from it, for which `Absent` stands; None if they can do without the module.
    """
    modules: dict[str, Any] = sys.modules
    hidden = {name: modules[name] for name in names if name in modules}
    for name, taken in names.items():
        modules[name] = None if taken is None else ModuleType(name)
        if taken:
            vars(modules[name]).update(dict.fromkeys(taken, Absent))
    try:
        yield
    finally:
        for name in names:
            del modules[name]
        modules.update(hidden)
