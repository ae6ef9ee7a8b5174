"""What a backup says of itself: `backup.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from noded.errors import NodedError
from noded.ops.home_files import CopiedFile

MANIFEST_NAME: Final = "backup.json"

MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
"""100,000 files of 150 bytes each; a home has some dozens besides its records."""

VERSION: Final = 1


class BackupInvalid(NodedError):
    """A backup is not what its manifest says, or has none."""

    def __init__(self, path: Path, why: str, way_out: str = "use another backup") -> None:
        super().__init__(f"{path}: {why}; {way_out}")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup's manifest says."""

    version: int
    program: str
    """Version of the program that made it."""
    chain_id: str
    genesis: str
    """Place of the founding document in the home."""
    created_ms: int
    snapshot: str
    """Name of the snapshot's file."""
    height: int
    is_certified: bool
    """Whether the snapshot's state is proven."""
    records: int
    """Blobs of ciphertext."""
    left_out: tuple[str, ...]
    """What the home takes besides: the passphrase's file, and what its settings place elsewhere."""
    files: dict[str, CopiedFile]
    """By their place in the home."""


def read_backup(folder: Path) -> Backup:
    """
    What a backup's manifest says.

    Raises:
        BackupInvalid: It has none that this program knows.
    """
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            fields = json.loads(file.read(MANIFEST_BYTES_MAX))
        if fields["version"] != VERSION:
            raise BackupInvalid(folder, f"version {fields['version']} is unknown to this program")
        return _parse(fields)
    except FileNotFoundError:
        raise BackupInvalid(folder, "it has no manifest, so it was not finished, or is none") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupInvalid(folder, f"its manifest cannot be read ({error})") from error


def _parse(fields: dict[str, Any]) -> Backup:
    files = {
        str(name): CopiedFile(bytes=int(copied["bytes"]), sha256=str(copied["sha256"]))
        for name, copied in fields["files"].items()
    }
    return Backup(
        version=VERSION,
        program=str(fields["program"]),
        chain_id=str(fields["chain_id"]),
        genesis=str(fields["genesis"]),
        created_ms=int(fields["created_ms"]),
        snapshot=Path(fields["snapshot"]).name,
        height=int(fields["height"]),
        is_certified=bool(fields["is_certified"]),
        records=int(fields["records"]),
        left_out=tuple(map(str, fields["left_out"])),
        files=files,
    )
