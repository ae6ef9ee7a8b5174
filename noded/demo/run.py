"""`noded demo`: a consortium of real processes, the story, and a verdict."""

import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from statistics import quantiles
from typing import Any

from noded.demo.importing import read_records
from noded.demo.story import Say, Story, tell
from noded.errors import ConfigError
from noded.testnet.creating import create_testnet
from noded.testnet.processes import Testnet

NODES_MIN = 4
"""Hospital, hospital, laboratory, insurer: the story's parts."""


def run_demo(*, fhir: Path | None, nodes: int, keep: bool, say: Say) -> dict[str, Any]:
    """
    Tell the story with real processes in a folder of their own.

    Args:
        fhir: Folder of FHIR documents; None for the samples.
        nodes: At least NODES_MIN.
        keep: Whether the folder stays.
        say: Called with each line of progress.

    Returns:
        The figures and checks, for the verdict.

    Raises:
        ConfigError: There are too few nodes.
        StoryBroken: A step did not come about.
    """
    if nodes < NODES_MIN:
        raise ConfigError(f"the story needs at least {NODES_MIN} nodes, got {nodes}")
    with as_file(files("noded.demo") / "samples") as samples:
        records, problems = read_records(fhir or samples)
    for problem in problems:
        say(f"passed over: {problem}")
    folder = Path(tempfile.mkdtemp(prefix="noded-demo-"))
    try:
        say(f"{nodes} institutions found a consortium")
        genesis = create_testnet(folder / "net", nodes, name="demo", encrypted=False)
        with Testnet(folder / "net") as testnet:
            testnet.start()
            story = Story(testnet, genesis, say)
            tell(story, records)
            height = int(story.hospital.look("/v1/status")["status"]["height"])
        if keep:
            say(f"the network's files are in {folder}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return {
        "nodes": nodes,
        "height": height,
        "transactions": story.clock.transactions,
        "records": len(story.imported),
        "finality_ms": _figures(story.clock.finality_ms),
        "checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in story.checks],
    }


def _figures(finality_ms: list[float]) -> dict[str, float]:
    cuts = quantiles(finality_ms, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}
