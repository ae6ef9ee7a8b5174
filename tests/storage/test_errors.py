import errno

import pytest

from noded.errors import StorageError
from noded.storage.errors import DiskFailed, DiskFull, FileReadOnly, file_failure


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EFBIG, DiskFull),
        (errno.EROFS, FileReadOnly),
        (errno.EACCES, FileReadOnly),
        (errno.EIO, DiskFailed),
    ],
)
def test_an_error_of_the_system_becomes_one_with_a_way_out(number: int, expected: type[StorageError]) -> None:
    error = file_failure("/srv/node/store.db", OSError(number, "reason"))

    assert type(error) is expected
    assert str(error).startswith("/srv/node/store.db: ")
    assert str(error).count("; ") == 1
