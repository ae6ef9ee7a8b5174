"""
What a run leaves behind: `runs/<id>/` with a manifest and tables.

The id is a digest of the resolved scenario and the code's version, so a run that was done is never done twice.
"""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from noded.errors import ConfigError
from noded.ledger.epoch import EpochReport
from sim.models.cpu import load_costs
from sim.models.regions import read_regions
from sim.recorder import BlockRow, SecondRow
from sim.run import Result
from sim.scenario.explicit import region_names
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario
from sim.scenario.network import Regions
from sim.workload.arrivals import read_trace

if TYPE_CHECKING:
    import polars

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1

ID_BYTES = 10

TRANSACTIONS_KEPT = 50_000
"""Rows of the table of transactions; of more, every k-th."""

COMMITS_KEPT = 500_000
"""Rows of the table of commits; of more, every k-th block."""

SOURCES = ("noded", "sim")


def summary(result: Result) -> dict[str, Any]:
    """The figures of a run, as `noded-sim run --output json` prints them."""
    return {
        "verdict": result.verdict,
        "event_hash": result.event_hash,
        "blocks_per_s": result.blocks_per_s,
        "tx_per_s": result.tx_per_s,
        "finality_ms": asdict(result.finality_ms),
        "tx_finality_ms": asdict(result.tx_finality_ms),
        "tx_unfinished": result.tx_unfinished,
        "messages": result.messages,
        "messages_per_block": result.messages_per_block,
        "bytes_per_block": result.bytes_per_block,
        "simulated_s": result.simulated_s,
        "wall_s": result.wall_s,
        "violations": [asdict(violation) for violation in result.violations],
    }


@cache
def code_digest() -> str:
    """A digest of the code that decides what happens: every module of the core and of the simulator."""
    root = Path(__file__).parent.parent
    digest = blake2b(digest_size=ID_BYTES)
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def run_id(scenario: Scenario) -> str:
    """The name of a scenario's run with this code."""
    plain = scenario.plain()
    plain.pop("sweep", None)
    text = json.dumps(plain, sort_keys=True) + "".join(_files_of(scenario)) + code_digest()
    return blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()


def _files_of(scenario: Scenario) -> list[str]:
    """What stands in the files that a scenario names."""
    texts = []
    if scenario.cpu.model == "costs":
        texts.append(repr(load_costs(scenario.cpu.costs)))
    if isinstance(scenario.network.latency, Regions):
        texts.append(read_regions(scenario.network.latency.table))
    if scenario.workload.model == "trace":
        texts.append(repr(read_trace(scenario.workload)))
    return texts


def files_digest(scenario: Scenario) -> str:
    """A digest of what stands in the files that a scenario names."""
    return blake2b("".join(_files_of(scenario)).encode(), digest_size=ID_BYTES).hexdigest()


def versions() -> dict[str, str]:
    """What the run was made with."""
    try:
        project = version("noded")
    except PackageNotFoundError:
        project = "unknown"
    return {
        "noded": project,
        "code": code_digest(),
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
    }


def make_place(folder: Path) -> None:
    """
    See to it that results can be written to a folder, before hours go into them.

    Raises:
        OSError: They cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


def save(result: Result, folder: Path) -> Path:
    """Write manifest and tables; the manifest last, so that a folder with one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables(result).items():
        frame.write_parquet(folder / f"{name}.parquet")
    manifest = {
        "manifest": MANIFEST_VERSION,
        "id": folder.name,
        "scenario": result.scenario.plain(),
        "kept_going": result.kept_going,
        "files": files_digest(result.scenario),
        "versions": versions(),
        "summary": summary(result),
        "culprits": list(result.culprits),
        "events": result.events,
        "traffic": asdict(result.cluster.network.traffic),
    }
    path = folder / MANIFEST
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(manifest, indent=2) + "\n")
    temporary.replace(path)
    return folder


@dataclass(frozen=True, slots=True)
class Saved:
    """A run that was done before."""

    folder: Path
    scenario: Scenario
    manifest: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """Its figures."""
        figures: dict[str, Any] = self.manifest["summary"]
        return figures

    def table(self, name: str) -> "polars.DataFrame":
        """One of its tables."""
        import polars

        return polars.read_parquet(self.folder / f"{name}.parquet")


