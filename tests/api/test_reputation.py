"""Where a reputation comes from, over the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from noded.cli.reputation import _show_epochs
from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import TestChain, make_genesis, member_id
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
    text = _show_epochs({"member": MEMBER, "epochs": epochs})
    report = epochs[0]["report"]

    assert "points 4: 2 for each vote in the certificates of blocks 3–4" in text
    assert "not in those of blocks 2" in text
    assert f"P = 1000000·(4+8)//(2·3+8) = {report['participation']}" in text
    assert f"= {report['reputation']}\n" in text
    assert "evidence: ConflictingProposals (block 7)" in text
    assert "R = 0: equivocation was proven" in text
    assert "still going on" in text
