"""What a light client keeps between two proofs: the table that the last one showed, in a file (P5)."""

from pathlib import Path
from typing import Final

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value
from noded.errors import ConfigError
from noded.lightclient import Trusted

TRUST_BYTES_MAX: Final = 1024 * 1024
"""A table of the most validators, about 100 bytes each, is a tenth of it."""

_MAGIC: Final = b"noded trust\n"


class BadTrust(ConfigError):
    """A file is no table that was kept; the message says what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}: {why}; `noded proof verify --save` writes such a file, keep it where nobody else writes"
        )
        self.path = path


def write_trust(path: Path, trusted: Trusted) -> None:
    """Keep a table, in place of an older one."""
    path.write_bytes(_MAGIC + encode_value(trusted))


def read_trust(path: Path) -> Trusted:
    """
    The table in a file; whoever could write the file decides what is trusted.

    Raises:
        BadTrust: There is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(TRUST_BYTES_MAX)
    except OSError as error:
        raise BadTrust(path, str(error.strerror)) from error
    if not data.startswith(_MAGIC):
        raise BadTrust(path, "it has no table of voters")
    try:
        return decode_value(Trusted, data[len(_MAGIC) :], max_bytes=TRUST_BYTES_MAX)
    except Malformed as error:
        raise BadTrust(path, f"it is damaged ({error})") from error
