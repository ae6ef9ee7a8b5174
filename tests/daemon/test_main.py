"""What a node that ended says of the reason."""

import pytest

from noded.daemon.main import _expected
from noded.errors import NodedError
from noded.storage.errors import DiskFull, StoreFailed

FULL = DiskFull("ledger.sqlite")
FOLLOWED = StoreFailed("ledger.sqlite")


def group(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("nursery", errors)


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (group(FULL), FULL),
        (group(group(group(FULL))), FULL),
        (group(FOLLOWED, group(FULL)), FULL),
        (group(FULL, FOLLOWED), FULL),
        (group(FOLLOWED), FOLLOWED),
        (group(AssertionError()), None),
        (group(FULL, group(AssertionError())), None),
        (group(KeyboardInterrupt()), None),
    ],
)
def test_the_disks_error_is_told_and_a_bug_is_not_hidden(
    ended: BaseExceptionGroup[BaseException], told: NodedError | None
) -> None:
    """Pruning and writing may fail together: the second finds that the store takes no more."""
    assert _expected(ended) is told
