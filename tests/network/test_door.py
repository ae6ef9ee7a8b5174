"""N8: connections that have not yet authenticated."""

from noded.network.door import Door
from noded.network.limits import (
    HANDSHAKES_PENDING_MAX,
    MEMBER_ADDRESS_BURST,
    STRANGER_BURST,
    STRANGER_RATE_PER_S,
)


def make_door() -> Door:
    door = Door()
    door.set_members(["10.0.0.1", "10.0.0.2"])
    return door


def test_strangers_share_one_rate() -> None:
    door = make_door()
    entered = [door.enter(f"192.0.2.{n % 250}", 0.0) for n in range(int(STRANGER_BURST) + 50)]

    assert sum(visitor is not None for visitor in entered) == STRANGER_BURST
    assert door.enter("192.0.2.1", 1 / STRANGER_RATE_PER_S) is not None


def test_a_flood_of_strangers_takes_nothing_from_members() -> None:
    door = make_door()
    while door.enter("192.0.2.1", 0.0) is not None:
        pass

    assert door.enter("10.0.0.1", 0.0) is not None


def test_each_address_of_a_member_has_its_own_rate() -> None:
    door = make_door()
    entered = 0
    while door.enter("10.0.0.1", 0.0) is not None:
        entered += 1

    assert entered == MEMBER_ADDRESS_BURST
    assert door.enter("10.0.0.2", 0.0) is not None


def test_naming_the_members_again_refills_nothing() -> None:
    door = make_door()
    while door.enter("10.0.0.1", 0.0) is not None:
        pass
    door.set_members(["10.0.0.1"])

    assert door.enter("10.0.0.1", 0.0) is None


class TestEviction:
    """Who holds many connections half open loses his own first."""

    async def test_the_pending_are_bounded(self) -> None:
        door = make_door()
        visitors = [door.enter("192.0.2.1", float(n)) for n in range(HANDSHAKES_PENDING_MAX + 5)]

        assert len(door) == HANDSHAKES_PENDING_MAX
        assert [v is not None and v.scope.cancel_called for v in visitors] == (
            [True] * 5 + [False] * HANDSHAKES_PENDING_MAX
        )

    async def test_strangers_make_room_before_members(self) -> None:
        door = make_door()
        members = [door.enter("10.0.0.1", float(n)) for n in range(HANDSHAKES_PENDING_MAX - 1)]
        stranger = door.enter("192.0.2.1", 0.0)
        assert stranger is not None
        late = door.enter("10.0.0.2", 0.0)

        assert stranger.scope.cancel_called
        assert late is not None
        assert not any(m is not None and m.scope.cancel_called for m in members)

    async def test_the_address_with_the_most_makes_room(self) -> None:
        door = make_door()
        lone = door.enter("192.0.2.9", 0.0)
        crowd = [door.enter("192.0.2.1", float(n)) for n in range(HANDSHAKES_PENDING_MAX)]

        assert lone is not None
        assert not lone.scope.cancel_called
        assert crowd[0] is not None
        assert crowd[0].scope.cancel_called

    async def test_who_leaves_makes_room(self) -> None:
        door = make_door()
        visitor = door.enter("192.0.2.1", 0.0)
        assert visitor is not None
        door.leave(visitor)
        door.leave(visitor)

        assert len(door) == 0
