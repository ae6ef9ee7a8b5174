"""B7: served only to a permit, and every other answer is the same."""

from pathlib import Path
from typing import Any

import pytest

from noded.blobs.errors import BlobCorrupt, BlobMissing
from noded.blobs.messages import decode_answer
from noded.blobs.serving import REFUSAL
from noded.codec.errors import Malformed
from noded.types.medical import RecordId, RequestId, Version
from tests.helpers.blobs import blob_path, flip
from tests.helpers.custodian import DATA, READER, STRANGER, ServingCustodian


@pytest.fixture
def custodian(tmp_path: Path) -> ServingCustodian:
    return ServingCustodian(tmp_path / "custodian")


class TestServing:
    """B7: only against a committed permit, asked for every part; every other answer is the same."""

    async def test_a_permit_opens_every_part(self, custodian: ServingCustodian) -> None:
        manifest = decode_answer(await custodian.ask_for(segments=0)).data
        parts = [decode_answer(await custodian.ask_for(first=first, segments=15)).data for first in (0, 15)]

        assert manifest == custodian.store.manifest(custodian.name).encode()
        assert b"".join(part or b"" for part in parts) == DATA

    @pytest.mark.parametrize(
        "changes",
        [
            {"peer": STRANGER},
            {"request": RequestId(b"x" * 16)},
            {"record": RecordId(b"x" * 16)},
            {"version": Version(1)},
            {"first": 21},
        ],
    )
    async def test_not_allowed_and_not_found_answer_alike(
        self, custodian: ServingCustodian, changes: dict[str, Any]
    ) -> None:
        assert await custodian.ask_for(**changes) == REFUSAL
        assert custodian.reports == []

    async def test_the_end_of_the_permit_ends_the_transfer(self, custodian: ServingCustodian) -> None:
        assert await custodian.ask_for(first=0) != REFUSAL
        custodian.permits.clear()
        assert await custodian.ask_for(first=1) == REFUSAL

    async def test_what_is_missing_here_is_reported_here_only(self, custodian: ServingCustodian) -> None:
        custodian.store.delete(custodian.name)

        assert await custodian.ask_for() == REFUSAL
        ((peer, error),) = custodian.reports
        assert peer == READER
        assert isinstance(error, BlobMissing)

    async def test_a_flipped_byte_is_never_served_and_is_named(self, custodian: ServingCustodian) -> None:
        flip(blob_path(custodian.store, custodian.name), -1)

        assert await custodian.ask_for(first=20) == REFUSAL
        ((_, error),) = custodian.reports
        assert isinstance(error, BlobCorrupt)
        assert error.segment == 20

    async def test_garbage_is_the_peers_fault(self, custodian: ServingCustodian) -> None:
        with pytest.raises(Malformed):
            await custodian._server.answer(READER, b"\x00garbage")
