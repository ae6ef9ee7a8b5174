"""The measurement runs; its figures are for people."""

import dataclasses

import pytest

from noded.network.measure import measure


@pytest.mark.slow
async def test_everything_is_measured() -> None:
    measured = await measure()

    assert all(figure > 0 for figure in dataclasses.asdict(measured).values())
