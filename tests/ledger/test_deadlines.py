"""L9: deadlines fire once, in time order, by block time, and never too many at once."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from noded.ledger.context import BlockContext
from noded.ledger.deadlines import FIRED_MAX, HOURS_MAX, PAGE_ENTRIES_MAX, Handler, schedule, sweep, waiting
from noded.ledger.epoch import founding_table
from noded.ledger.state import Overlay
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import ChainId, Epoch, Height, TimestampMs
from noded.types.validator_set import ValidatorSet
from tests.helpers.ledger import START_MS, make_genesis

VALIDATORS = ValidatorSet(founding_table(make_genesis()))


class Clock:
    """A state, and the deadlines that fired in it."""

    def __init__(self) -> None:
        self.state = Overlay(lambda key: None)
        self.fired: list[tuple[int, bytes]] = []
        self.handlers: Mapping[int, Handler] = {1: self._fire, 2: self._fire_and_schedule}

    def sweep(self, time_ms: int) -> None:
        block = BlockContext(
            chain_id=ChainId(bytes(32)),
            height=Height(1),
            epoch=Epoch(1),
            time_ms=TimestampMs(time_ms),
            params=DEFAULT_PARAMETERS,
            validators=VALIDATORS,
        )
        sweep(self.state, block, self.handlers)
        self.state.keep()

    def schedule(self, due_ms: int, subject: bytes, kind: int = 1) -> None:
        schedule(self.state, TimestampMs(due_ms), kind, subject)
        self.state.keep()

    def _fire(self, state: Overlay, subject: bytes, block: BlockContext) -> None:
        self.fired.append((block.time_ms, subject))

    def _fire_and_schedule(self, state: Overlay, subject: bytes, block: BlockContext) -> None:
        self.fired.append((block.time_ms, subject))
        schedule(state, TimestampMs(0), 1, b"again")


class TestSweep:
    def test_fires_within_a_second_and_once(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        clock.schedule(START_MS + 5_500, b"x")

        for time_ms in (START_MS + 5_499, START_MS + 5_999, START_MS + 6_500, START_MS + 9_000):
            clock.sweep(time_ms)

        assert clock.fired == [(START_MS + 6_500, b"x")]
        assert waiting(clock.state) == 0

    def test_earlier_seconds_fire_first_whatever_was_scheduled_first(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        for offset in (90_000, 10_000, 4_000_000):
            clock.schedule(START_MS + offset, str(offset).encode())

        clock.sweep(START_MS + 5_000_000)

        assert [subject for _, subject in clock.fired] == [b"10000", b"90000", b"4000000"]

    def test_past_deadline_fires_with_the_next_block(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        clock.schedule(1, b"long ago")
        clock.sweep(START_MS + 1)

        assert clock.fired == [(START_MS + 1, b"long ago")]

    def test_what_a_handler_schedules_in_the_past_is_not_lost(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        clock.schedule(START_MS + 1_000, b"first", kind=2)
        clock.sweep(START_MS + 20_000_000)
        clock.sweep(START_MS + 20_001_000)

        assert [subject for _, subject in clock.fired] == [b"first", b"again"]

    def test_work_of_one_block_is_bounded(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        count = 3 * FIRED_MAX
        for number in range(count):
            clock.schedule(START_MS + 1_000, str(number).encode())
        sizes = []
        for step in range(5):
            before = len(clock.fired)
            clock.sweep(START_MS + 10_000 + step)
            sizes.append(len(clock.fired) - before)

        assert max(sizes) < FIRED_MAX + PAGE_ENTRIES_MAX
        assert sum(sizes) == count
        assert sorted(int(subject) for _, subject in clock.fired) == list(range(count))

    def test_standstill_is_caught_up_block_by_block(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        years = 3 * 365 * 24 * 3_600_000
        clock.schedule(START_MS + years, b"late")
        steps = 0
        while not clock.fired:
            clock.sweep(START_MS + years + 10_000)
            steps += 1

        assert 2 <= steps <= years // 3_600_000 // HOURS_MAX + 2

    def test_nothing_is_left_in_the_state(self) -> None:
        clock = Clock()
        clock.sweep(START_MS)
        for number in range(100):
            clock.schedule(START_MS + number * 777, str(number).encode())
        clock.sweep(START_MS + 1_000_000)

        left = [key for key, value in clock.state.encodings.items() if value is not None]
        assert left == [b"due/"]

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("schedule"), st.integers(0, 20_000_000)),
                st.tuples(st.just("sweep"), st.integers(1, 9_000_000)),
            ),
            max_size=40,
        )
    )
    def test_agrees_with_a_list(self, steps: list[tuple[str, int]]) -> None:
        clock = Clock()
        now = int(START_MS)
        clock.sweep(now)
        due: list[tuple[int, bytes]] = []
        expected: list[bytes] = []
        for number, (action, amount) in enumerate(steps):
            if action == "schedule":
                due.append((now + amount, str(number).encode()))
                clock.schedule(now + amount, str(number).encode())
            else:
                now += amount
                clock.sweep(now)
                ripe = [subject for when, subject in due if when // 1000 < now // 1000]
                due = [each for each in due if each[1] not in ripe]
                expected += ripe
                assert sorted(subject for _, subject in clock.fired) == sorted(expected)
                assert waiting(clock.state) == len(due)
