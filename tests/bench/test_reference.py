"""The fixed piece of work that says how fast a machine is."""

from noded.bench.reference import Reference, reference_us


def test_every_piece_is_the_same() -> None:
    with Reference() as first, Reference() as second:
        assert first.do() == first.do() == second.do()


async def test_all_cores_work_at_it_in_processes_of_their_own() -> None:
    assert await reference_us() > 0
