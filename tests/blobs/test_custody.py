"""The custodian's chart: kept whole or not at all, readable, checkable, and erased for good (B6)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.blobs.custody import Custodian, KeptVersion, NewVersion
from noded.blobs.errors import (
    BlobCorrupt,
    BlobMissing,
    NoSpaceForBlob,
    RecordHeld,
    RecordNotHeld,
)
from noded.blobs.keys import RecordKeys
from noded.blobs.sealed_file import SealedFile
from noded.blobs.sealing import commit_content, open_content
from noded.crypto.segments import SEGMENT_BYTES
from noded.types.medical import RecordId, Version
from tests.helpers.blobs import blob_path, bytes_on_disk, flip, make_bytes, make_store

DATA_KEY = b"k" * 32
CANARY = b"noded-canary-of-the-custodian"
V1 = Version(1)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[RecordKeys]:
    file = SealedFile(tmp_path / "keys.sqlite", DATA_KEY)
    yield RecordKeys(file)
    file.close()


@pytest.fixture
def custodian(tmp_path: Path, keys: RecordKeys) -> Custodian:
    return Custodian(make_store(tmp_path), keys)


def make_new(number: int = 1, content: bytes = b"content", version: int = 1) -> NewVersion:
    return NewVersion(record=RecordId(number.to_bytes(16)), version=Version(version), content=content)


class TestKeep:
    def test_each_version_reads_as_it_came(self, custodian: Custodian) -> None:
        news = [
            make_new(1, b""),
            make_new(2, b'{"a": 1.00}'),
            make_new(2, make_bytes(3 * SEGMENT_BYTES), version=2),
        ]

        kept = custodian.keep(news)

        assert [custodian.read(new.record, new.version) for new in news] == [new.content for new in news]
        assert (
            custodian.read(news[2].record, Version(2), start=70_000, end=70_010)
            == news[2].content[70_000:70_010]
        )
        assert [(one.record, one.version) for one in kept] == [(new.record, new.version) for new in news]

    def test_what_the_ledger_is_told_is_true(self, custodian: Custodian) -> None:
        new = make_new(content=b"x" * 70_000)

        (kept,) = custodian.keep([new])

        held = custodian.keys.get(new.record, new.version)
        assert kept == KeptVersion(
            record=new.record,
            version=new.version,
            commitment=commit_content(new.content, held.secrets),
            ciphertext=held.ciphertext,
            ciphertext_bytes=custodian.store.manifest(held.ciphertext).size,
        )

    def test_equal_contents_share_nothing_that_can_be_seen(self, custodian: Custodian) -> None:
        one, other = custodian.keep([make_new(1), make_new(2)])

        assert one.commitment != other.commitment
        assert one.ciphertext != other.ciphertext

    def test_a_version_kept_already_is_refused_with_all_that_came_with_it(self, custodian: Custodian) -> None:
        custodian.keep([make_new(1)])
        blobs = list(custodian.store.names())

        with pytest.raises(RecordHeld):
            custodian.keep([make_new(2), make_new(1, b"other content")])

        assert list(custodian.store.names()) == blobs
        assert custodian.read(make_new(1).record, V1) == b"content"

    def test_the_same_again_is_answered_as_it_was(self, custodian: Custodian) -> None:
        first = custodian.keep([make_new()])

        assert custodian.keep([make_new()]) == first
        assert custodian.read(make_new().record, V1) == b"content"
        with pytest.raises(RecordHeld):
            custodian.keep([make_new(1, b"other")])

    def test_without_space_nothing_is_kept(self, tmp_path: Path, keys: RecordKeys) -> None:
        custodian = Custodian(make_store(tmp_path, reserve_bytes=1 << 62), keys)

        with pytest.raises(NoSpaceForBlob):
            custodian.keep([make_new()])

        assert keys.held(None, 10) == []

    def test_no_plaintext_and_no_key_is_on_disk(self, custodian: Custodian, tmp_path: Path) -> None:
        custodian.keep([make_new(1, CANARY * 10_000), make_new(2, CANARY)])
        held = custodian.keys.get(make_new(1).record, V1)

        found = bytes_on_disk(tmp_path)

        for secret in (CANARY, held.secrets.data_key, held.secrets.salt_key, DATA_KEY):
            assert secret not in found


class TestRead:
    def test_what_is_not_kept_is_named(self, custodian: Custodian) -> None:
        with pytest.raises(RecordNotHeld):
            custodian.read(make_new(9).record, V1)

    def test_the_reader_opens_it_with_what_a_release_hands_over(self, custodian: Custodian) -> None:
        (kept,) = custodian.keep([make_new()])
        held = custodian.keys.get(kept.record, kept.version)

        found = open_content(
            custodian.store,
            kept.ciphertext,
            held.secrets,
            record=kept.record,
            version=kept.version,
            commitment=kept.commitment,
        )

        assert found == b"content"


class TestErase:
    def test_keys_and_ciphertext_of_all_versions_go(self, custodian: Custodian) -> None:
        custodian.keep([make_new(1), make_new(1, b"more", version=2), make_new(2)])

        assert custodian.erase(make_new(1).record) == 2

        for version in (V1, Version(2)):
            with pytest.raises(RecordNotHeld):
                custodian.read(make_new(1).record, version)
        assert len(list(custodian.store.names())) == 1
        assert custodian.read(make_new(2).record, V1) == b"content"

    def test_erasing_again_does_no_harm(self, custodian: Custodian) -> None:
        custodian.keep([make_new()])

        assert [custodian.erase(make_new().record) for _ in range(3)] == [1, 0, 0]

    def test_erasing_finishes_what_a_crash_left_undone(self, custodian: Custodian) -> None:
        (kept,) = custodian.keep([make_new()])
        custodian.store.delete(kept.ciphertext)  # The crash came here.

        assert custodian.erase(kept.record) == 1
        with pytest.raises(RecordNotHeld):
            custodian.keys.get(kept.record, V1)

    def test_a_copy_of_the_ciphertext_is_noise_afterwards(self, custodian: Custodian, tmp_path: Path) -> None:
        """Nothing that is left, on this disk or with the data key, gives the record's keys."""
        (kept,) = custodian.keep([make_new()])
        held = custodian.keys.get(kept.record, V1)
        custodian.erase(kept.record)

        found = bytes_on_disk(tmp_path)

        assert bytes(kept.ciphertext) not in found
        assert held.secrets.data_key not in found


class TestCheck:
    def test_finds_nothing_where_all_is_well(self, custodian: Custodian) -> None:
        custodian.keep([make_new(number, make_bytes(number * 1000)) for number in range(5)])

        assert list(custodian.check()) == []

    def test_names_what_is_missing_and_what_is_damaged(
        self, custodian: Custodian, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.blobs.custody._PAGE", 2)
        kept = custodian.keep([make_new(number) for number in range(5)])
        flip(blob_path(custodian.store, kept[1].ciphertext), -1)
        custodian.store.delete(kept[4].ciphertext)

        corrupt, missing = custodian.check()

        assert isinstance(corrupt, BlobCorrupt)
        assert (corrupt.ciphertext, corrupt.segment) == (kept[1].ciphertext, 0)
        assert isinstance(missing, BlobMissing)
        assert missing.ciphertext == kept[4].ciphertext
