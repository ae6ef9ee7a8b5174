"""Shows on stderr how far a run is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sim.run import Progress
from sim.statistics import quantile

REFRESHES_PER_S = 4


@contextmanager
def shown(name: str, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function to report to, while its reports are shown; nothing is shown with `quiet`, or off a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda progress: None
        return
    with Live(console=console, refresh_per_second=REFRESHES_PER_S, transient=True) as live:
        yield lambda progress: live.update(render(name, progress))


def render(name: str, progress: Progress) -> Table:
    """One line of figures."""
    simulated, total = progress.simulated_ns / 1e9, progress.total_ns / 1e9
    wall = max(progress.wall_s, 1e-9)
    speed = simulated / wall
    remaining = (total - simulated) / speed if speed else 0.0
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"[bold]{name}[/bold]",
        f"{simulated:.0f}/{total:.0f} s",
        f"block {progress.height}",
        f"{progress.events / wall:,.0f} events/s",
        f"{speed:.2f} × real time",
        f"finality {_ms(progress.recent_ms, 0.5)} p50, {_ms(progress.recent_ms, 0.99)} p99",
        f"{remaining:.0f} s left",
    )
    return table


def _ms(values: tuple[float, ...], share: float) -> str:
    value = quantile(values, share)
    return "-" if value is None else f"{value:.0f} ms"
