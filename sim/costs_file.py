"""Files of costs, as `noded-sim calibrate` writes them and `cpu.costs` names them."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

from noded.errors import ConfigError
from sim.models.cpu import Costs

HEAD = """\
# What operations of a node cost on one core of the machine below, as [nanoseconds, nanoseconds for each byte or item].
# Written by `noded-sim calibrate`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a table of costs is of."""

    cpu: str
    cores: int
    fsync_ns: int
    """Of a write of the log."""
    idle_share: float
    """Of a core, that a node with nothing to do uses."""


def dump_costs(costs: Costs, machine: Machine, notes: dict[str, float]) -> str:
    """
    The text of a file.

    Args:
        costs: The prices.
        machine: Where they were measured.
        notes: Further figures about how, by name.
    """
    plain = asdict(costs)
    lines = [HEAD, "[cost]"]
    lines += [
        f"{name} = [{_number(price['fixed'])}, {_number(price['each'])}]" for name, price in plain.items()
    ]
    lines += ["", "[machine]", f'cpu = "{machine.cpu}"', f"cores = {machine.cores}"]
    lines += [f"fsync_ns = {machine.fsync_ns}", f"idle_share = {machine.idle_share}"]
    if notes:
        lines += ["", "[notes]", *(f"{name} = {value:.6g}" for name, value in notes.items())]
    return "\n".join(lines) + "\n"


def load_machine(path: Path) -> Machine:
    """
    The machine of a file of costs.

    Raises:
        ConfigError: The file has none.
    """
    try:
        plain = tomllib.loads(path.read_text())["machine"]
        return Machine(**{field.name: plain[field.name] for field in fields(Machine)})
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; `noded-sim calibrate --to {path}` writes such a file") from error


@contextmanager
def table_of(costs: Costs) -> Iterator[str]:
    """A file of these costs, for as long as the block lasts."""
    with TemporaryDirectory(prefix="noded-sim-") as folder:
        path = Path(folder, "costs.toml")
        path.write_text(dump_costs(costs, Machine(cpu="", cores=1, fsync_ns=0, idle_share=0.0), {}))
        yield str(path)


def _number(value: float) -> str:
    return f"{int(value)}" if value == int(value) else f"{value:.1f}"
