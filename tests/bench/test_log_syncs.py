"""How long nodes waited for their logs."""

from noded.bench.log_syncs import LogSyncs


def test_the_mean_is_of_the_writes_since() -> None:
    assert LogSyncs(30, 0.5).mean_ms_since(LogSyncs(10, 0.1)) == 20.0


def test_of_no_write_it_is_nothing() -> None:
    assert LogSyncs(30, 0.5).mean_ms_since(LogSyncs(30, 0.5)) == 0.0
