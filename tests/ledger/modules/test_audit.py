"""L80–L82: audit logs are anchored without a gap, or the silence shows."""

import pytest

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value
from noded.ledger.errors import RoleNotAllowed
from noded.ledger.modules.audit import ANCHOR_INTERVAL_MS, Anchor, anchor_key, get_last_anchor
from noded.ledger.modules.errors import AnchorOutOfTime, NotCurrent
from noded.ledger.modules.queries import overdue_duties
from noded.types.ids import Root, TimestampMs
from noded.types.operations.audit import AuditAnchor
from tests.helpers.medical import CLINIC, HOSPITAL, PATIENT, START_MS, World, refused

HOUR_MS = 3_600_000


def anchor(sequence: int, until_ms: int, entries: int = 5) -> AuditAnchor:
    root = Root(bytes([sequence]) * 32) if entries else None
    return AuditAnchor(sequence=sequence, entries=entries, root=root, until_ms=TimestampMs(until_ms))


class TestGapless:
    """L80: each stretch follows the last one in number; heartbeats are stretches without entries."""

    def test_follow_one_another(self) -> None:
        world = World()
        world.apply(HOSPITAL, anchor(1, START_MS - 10))
        world.apply(HOSPITAL, anchor(2, START_MS, entries=0))

        last = get_last_anchor(world.state, HOSPITAL.institution)
        assert last is not None
        assert (last.sequence, last.entries, last.root) == (2, 0, None)
        assert (last.from_ms, last.until_ms) == (START_MS - 10, START_MS)
        first = world.state.read(anchor_key(HOSPITAL.institution, 1), Anchor)
        assert first is not None
        assert (first.from_ms, first.until_ms) == (0, START_MS - 10)

    def test_institutions_count_for_themselves(self) -> None:
        world = World()
        world.apply(HOSPITAL, anchor(1, START_MS))

        world.apply(CLINIC, anchor(1, START_MS))

    @pytest.mark.parametrize("sequence", [1, 3])
    def test_gaps_and_repeats_are_refused(self, sequence: int) -> None:
        world = World()
        world.apply(HOSPITAL, anchor(1, START_MS - 1))

        error = refused(world, NotCurrent, HOSPITAL, anchor(sequence, START_MS))
        assert error.current == 1

    @pytest.mark.parametrize(("entries", "root"), [(0, Root(bytes(32))), (1, None)])
    def test_a_root_goes_with_entries(self, entries: int, root: Root | None) -> None:
        with pytest.raises(Malformed):
            AuditAnchor(sequence=1, entries=entries, root=root, until_ms=START_MS)

    def test_also_when_it_comes_as_bytes(self) -> None:
        data = encode_value(anchor(1, START_MS))
        entries_at = data.index(b"\x05", 1)
        with pytest.raises(Malformed):
            decode_value(AuditAnchor, data[:entries_at] + b"\x00" + data[entries_at + 1 :], max_bytes=99)

    def test_role(self) -> None:
        refused(World(), RoleNotAllowed, PATIENT, anchor(1, START_MS))


class TestTime:
    """L81: each stretch follows the last one in time, and ends in the past."""

    @pytest.mark.parametrize("until_ms", [START_MS - 10, START_MS - 11, START_MS + 1])
    def test_refused(self, until_ms: int) -> None:
        world = World()
        world.apply(HOSPITAL, anchor(1, START_MS - 10))

        error = refused(world, AnchorOutOfTime, HOSPITAL, anchor(2, until_ms))
        assert (error.until_ms, error.after_ms, error.now_ms) == (until_ms, START_MS - 10, START_MS)


class TestSilence:
    """L82: whoever anchors must anchor every day, if only a heartbeat."""

    def make_world(self) -> World:
        world = World()
        world.apply(HOSPITAL, anchor(1, START_MS))
        return world

    def test_silence_is_recorded(self) -> None:
        world = self.make_world()
        world.advance(ANCHOR_INTERVAL_MS + 5_000)

        last = get_last_anchor(world.state, HOSPITAL.institution)
        assert last is not None
        assert last.overdue
        assert world.events()[-1] == "audit.anchor-overdue"

    def test_the_next_anchor_ends_it(self) -> None:
        world = self.make_world()
        world.advance(ANCHOR_INTERVAL_MS + 5_000)
        assert len(overdue_duties(world)[0]) == 1
        world.apply(HOSPITAL, anchor(2, world.time_ms, entries=0))

        assert overdue_duties(world)[0] == []
        silent = world.state.read(anchor_key(HOSPITAL.institution, 1), Anchor)
        assert silent is not None
        assert silent.overdue, "on the ledger for good"

    def test_heartbeats_are_enough(self) -> None:
        world = self.make_world()
        for sequence in range(2, 30):
            world.advance(20 * HOUR_MS)
            world.apply(HOSPITAL, anchor(sequence, world.time_ms, entries=0))

        assert overdue_duties(world)[0] == []

    def test_who_never_anchored_owes_nothing(self) -> None:
        world = World()
        world.advance(10 * ANCHOR_INTERVAL_MS)

        assert overdue_duties(world)[0] == []
