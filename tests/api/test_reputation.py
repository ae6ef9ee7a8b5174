"""Where a reputation comes from, over the API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from noded.cli.reputation import _show_epochs
from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.helpers.recomputing import capped, counted, counted_in_blocks, judged, moved, shared
from tests.ledger.test_participation import make_equivocation

MEMBER = member_id(4).hex()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """Two epochs of five blocks and a piece of a third; member 4 misses a vote, and equivocates in the second."""
    chain = TestChain(make_genesis(epoch_length=5))
    chain.run()
    chain.run(voters=[0, 1, 2])
    for _ in range(4):
        chain.run()
    chain.run(evidence=[make_equivocation(4)])
    for _ in range(5):
        chain.run()
    async with serve(TestBackend(chain), tmp_path) as served:
        yield served


async def test_an_epoch_is_traced_to_its_blocks(served: ServedApi) -> None:
    found = (await served.get(f"/v1/institutions/{MEMBER}/epochs/1")).json

    assert (found["first_height"], found["last_height"]) == (1, 5)
    assert [each["height"] for each in found["signals"] if each["voted"]] == [3, 4]
    assert [each["height"] for each in found["signals"] if each["counted"]] == [2, 3, 4]
    assert (found["report"]["points"], found["report"]["opportunities"]) == (4, 3)
    assert found["before"]["reputation"] == 500_000


async def test_evidence_is_traced(served: ServedApi) -> None:
    found = (await served.get(f"/v1/institutions/{MEMBER}/epochs/2")).json

    assert [(each["height"], each["evidence"]) for each in found["signals"] if each["evidence"]] == [
        (7, ["ConflictingProposals"])
    ]
    assert (found["report"]["reputation"], found["report"]["debt"]) == (0, 1_000_000)


async def test_the_present_epoch_has_no_report_yet(served: ServedApi) -> None:
    found = (await served.get(f"/v1/institutions/{MEMBER}/epochs/3")).json

    assert found["report"] is None
    assert found["first_height"] == 11


@pytest.mark.parametrize("path", [f"{MEMBER}/epochs/4", f"{member_id(9).hex()}/epochs/1"])
async def test_what_there_is_not_is_not_found(served: ServedApi, path: str) -> None:
    assert (await served.get(f"/v1/institutions/{path}")).reason == "NoSuchThing"


async def test_numbers_are_bounded(served: ServedApi) -> None:
    assert (await served.get(f"/v1/institutions/{MEMBER}/epochs/0")).status == 422


async def test_the_command_shows_the_arithmetic(served: ServedApi) -> None:
    """Each line's result is the ledger's."""
    epochs = [(await served.get(f"/v1/institutions/{MEMBER}/epochs/{epoch}")).json for epoch in (1, 2, 3)]
    text = _show_epochs({"member": MEMBER, "name": "Four", "epochs": epochs})
    report = epochs[0]["report"]

    assert "2 points each, in the certificates in blocks 3–4" in text
    assert "missing      in blocks 2\n" in text
    assert f"S·(4+8)//(2·3+8) = {report['participation']}\n" in text
    assert f"= {report['reputation']}\n" in text
    assert "ConflictingProposals (block 7)" in text
    assert "0: equivocation was proven" in text
    assert "epoch 3, heights 11 to 12, still going on" in text


class TestRecomputed:
    """Every number of `explain` comes out again from blocks and the table before (L120–L129)."""

    @pytest.fixture
    async def uneven(self, tmp_path: Path) -> AsyncIterator[ServedApi]:
        """Four epochs of members of whom some miss votes or are skipped."""
        chain = TestChain(make_genesis(epoch_length=8))
        for number in range(4 * 8 + 2):
            view = number % 8 + 1
            voters = [index for index in range(4) if (number * (index + 3)) % 7 > index]
            chain.run(voters=voters if len(voters) >= 2 else None, skipped=[1] if view == 3 else [])
        async with serve(TestBackend(chain), tmp_path) as served:
            yield served

    async def test_from_blocks_to_shares(self, uneven: ServedApi) -> None:
        async def get(path: str) -> Any:
            return (await uneven.get(path)).json

        for epoch in range(1, 4):
            rows = (await get(f"/v1/validators?epoch={epoch}"))["validators"]
            later = {row["id"]: row for row in (await get(f"/v1/validators?epoch={epoch + 1}"))["validators"]}
            explained = {row["id"]: await get(f"/v1/institutions/{row['id']}/epochs/{epoch}") for row in rows}
            reports = {id: each["report"] for id, each in explained.items()}
            for id, each in explained.items():
                report = reports[id]
                first, last = each["first_height"], each["last_height"]
                blocks = [await get(f"/v1/blocks/{height}") for height in range(first, last + 1)]
                for name, value in counted(each).items():
                    assert report[name] == value, name
                for name, value in counted_in_blocks(blocks, rows, id).items():
                    assert report[name] == value, name
                for name, value in judged(report, each["before"]).items():
                    assert report[name] == value, name
            raw = moved(
                {id: each["before"]["raw_power"] for id, each in explained.items()},
                {id: report["target"] for id, report in reports.items()},
            )
            powers = capped(raw)
            for id, report in reports.items():
                assert (report["raw_power"], report["power"]) == (raw[id], powers[id])
                assert report["share"] == shared(powers[id], report["effective"])
                named = ("reputation", "debt", "raw_power", "power", "share")
                assert [later[id][name] for name in named] == [report[name] for name in named]
        assert len({(row["power"], row["reputation"]) for row in later.values()}) == len(later)
