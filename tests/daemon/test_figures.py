"""Figures that are read when Prometheus asks."""

from pathlib import Path

from noded.daemon.figures import _of_disk
from noded.ops.home import STORE_NAME


def test_the_stores_size_is_that_of_its_own_files(tmp_path: Path) -> None:
    """Not of one that was set aside, nor of one that is made ready."""
    for name, size in (("", 100), ("-wal", 20), (".replaced-20261129T120000Z", 3000), (".restoring", 4000)):
        (tmp_path / f"{STORE_NAME}{name}").write_bytes(bytes(size))

    values = {family.name: family.samples[0].value for family in _of_disk(tmp_path)}

    assert values["noded_store_bytes"] == 120
