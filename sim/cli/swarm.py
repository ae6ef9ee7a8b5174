"""`noded-sim swarm`: many scenarios drawn from seeds."""

from dataclasses import dataclass
from pathlib import Path

import click

from sim.cli.options import RUNS, output_option, show_json


@dataclass(frozen=True, slots=True)
class SwarmJob:
    """One seed to be run."""

    seed: int
    folder: Path
    """Where it is saved if it fails."""


@dataclass(frozen=True, slots=True)
class SwarmDone:
    """What became of one seed."""

    seed: int
    verdict: str
    event_hash: str
    detail: str
    saved: str | None


def work(job: SwarmJob) -> SwarmDone:
    """Run one seed; keep it if it fails."""
    from sim.results import run_id, save
    from sim.run import simulate
    from sim.swarm import draw_scenario

    scenario = draw_scenario(job.seed)
    result = simulate(scenario)
    saved = None
    detail = ""
    if result.verdict != "pass":
        saved = str(save(result, job.folder / run_id(scenario)))
        first = result.violations[0]
        detail = f"{first.checker} at {first.at_ns / 1e9:.3f} s: {first.detail.splitlines()[-1]}"
    return SwarmDone(job.seed, result.verdict, result.event_hash, detail, saved)


@click.command(name="swarm")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="First seed.")
@click.option("--count", type=click.IntRange(min=1), default=100, help="How many.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS / "swarm", help="Folder for failures.")
@output_option
def command(seed: int, count: int, jobs: int | None, runs: Path, output: str) -> int:
    """Draw a scenario from each seed, run it, and keep what fails for `replay` and `shrink`."""
    from rich.console import Console
    from rich.progress import track

    from sim.cli.root import VERDICT_CODES
    from sim.pool import cores, run_all
    from sim.swarm import draw_scenario, tally

    queue = [SwarmJob(number, runs) for number in range(seed, seed + count)]
    console = Console(stderr=True, quiet=output == "json")
    verdicts: dict[str, int] = {}
    failures: list[SwarmDone] = []
    for _, done in track(
        run_all(work, queue, processes=jobs or cores()), "swarm", total=count, console=console, transient=True
    ):
        verdicts[done.verdict] = verdicts.get(done.verdict, 0) + 1
        if done.verdict != "pass":
            failures.append(done)
            console.print(f"seed {done.seed}: {done.verdict}: {done.detail}\n  noded-sim shrink {done.saved}")
    failures.sort(key=lambda done: done.seed)
    if output == "json":
        show_json(
            {
                "seeds": count,
                "verdicts": verdicts,
                "drawn": tally(draw_scenario(job.seed) for job in queue),
                "failures": [
                    {"seed": done.seed, "verdict": done.verdict, "detail": done.detail, "run": done.saved}
                    for done in failures
                ],
            }
        )
    else:
        click.echo(", ".join(f"{number} {name}" for name, number in sorted(verdicts.items())))
    return max((VERDICT_CODES[done.verdict] for done in failures), default=0)
