"""`noded demo`: a consortium of real processes, the story, and a verdict."""

import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from statistics import quantiles
from typing import Any

from noded.demo.stage import Say, Story, StoryBroken
from noded.demo.story import tell
from noded.errors import ConfigError
from noded.fhir.documents import FhirRecord, find_documents, read_document
from noded.fhir.slicing import InvalidDocument
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
            height = int(story.hospital.node.get("/v1/status")["status"]["height"])
        if keep:
            say(f"the network's files are in {folder}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return {
        "nodes": nodes,
        "height": height,
        "transactions": sum(desk.transactions for desk in story.desks),
        "records": len(story.imported),
        "finality_ms": _figures([taken for desk in story.desks for taken in desk.latencies_ms]),
        "checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in story.checks],
    }


def read_records(folder: Path) -> tuple[list[FhirRecord], list[str]]:
    """
    All records of a folder's documents, and what was wrong with files that gave none.

    Raises:
        StoryBroken: There is no record at all.
    """
    records: list[FhirRecord] = []
    problems: list[str] = []
    for path in find_documents([folder]):
        try:
            records += read_document(path).records
        except InvalidDocument as error:
            problems.append(str(error))
    if not records:
        raise StoryBroken(f"{folder} has no FHIR records")
    return records, problems


def _figures(finality_ms: list[float]) -> dict[str, float]:
    cuts = quantiles(finality_ms, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}
