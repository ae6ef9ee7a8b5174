"""The table of record keys: sealed at rest, all or none, and erased for good (B6)."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noded.blobs.errors import KeysCorrupt, RecordHeld, RecordNotHeld
from noded.blobs.keys import HeldVersion, RecordKeys, RecordSecrets, unpack_secrets
from noded.blobs.sealed_file import SealedFile
from noded.crypto.errors import Undecryptable
from noded.types.medical import CiphertextHash, RecordId, Version
from tests.helpers.blobs import bytes_on_disk

DATA_KEY = bytes(range(32))


def make_held(number: int = 1, version: int = 1) -> HeldVersion:
    return HeldVersion(
        record=RecordId(number.to_bytes(16)),
        version=Version(version),
        ciphertext=CiphertextHash(bytes([number, version]) * 16),
        size=100 + number,
        secrets=RecordSecrets(
            data_key=f"data key {number:10} of version {version:2}!".encode()[:32],
            salt_key=f"salt key {number:10} of version {version:2}!".encode()[:32],
        ),
    )


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SealedFile]:
    file = SealedFile(tmp_path / "keys.sqlite", DATA_KEY)
    yield file
    file.close()


@pytest.fixture
def keys(file: SealedFile) -> RecordKeys:
    return RecordKeys(file)


class TestKeeping:
    def test_gives_back_what_came(self, keys: RecordKeys) -> None:
        versions = [make_held(1), make_held(1, version=2), make_held(2)]

        keys.add_all(versions)

        assert [keys.get(held.record, held.version) for held in versions] == versions
        assert keys.versions(versions[0].record) == [(1, versions[0].ciphertext), (2, versions[1].ciphertext)]

    def test_survives_reopening(self, file: SealedFile, tmp_path: Path) -> None:
        RecordKeys(file).add_all([make_held()])
        file.close()

        reopened = SealedFile(tmp_path / "keys.sqlite", DATA_KEY)

        assert RecordKeys(reopened).get(make_held().record, Version(1)) == make_held()
        reopened.close()

    def test_a_version_never_changes_and_a_set_is_kept_whole_or_not(self, keys: RecordKeys) -> None:
        keys.add_all([make_held(1)])

        with pytest.raises(RecordHeld) as caught:
            keys.add_all([make_held(2), replace(make_held(1), size=5)])

        assert (caught.value.record, caught.value.version) == (make_held(1).record, 1)
        assert keys.get(make_held(1).record, Version(1)) == make_held(1)
        with pytest.raises(RecordNotHeld):
            keys.get(make_held(2).record, Version(1))

    def test_what_is_not_kept_is_named(self, keys: RecordKeys) -> None:
        with pytest.raises(RecordNotHeld) as caught:
            keys.get(make_held(7).record, Version(3))
        assert (caught.value.record, caught.value.version) == (make_held(7).record, 3)

    def test_all_are_listed_in_pages(self, keys: RecordKeys) -> None:
        versions = [make_held(number, version) for number in range(3) for version in (1, 2, 3)]
        keys.add_all(versions)

        first = keys.held(None, 2)
        rest = keys.held(first[-1][:2], 10)

        assert first + rest == [(held.record, held.version, held.ciphertext) for held in versions]


class TestSealing:
    def test_no_secret_is_on_disk(self, keys: RecordKeys, tmp_path: Path) -> None:
        held = make_held()
        keys.add_all([held])

        found = bytes_on_disk(tmp_path)

        assert bytes(held.ciphertext) in found, "or the search would prove nothing"
        assert held.secrets.data_key not in found
        assert held.secrets.salt_key not in found
        assert DATA_KEY not in found

    @pytest.mark.parametrize("column", ["sealed", "ciphertext", "size"])
    def test_a_row_that_another_hand_changed_is_detected(
        self, keys: RecordKeys, tmp_path: Path, column: str
    ) -> None:
        keys.add_all([make_held(1), make_held(2)])
        with sqlite3.connect(tmp_path / "keys.sqlite") as other:
            other.execute(
                f"UPDATE record_version SET {column} ="
                f" (SELECT {column} FROM record_version WHERE record = ?) WHERE record = ?",
                (make_held(2).record, make_held(1).record),
            )
        other.close()

        with pytest.raises(KeysCorrupt):
            keys.get(make_held(1).record, Version(1))
        assert keys.get(make_held(2).record, Version(1)) == make_held(2)

    def test_a_representation_shows_nothing(self) -> None:
        assert "key" not in repr(make_held().secrets)
        assert "data key" not in repr(make_held())

    def test_packing_and_unpacking_are_inverse(self) -> None:
        assert unpack_secrets(make_held().secrets.pack()) == make_held().secrets


class TestDestroying:
    """B6: erased secrets are gone from every file of the table, sealed or not."""

    def test_all_versions_go_and_others_stay(self, keys: RecordKeys) -> None:
        keys.add_all([make_held(1), make_held(1, version=2), make_held(2)])

        assert keys.destroy(make_held(1).record) == 2
        assert keys.destroy(make_held(1).record) == 0

        assert keys.versions(make_held(1).record) == []
        assert keys.get(make_held(2).record, Version(1)) == make_held(2)

    def test_the_sealed_bytes_are_overwritten(self, keys: RecordKeys, tmp_path: Path) -> None:
        keys.add_all([make_held(number) for number in range(200)])
        with sqlite3.connect(tmp_path / "keys.sqlite") as other:
            rows = dict(other.execute("SELECT record, sealed FROM record_version").fetchall())
        other.close()
        record = make_held(77).record
        assert rows[record] in bytes_on_disk(tmp_path)

        keys.destroy(record)

        found = bytes_on_disk(tmp_path)
        assert rows[record] not in found
        assert bytes(make_held(77).ciphertext) not in found
        assert rows[make_held(78).record] in found


def test_secrets_of_a_wrong_length_are_none() -> None:
    """They come from other members, too."""
    with pytest.raises(Undecryptable):
        unpack_secrets(bytes(63))
