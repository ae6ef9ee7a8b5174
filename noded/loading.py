"""Loading a library without others that it names, but needs only for what noded does not use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


class Absent:
    """Stands for everything in a module that is not loaded."""


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type[Absent]:
        # Among them what would make it a package: of such a one nothing can be imported.
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Meanwhile these modules are not loaded, whoever imports them; what was loaded before stays as it is."""
    hidden = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update({name: _StandIn(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(hidden)