def load(folder: Path) -> Saved:
    """
    Read a run's folder.

    Raises:
        ConfigError: There is no complete run.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        scenario = make_scenario(manifest["scenario"])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; a run's folder has a {MANIFEST}") from error
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return Saved(folder, scenario, manifest)


def find_runs(folder: Path) -> list[Path]:
    """The complete runs in a folder, or the folder itself if it is one."""
    if (folder / MANIFEST).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))


def tables(result: Result) -> "dict[str, polars.DataFrame]":
    """All tables of a run."""
    import polars

    recorder, cluster, driver = result.recorder, result.cluster, result.driver
    rows = [recorder.blocks[height] for height in sorted(recorder.blocks)]
    step = max(1, sum(len(row.nodes) for row in rows) // COMMITS_KEPT)
    commits = [
        (row.height, node, time)
        for row in rows[::step]
        for node, time in zip(row.nodes, row.final_ns, strict=True)
    ]
    outcomes = driver.outcomes
    kept = slice(None, None, max(1, len(outcomes) // TRANSACTIONS_KEPT))
    network = cluster.network
    return {
        "blocks": polars.DataFrame(
            [_block_row(result, row) for row in rows],
            schema={name: polars.String if name in _TEXTS else polars.Int64 for name in _BLOCKS},
            orient="row",
        ),
        "commits": polars.DataFrame(
            commits,
            schema=dict.fromkeys(("height", "node", "final_ns"), polars.Int64),
            orient="row",
        ),
        "transactions": polars.DataFrame(
            {
                "gateway": list(outcomes.gateway[kept]),
                "kind": outcomes.kind[kept],
                "intended_ns": list(outcomes.intended_ns[kept]),
                "final_ns": list(outcomes.final_ns[kept]),
                "height": list(outcomes.height[kept]),
                "applied": [bool(each) for each in outcomes.applied[kept]],
            },
            schema={
                "gateway": polars.Int64,
                "kind": polars.String,
                "intended_ns": polars.Int64,
                "final_ns": polars.Int64,
                "height": polars.Int64,
                "applied": polars.Boolean,
            },
        ),
        "nodes": polars.DataFrame(
            {
                "node": list(range(len(cluster.hosts))),
                "region": region_names(result.scenario),
                "correct": [host.is_correct for host in cluster.hosts],
                "height": [int(host.archive.height) for host in cluster.hosts],
                "cpu": [host.busy_ns / max(1, cluster.engine.now) for host in cluster.hosts],
                "fsyncs": [host.disk.fsyncs for host in cluster.hosts],
                "inbox_peak": [host.inbox_peak for host in cluster.hosts],
                "lives": [host.life for host in cluster.hosts],
                "sent_messages": network.sent_messages,
                "sent_bytes": network.sent_bytes,
            }
        ),
        "seconds": polars.DataFrame(
            [astuple(row) for row in recorder.seconds],
            schema={field.name: polars.Int64 for field in fields(SecondRow)},
            orient="row",
        ),
        "standings": polars.DataFrame(
            [(each.node, each.ended_ns, *astuple(each.report)) for each in recorder.standings],
            schema=dict.fromkeys(_STANDINGS, polars.Int64),
            orient="row",
        ),
        "findings": polars.DataFrame(
            [astuple(each) for each in recorder.findings],
            schema={
                "at_ns": polars.Int64,
                "epoch": polars.Int64,
                "name": polars.String,
                "node": polars.Int64,
                "detail": polars.String,
            },
            orient="row",
        ),
        "violations": polars.DataFrame(
            [
                (each.checker, each.kind, each.at_ns, each.detail, list(each.nodes))
                for each in result.violations
            ],
            schema={
                "checker": polars.String,
                "kind": polars.String,
                "at_ns": polars.Int64,
                "detail": polars.String,
                "nodes": polars.List(polars.Int64),
            },
            orient="row",
        ),
    }


_BLOCKS = (
    "height", "hash", "epoch", "view", "kind", "proposer", "batches", "transactions", "applied", "bytes", "proposed_ns",
    "notarized_ns", "voted_ns", "first_ns", "final_ns", "last_ns",
)  # fmt: skip

_TEXTS = ("hash", "kind")

_STANDINGS = ("node", "ended_ns", *(field.name for field in fields(EpochReport)))


def _block_row(result: Result, row: BlockRow) -> tuple[Any, ...]:
    phase = result.recorder.phases.get(row.hash)
    return (
        row.height,
        row.hash.hex(),
        row.epoch,
        row.view,
        row.kind,
        row.proposer,
        row.batches,
        row.transactions,
        row.applied,
        row.bytes,
        row.proposed_ns,
        None if phase is None else _middle(phase.notarized_ns),
        None if phase is None else _middle(phase.finalized_ns),
        min(row.final_ns),
        row.proposed_ns + int(result.recorder.finality_ns(row)),
        max(row.final_ns),
    )


def _middle(values: Sequence[int]) -> int | None:
    return sorted(values)[len(values) // 2] if values else None
