import pytest

from noded.ops.checkpoint import Checkpoint, parse_checkpoint
from noded.types.ids import BlockHash, Height

HASH = "ab" * 32


def test_it_reads_as_it_is_written() -> None:
    checkpoint = Checkpoint(height=Height(12), hash=BlockHash(bytes.fromhex(HASH)))

    assert str(checkpoint) == f"12:{HASH}"
    assert parse_checkpoint(str(checkpoint)) == checkpoint


def test_nothing_is_none() -> None:
    assert parse_checkpoint("") is None


@pytest.mark.parametrize(
    "text", ["12", f":{HASH}", f"-1:{HASH}", f"x:{HASH}", "12:ab", f"12:{HASH}ab", "12:zz"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HEIGHT:HASH|hexadecimal"):
        parse_checkpoint(text)
