"""Where a passphrase comes from: never the command line, which all users of a machine can read."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from noded.keys.errors import PassphraseMissing
from noded.keys.files import read_private

CREDENTIAL_NAME: Final = "noded-passphrase"
"""Of the systemd credential: `LoadCredential=noded-passphrase:/etc/noded/passphrase`."""

PASSPHRASE_BYTES_MAX: Final = 4096
"""Anything longer is a mistake: the wrong file."""


def passphrase_from_file(path: Path) -> bytes:
    """
    The first line of a file that only its owner may read.

    Raises:
        PassphraseMissing: There is no such file, or it is empty or too long.
        FileExposed: Other users have access to it.
    """
    if not path.exists():
        raise PassphraseMissing(path, "there is no such file")
    return _first_line(path, read_private(path))


def passphrase_from_descriptor(descriptor: int) -> bytes:
    """
    The first line of what can be read from an open descriptor, to its end or PASSPHRASE_BYTES_MAX.

    Raises:
        PassphraseMissing: It is not open for reading, or gives nothing.
    """
    source = f"descriptor {descriptor}"
    data = b""
    try:
        while len(data) <= PASSPHRASE_BYTES_MAX and (part := os.read(descriptor, PASSPHRASE_BYTES_MAX)):
            data += part
    except OSError as error:
        raise PassphraseMissing(source, f"it cannot be read ({error.strerror})") from error
    return _first_line(source, data)


def passphrase_from_credential(environment: Mapping[str, str]) -> bytes | None:
    """
    The passphrase that systemd hands to the service; None if it hands none.

    Raises:
        PassphraseMissing: It is empty, too long or cannot be read.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder is None or not (path := Path(folder) / CREDENTIAL_NAME).exists():
        return None
    # Systemd guards the folder; the file's mode may show a group's access that an ACL takes away.
    try:
        with path.open("rb") as file:
            return _first_line(path, file.read(PASSPHRASE_BYTES_MAX + 1))
    except OSError as error:
        raise PassphraseMissing(path, f"it cannot be read ({error.strerror})") from error


def _first_line(source: Path | str, data: bytes) -> bytes:
    line = data.split(b"\n", 1)[0].removesuffix(b"\r")
    if not line:
        raise PassphraseMissing(source, "it holds no passphrase")
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise PassphraseMissing(source, f"its first line has more than {PASSPHRASE_BYTES_MAX} bytes")
    return line
