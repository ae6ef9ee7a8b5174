"""The event loop: order of events, broadcasts, digest."""

from collections.abc import Callable
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.engine import NOTES_MAX, Engine

NODES = 1_000

Log = list[tuple[int, int, object]]


def make_engine(tie_seed: int | None = None) -> tuple[Engine, Log]:
    log: Log = []

    def deliver(node: int, parcel: object) -> None:
        log.append((engine.now, node, parcel))

    engine = Engine(receivers(deliver), tie_seed=tie_seed)
    return engine, log


def receivers(deliver: Callable[[int, object], None]) -> list[Callable[[object], None]]:
    return [partial(deliver, node) for node in range(NODES)]


def times(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, dtype=np.int64)


def logged(engine: Engine, log: Log, name: str) -> Callable[[], None]:
    return lambda: log.append((engine.now, -1, name))


class TestOrder:
    def test_events_run_by_time_then_by_order_of_scheduling(self) -> None:
        engine, log = make_engine()
        engine.at(20, logged(engine, log, "c"))
        engine.at(10, logged(engine, log, "a"))
        engine.send(10, 3, "b")
        engine.run()

        assert log == [(10, -1, "a"), (10, 3, "b"), (20, -1, "c")]

    def test_faults_come_before_what_is_simultaneous(self) -> None:
        engine, log = make_engine()
        engine.send(10, 3, "message")
        engine.before(10, logged(engine, log, "crash"))
        engine.run()

        assert [name for _, _, name in log] == ["crash", "message"]

    def test_what_an_arrival_schedules_comes_before_later_arrivals_of_its_broadcast(self) -> None:
        order: list[object] = []

        def deliver(node: int, parcel: object) -> None:
            order.append(node)
            if node == 1:
                engine.at(engine.now + 5, lambda: order.append("reply"))

        engine = Engine(receivers(deliver))
        engine.broadcast(times(30, 10, 20), np.array([3, 1, 2], dtype=np.int64), "p")
        engine.run()

        assert order == [1, "reply", 2, 3]

    @given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), min_size=1, max_size=6))
    def test_broadcasts_interleave_as_single_messages_do(self, flights: list[list[int]]) -> None:
        together, log_together = make_engine()
        apart, log_apart = make_engine()
        for number, arrivals in enumerate(flights):
            together.broadcast(times(*arrivals), np.arange(len(arrivals), dtype=np.int64), number)
            for node, time in enumerate(arrivals):
                apart.send(time, node, number)
        together.run()
        apart.run()

        assert log_together == log_apart

    def test_a_seed_shuffles_ties_and_nothing_else(self) -> None:
        orders = set()
        for seed in range(8):
            engine, log = make_engine(seed)
            for node in range(4):
                engine.send(10, node, "tie")
            engine.send(5, 9, "early")
            engine.run()
            assert log[0] == (5, 9, "early")
            orders.add(tuple(node for _, node, _ in log))

        assert len(orders) > 1


class TestRun:
    def test_stops_at_its_time_and_goes_on_from_there(self) -> None:
        engine, log = make_engine()
        engine.broadcast(times(10, 20, 30), np.array([0, 1, 2], dtype=np.int64), "p")

        assert engine.run(until=20)
        assert [node for _, node, _ in log] == [0, 1]
        assert engine.now == 20
        assert not engine.run()
        assert [node for _, node, _ in log] == [0, 1, 2]

    def test_time_passes_without_events(self) -> None:
        engine, _ = make_engine()
        engine.run(until=500)

        assert engine.now == 500

    def test_stop_ends_it_after_the_event(self) -> None:
        engine, log = make_engine()
        engine.at(10, engine.stop)
        engine.send(10, 1, "later")

        assert engine.run()
        assert log == []

    def test_counts_events_and_deliveries(self) -> None:
        engine, _ = make_engine()
        engine.broadcast(times(10, 20), np.array([0, 1], dtype=np.int64), "p")
        engine.at(15, lambda: None)
        engine.run()

        assert (engine.stats().events, engine.stats().deliveries) == (3, 2)


class TestDigest:
    @staticmethod
    def digest(*notes: tuple[int, int, int]) -> str:
        engine, _ = make_engine()
        for time, node, value in notes:
            engine.at(time, partial(engine.note, node, value))
        engine.run()
        return engine.hexdigest()

    def test_is_a_function_of_what_happened(self) -> None:
        assert self.digest((1, 2, 3), (4, 5, 6)) == self.digest((1, 2, 3), (4, 5, 6))

    def test_every_part_of_every_note_counts(self) -> None:
        notes = [(1, 2, 3), (4, 5, 6)]
        others = [[(2, 2, 3), notes[1]], [(1, 3, 3), notes[1]], [(1, 2, 4), notes[1]], notes[:1], []]

        assert self.digest(*notes) not in [self.digest(*other) for other in others]

    def test_does_not_depend_on_when_it_is_read(self) -> None:
        def run(reads: bool) -> str:
            engine, _ = make_engine()
            for number in range(NOTES_MAX):
                engine.note(0, number)
                if reads and number % 1000 == 0:
                    engine.hexdigest()
            return engine.hexdigest()

        assert run(True) == run(False)


class TestIsNext:
    """An event that would be the next of all is done at once: the order is the same as through the heap."""

    def test_only_before_everything_else(self) -> None:
        engine = Engine(receivers(lambda node, parcel: None))
        seen: list[tuple[int, bool]] = []

        def act() -> None:
            seen.append((engine.now, engine.is_next(50)))
            seen.append((engine.now, engine.is_next(60)))  # Something else is due at 60.
            seen.append((engine.now, engine.is_next(55)))

        engine.at(10, act)
        engine.at(60, lambda: seen.append((engine.now, engine.is_next(200))))  # The run ends before.
        engine.run(until=100)

        assert seen == [(10, True), (50, False), (50, True), (60, False)]
        assert engine.stats().events == 4
