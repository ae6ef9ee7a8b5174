"""From a record's bytes to ciphertext and back: exactly, in parts, and never anything else."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.blobs.errors import ContentMismatch, RecordTooLarge
from noded.blobs.keys import RecordSecrets
from noded.blobs.sealing import commit_content, open_content, open_range, seal_content
from noded.blobs.store import BlobStore
from noded.crypto.segments import SEGMENT_BYTES
from noded.types.medical import CiphertextHash, Commitment, RecordId, Version
from tests.helpers.blobs import make_bytes, make_store

SECRETS = RecordSecrets(data_key=b"d" * 32, salt_key=b"s" * 32)
RECORD, VERSION = RecordId(b"r" * 16), Version(3)
SIZES = (0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 18 * SEGMENT_BYTES + 5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return make_store(tmp_path_factory.mktemp("store"))


def keep(store: BlobStore, content: bytes) -> CiphertextHash:
    return store.put_all([seal_content(content, SECRETS, RECORD, VERSION)])[0]


class TestOpenContent:
    @pytest.mark.parametrize("size", SIZES)
    def test_gives_exactly_the_bytes_that_went_in(self, store: BlobStore, size: int) -> None:
        content = make_bytes(size)
        commitment = commit_content(content, SECRETS)

        name = keep(store, content)

        assert (
            open_content(store, name, SECRETS, record=RECORD, version=VERSION, commitment=commitment)
            == content
        )

    def test_other_bytes_than_were_committed_to_are_refused(self, store: BlobStore) -> None:
        name = keep(store, b"what the custodian encrypted")

        with pytest.raises(ContentMismatch, match="other bytes than the ledger's commitment"):
            open_content(
                store,
                name,
                SECRETS,
                record=RECORD,
                version=VERSION,
                commitment=commit_content(b"what it registered", SECRETS),
            )

    @pytest.mark.parametrize(
        ("secrets", "record", "version"),
        [
            (replace(SECRETS, data_key=b"x" * 32), RECORD, VERSION),
            (SECRETS, RecordId(b"x" * 16), VERSION),
            (SECRETS, RECORD, Version(2)),
        ],
    )
    def test_another_key_record_or_version_does_not_open(
        self, store: BlobStore, secrets: RecordSecrets, record: RecordId, version: Version
    ) -> None:
        content = make_bytes(100)
        name = keep(store, content)

        with pytest.raises(ContentMismatch, match="segment 0 was sealed with another key") as caught:
            open_content(
                store,
                name,
                secrets,
                record=record,
                version=version,
                commitment=commit_content(content, secrets),
            )
        assert (caught.value.record, caught.value.version) == (record, version)

    def test_a_ciphertext_cut_at_a_segment_does_not_open(self, store: BlobStore) -> None:
        """A custodian cannot serve a record's beginning as the whole: the last segment says that it is the last."""
        whole = list(seal_content(make_bytes(2 * SEGMENT_BYTES), SECRETS, RECORD, VERSION).segments)
        name = store.put_all(
            [replace(seal_content(make_bytes(SEGMENT_BYTES), SECRETS, RECORD, VERSION), segments=whole[:1])]
        )[0]

        with pytest.raises(ContentMismatch):
            open_range(store, name, SECRETS, record=RECORD, version=VERSION)


class TestOpenRange:
    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(SIZES), st.data())
    def test_any_range_is_the_slice(self, store: BlobStore, size: int, data: st.DataObject) -> None:
        content = make_bytes(size)
        name = keep(store, content)
        start = data.draw(st.integers(0, size + 10))
        end = data.draw(st.none() | st.integers(0, size + 10))

        found = open_range(store, name, SECRETS, record=RECORD, version=VERSION, start=start, end=end)

        assert found == content[start:end]


class TestSealContent:
    def test_ciphertext_shows_nothing(self) -> None:
        content = b"Zo\xc3\xab Muster " * 10_000

        sealed = b"".join(seal_content(content, SECRETS, RECORD, VERSION).segments)

        assert b"Muster" not in sealed
        assert len(sealed) == seal_content(content, SECRETS, RECORD, VERSION).size

    def test_content_of_any_size_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.blobs.sealing.RECORD_BYTES_MAX", 10)

        with pytest.raises(RecordTooLarge) as caught:
            seal_content(b"x" * 11, SECRETS, RECORD, VERSION)
        assert (caught.value.size, caught.value.size_max) == (11, 10)


class TestCommitContent:
    def test_depends_on_every_byte_and_on_the_salt_key(self) -> None:
        commitments: list[Commitment] = [
            commit_content(b"1.00", SECRETS),
            commit_content(b"1.0", SECRETS),
            commit_content(b"1.00", replace(SECRETS, salt_key=b"t" * 32)),
        ]

        assert len(set(commitments)) == 3
        assert {len(commitment) for commitment in commitments} == {32}

    def test_is_the_published_function(self) -> None:
        """HMAC-SHA-256: RFC 4231, test case 1."""
        secrets = RecordSecrets(data_key=bytes(32), salt_key=b"\x0b" * 20)

        assert commit_content(b"Hi There", secrets).hex() == (
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        )


def test_the_folder_holds_no_plaintext(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    keep(store, b"noded-canary " * 20_000)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert files
    assert not any(b"noded-canary" in path.read_bytes() for path in files)
