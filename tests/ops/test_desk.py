"""What a desk does where its node does not take a transaction at once."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from noded.client.answers import Posted
from noded.ops import desk
from noded.ops.desk import Desk
from tests.helpers.ledger import TestChain
from tests.helpers.medical import make_record


class Full:
    """A node that has no room for some calls, and then has."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def post_transactions(self, transactions: Sequence[bytes], *, wait_s: float) -> list[Posted]:
        self.calls -= 1
        refused = "PoolFull" if self.calls >= 0 else None
        return [Posted(SIGNED.hash, refused, "", None, None, None)]


SIGNED = TestChain().transaction(make_record())


@pytest.mark.parametrize(("patience_s", "refused"), [(60.0, None), (0.0, "PoolFull")])
def test_a_transaction_for_which_there_is_no_room_is_handed_in_again(
    monkeypatch: pytest.MonkeyPatch, patience_s: float, refused: str | None
) -> None:
    monkeypatch.setattr(desk, "PAUSE_S", 0.0)
    monkeypatch.setattr(desk, "FINAL_S", patience_s)
    full = cast(Desk, SimpleNamespace(node=Full(3)))

    assert Desk.hand_in(full, SIGNED).refused == refused
