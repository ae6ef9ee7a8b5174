import os
from pathlib import Path

import pytest

from noded.keys.errors import FileExposed, PassphraseMissing
from noded.keys.passphrase import (
    CREDENTIAL_NAME,
    PASSPHRASE_BYTES_MAX,
    passphrase_from_credential,
    passphrase_from_descriptor,
    passphrase_from_file,
)

CONTENTS = [
    (b"secret", b"secret"),
    (b"secret\n", b"secret"),
    (b"secret\r\n", b"secret"),
    (b" two words \nsecond line\n", b" two words "),
    (b"x" * PASSPHRASE_BYTES_MAX, b"x" * PASSPHRASE_BYTES_MAX),
]


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pipe_with(content: bytes) -> int:
    read_end, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    return read_end


@pytest.mark.parametrize(("content", "passphrase"), CONTENTS)
def test_it_is_the_first_line_from_wherever_it_comes(
    tmp_path: Path, content: bytes, passphrase: bytes
) -> None:
    path = write(tmp_path / CREDENTIAL_NAME, content)
    descriptor = pipe_with(content)

    assert passphrase_from_file(path) == passphrase
    assert passphrase_from_descriptor(descriptor) == passphrase
    assert passphrase_from_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == passphrase
    os.close(descriptor)


@pytest.mark.parametrize("content", [b"", b"\n", b"\nsecond line", b"x" * (PASSPHRASE_BYTES_MAX + 1)])
def test_none_or_too_long_a_one_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / CREDENTIAL_NAME, content)
    descriptor = pipe_with(content)

    with pytest.raises(PassphraseMissing, match=str(path)):
        passphrase_from_file(path)
    with pytest.raises(PassphraseMissing, match=f"descriptor {descriptor}"):
        passphrase_from_descriptor(descriptor)
    with pytest.raises(PassphraseMissing, match=str(path)):
        passphrase_from_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    os.close(descriptor)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileExposed):
        passphrase_from_file(write(tmp_path / "passphrase", b"secret", 0o644))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PassphraseMissing, match="no such file"):
        passphrase_from_file(tmp_path / "absent")


def test_a_closed_descriptor_is_named() -> None:
    descriptor = pipe_with(b"")
    os.close(descriptor)

    with pytest.raises(PassphraseMissing, match="cannot be read"):
        passphrase_from_descriptor(descriptor)


def test_systemd_guards_its_own_credentials(tmp_path: Path) -> None:
    """With an access list for the service's user the file shows the mode 0440."""
    write(tmp_path / CREDENTIAL_NAME, b"secret\n", 0o440)

    assert passphrase_from_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == b"secret"


def test_without_a_credential_there_is_none(tmp_path: Path) -> None:
    assert passphrase_from_credential({}) is None
    assert passphrase_from_credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}) is None
