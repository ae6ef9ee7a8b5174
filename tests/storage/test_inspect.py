import sqlite3
from pathlib import Path

import pytest

from noded.crypto.sparse_merkle import BUCKETS, bucket_of, bucket_root, leaf_of, pack_leaves, path_of
from noded.storage.errors import StoreCorrupt, StoreMissing
from noded.storage.inspect import FINDINGS_MAX, check_buckets, check_tables, table_sizes
from noded.storage.sqlite import SqliteStore
from noded.storage.store import CommitBatch, StateRow
from tests.helpers.store_rows import hash_of, make_blocks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole store with 3000 keys in three blocks."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    for height in range(3):
        rows = []
        for number in range(1000):
            key, value = b"key %d/%d" % (height, number), b"value"
            rows.append(StateRow(path_of(key), leaf_of(value), key, value))
        blocks = make_blocks(height, height)
        store.commit(CommitBatch(blocks=blocks, state_puts=rows))
    roots: dict[int, list[tuple[bytes, bytes]]] = {}
    for row in store.state_rows(b"", 10_000):
        roots.setdefault(bucket_of(row.path), []).append((row.path, row.leaf))
    store.commit(
        CommitBatch(
            blocks=make_blocks(3, 3),
            bucket_roots=[(bucket, bucket_root(pack_leaves(leaves))) for bucket, leaves in roots.items()],
        )
    )
    store.close()
    return path


def findings_in(path: Path) -> list[str]:
    """What is wrong with all of a store."""
    try:
        findings = list(check_tables(path))
        if not any(finding.startswith("SQLite") for finding in findings):
            findings += check_buckets(path, 0, BUCKETS).findings
    except StoreCorrupt as error:
        return [str(error)]
    return findings


def spoil(path: Path, sql: str, *arguments: object) -> list[str]:
    """Change the file behind the store's back; what the check then finds."""
    with sqlite3.connect(path) as connection:
        changed = connection.execute(sql, arguments).rowcount
    connection.close()
    assert changed > 0
    return findings_in(path)


KEY = b"key 1/7"


def test_a_whole_store_has_no_findings(path: Path) -> None:
    assert findings_in(path) == []


def test_an_empty_store_has_no_findings(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "empty.db").close()

    assert findings_in(tmp_path / "empty.db") == []


def test_a_changed_value_is_found(path: Path) -> None:
    assert spoil(path, "UPDATE contents SET value = x'00' WHERE key = ?", KEY) == [
        f"the value of key {KEY.hex()} does not belong to its leaf"
    ]


def test_a_changed_key_is_found(path: Path) -> None:
    assert spoil(path, "UPDATE contents SET key = x'00' WHERE key = ?", KEY) == [
        f"key 00 does not belong to path {path_of(KEY).hex()}"
    ]


def test_a_lost_key_is_found(path: Path) -> None:
    bucket = bucket_of(path_of(KEY))

    count, root = spoil(path, "DELETE FROM contents WHERE key = ?", KEY)
    assert count == "state has 3000 keys, contents has 2999"
    assert f"bucket {bucket} " in root


def test_contents_of_no_key_are_found(path: Path) -> None:
    findings = spoil(path, "INSERT INTO contents (key, value) VALUES ('stray', 'stray')")

    assert findings == ["state has 3000 keys, contents has 3001"]


def test_a_changed_root_is_found(path: Path) -> None:
    findings = spoil(
        path, "UPDATE tree_delta SET roots = CAST(roots || ? AS BLOB)", b"\x00\x05" + hash_of("root")
    )

    assert len(findings) == 1
    assert "bucket 5 " in findings[0]


def test_a_text_where_bytes_should_be_is_found(path: Path) -> None:
    (finding,) = spoil(path, "UPDATE tree_delta SET roots = CAST(roots AS TEXT)")

    assert "is damaged" in finding


def test_a_gap_in_the_heights_is_found(path: Path) -> None:
    findings = spoil(path, "DELETE FROM blocks WHERE height = 1")

    assert findings == [
        "the block after height 0 is missing",
        "bodies has height 1, blocks does not",
        "certificates has height 1, blocks does not",
    ]


def test_damaged_pages_are_found(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(30, 60):
        data[page * 4096 : page * 4096 + 100] = b"\xa5" * 100
    path.write_bytes(data)

    findings = findings_in(path)
    assert findings
    assert all("SQLite" in finding or "damaged" in finding for finding in findings)


def test_the_findings_have_an_end(path: Path) -> None:
    findings = spoil(path, "UPDATE contents SET value = x'00'")

    assert len(findings) == FINDINGS_MAX


def test_sizes_say_what_takes_the_space(path: Path) -> None:
    sizes = table_sizes(path)
    rows = {size.name: size.rows for size in sizes}

    assert sizes[0].name == "state"
    assert (rows["state"], rows["contents"], rows["blocks"], rows["batches"]) == (3000, 3000, 4, 0)
    assert sum(size.bytes for size in sizes) <= path.stat().st_size
    assert sizes[0].bytes > 3000 * (32 + 32)


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        table_sizes(tmp_path / "absent.db")
