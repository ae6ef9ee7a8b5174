"""Secrets at rest: sealed under the data key, bound to their place, gone when deleted."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.blobs.errors import WrongDataKey
from noded.blobs.sealed_file import SealedFile
from noded.crypto.errors import Undecryptable
from noded.errors import StorageError

DATA_KEY = b"k" * 32


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SealedFile]:
    file = SealedFile(tmp_path / "keys.sqlite", DATA_KEY)
    yield file
    file.close()


class TestSeal:
    def test_opens_in_its_place_only(self, file: SealedFile) -> None:
        sealed = file.seal(b"secret", b"here")

        assert file.open(sealed, b"here") == b"secret"
        for changed, place in (
            (sealed, b"there"),
            (sealed[:-1], b"here"),
            (sealed[:5], b"here"),
            (b"", b"here"),
        ):
            with pytest.raises(Undecryptable):
                file.open(changed, place)

    def test_never_gives_the_same_twice(self, file: SealedFile) -> None:
        assert len({file.seal(b"secret", b"here") for _ in range(100)}) == 100


class TestOpening:
    def test_another_data_key_is_refused_at_once(self, file: SealedFile, tmp_path: Path) -> None:
        with pytest.raises(WrongDataKey, match=r"keys\.sqlite: sealed under another data key"):
            SealedFile(tmp_path / "keys.sqlite", bytes(32))

    def test_a_file_that_is_something_else_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "other").write_bytes(b"not a database" * 100)

        with pytest.raises(StorageError, match="other: is damaged or is no store"):
            SealedFile(tmp_path / "other", DATA_KEY)

    def test_the_file_is_private(self, file: SealedFile, tmp_path: Path) -> None:
        assert (tmp_path / "keys.sqlite").stat().st_mode & 0o777 == 0o600


class TestWriting:
    def test_all_or_nothing(self, file: SealedFile) -> None:
        def insert_and_fail() -> None:
            with file.writing() as connection:
                connection.execute("INSERT INTO data_key (sealed) VALUES (x'00')")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            insert_and_fail()
        with file.reading() as connection:
            assert connection.execute("SELECT count(*) FROM data_key").fetchone() == (1,)

    def test_another_process_that_holds_the_file_is_named(self, file: SealedFile, tmp_path: Path) -> None:
        with file.reading() as connection:
            connection.execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(tmp_path / "keys.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StorageError, match="locked by another process"), file.writing():
            pytest.fail("the transaction began")
        other.close()
