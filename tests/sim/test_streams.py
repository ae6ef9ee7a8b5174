"""Random streams: a draw depends on its name and number alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.streams import LinkStreams, Stream, mix, mix_array, stream_key

SEEDS = st.integers(0, (1 << 63) - 1)


class TestStream:
    def test_same_name_same_draws(self) -> None:
        first, second = Stream(7, "workload", 3), Stream(7, "workload", 3)

        assert [first.bits() for _ in range(5)] == [second.bits() for _ in range(5)]

    def test_other_names_have_other_draws(self) -> None:
        names = [
            (7, "workload", 3),
            (8, "workload", 3),
            (7, "faults", 3),
            (7, "workload", 4),
            (7, "workload", 33),
        ]

        assert len({Stream(*name).bits() for name in names}) == len(names)

    @given(SEEDS, st.integers(1, 1000))
    def test_below_is_below(self, seed: int, bound: int) -> None:
        stream = Stream(seed, "t")

        assert all(0 <= stream.below(bound) < bound for _ in range(20))

    def test_below_reaches_everything_about_equally(self) -> None:
        stream = Stream(1, "t")
        counts = [0] * 10
        for _ in range(10_000):
            counts[stream.below(10)] += 1

        assert min(counts) > 850
        assert max(counts) < 1150

    @given(SEEDS, st.lists(st.integers(), min_size=3, max_size=12, unique=True))
    def test_sample_has_different_items(self, seed: int, items: list[int]) -> None:
        found = Stream(seed, "t").sample(items, 3)

        assert len(set(found)) == 3
        assert set(found) <= set(items)

    def test_exponential_has_its_mean(self) -> None:
        stream = Stream(1, "t")
        draws = [stream.exponential(5.0) for _ in range(20_000)]

        assert min(draws) >= 0
        assert 4.8 < sum(draws) / len(draws) < 5.2

    def test_weighted_follows_the_weights(self) -> None:
        stream = Stream(1, "t")
        draws = [stream.weighted([0, 1, 3]) for _ in range(8_000)]

        assert 0 not in draws
        assert 5_700 < draws.count(2) < 6_300

    def test_known_draws_stay_as_they_are(self) -> None:
        """A change here changes every event hash and every shrunk seed."""
        assert stream_key(7, "workload") == 0xADCBBC04B50C4477
        assert [mix(value) for value in (0, 1)] == [0, 0x5692161D100B05E5]
        assert Stream(7, "workload").bits() == 0xAA39CD1176202BF3


class TestLinkStreams:
    def test_scalar_and_array_draw_the_same(self) -> None:
        one, many = LinkStreams(3, "latency", 8), LinkStreams(3, "latency", 8)
        targets = np.array([5, 1, 7], dtype=np.int64)

        for _ in range(3):
            assert many.draw(2, targets).tolist() == [one.draw_one(2, target) for target in (5, 1, 7)]

    def test_draws_of_a_link_do_not_depend_on_others(self) -> None:
        quiet, busy = LinkStreams(3, "latency", 8), LinkStreams(3, "latency", 8)
        for target in (0, 1, 3, 4):
            busy.draw_one(2, target)
            busy.draw_one(target, 2)

        assert busy.draw_one(2, 5) == quiet.draw_one(2, 5)

    def test_directions_differ(self) -> None:
        streams = LinkStreams(3, "latency", 8)

        assert streams.draw_one(1, 2) != streams.draw_one(2, 1)

    def test_mix_of_an_array_is_mix_of_each(self) -> None:
        values = [0, 1, 2**63, 2**64 - 1]

        assert mix_array(np.array(values, dtype=np.uint64)).tolist() == [mix(value) for value in values]
